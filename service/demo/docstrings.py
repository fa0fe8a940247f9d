"""The demo's text: openings of docstrings in Python's own standard library, to be sorted by topic.

It is real text, every machine that runs Postil has it, and the module it stands in gives the true topic.
The library is parsed, never imported; what this Python or this distribution lacks is passed over.
"""

import ast
import re
import sysconfig
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from pathlib import Path

import numpy as np

from service.errors import Invalid

# Left out on purpose: modules that people and models sort by guessing (idlelib, argparse, logging, …).
TOPICS = {
    "user interfaces": "_pyrepl cmd curses getpass tkinter turtle turtledemo",
    "networking and mail": (
        "asynchat asyncio.base_events asyncio.events asyncio.proactor_events asyncio.protocols "
        "asyncio.selector_events asyncio.sslproto asyncio.streams asyncio.transports asyncio.trsock "
        "asyncio.unix_events asyncio.windows_events asyncore email ftplib http imaplib ipaddress mailbox "
        "netrc nntplib poplib selectors smtpd smtplib socket socketserver ssl telnetlib urllib webbrowser "
        "wsgiref xmlrpc"
    ),
    "data formats": (
        "_compression _markupbase aifc base64 bz2 chunk compression configparser csv gzip html imghdr json "
        "lzma mimetypes pickle pickletools plistlib quopri shelve sndhdr sunau tarfile tomllib uu wave "
        "xdrlib xml zipfile"
    ),
    "numbers": "_pydecimal _pylong bisect colorsys fractions heapq numbers random secrets statistics",
    "dates": "_pydatetime _strptime calendar datetime zoneinfo",
    "language tools": (
        "annotationlib ast bdb code codeop compileall dis distutils doctest importlib inspect lib2to3 "
        "modulefinder pdb pkgutil py_compile pyclbr pydoc runpy symtable tabnanny tokenize trace traceback "
        "tracemalloc typing unittest zipimport"
    ),
}
"""Topic -> modules and packages, of any Python since 3.11, whose docstrings are about it."""

OPENING_CHARACTERS = 80
"""An opening shorter than this takes in the paragraph that follows."""
SHORTEST_CHARACTERS = 30
"""Below this ("Return the name.") a text has no topic that anyone could see."""
LONGEST_CHARACTERS = 600
NEAR = 0.6
"""Two texts are near-duplicates from this overlap (Jaccard) of their words and word pairs on."""


@dataclass(frozen=True)
class Example:
    id: str
    """Where the docstring stands: `module:qualified.name`."""
    text: str
    label: str
    domain: str
    """Dotted name of the module."""


@dataclass(frozen=True)
class Corpus:
    labels: list[str]
    pool: list[Example]
    gold: list[Example]


def corpus(seed: int = 0, gold: int = 1000) -> Corpus:
    """All examples in random order, the first `gold` of them set apart; no two texts are near-duplicates.

    The same seed gives the same corpus on the same Python. Raises Invalid where the library's sources
    (or enough of them) are missing.
    """
    root = Path(sysconfig.get_path("stdlib"))
    found = distinct(examples(root))
    if not 0 <= gold <= len(found) // 2:
        raise Invalid(
            f"gold is {gold}, and {root} holds {len(found)} usable docstrings, of which at most half can be "
            "set apart: ask for fewer, or use a Python that came with the sources of its standard library",
            "gold",
        )
    order = np.random.default_rng(seed).permutation(len(found)).tolist()
    shuffled = [found[position] for position in order]
    return Corpus(labels=list(TOPICS), pool=shuffled[gold:], gold=shuffled[:gold])


def examples(root: Path) -> Iterator[Example]:
    """Every usable docstring of the modules in TOPICS below `root`; duplicates included."""
    for label, modules in TOPICS.items():
        for module in modules.split():
            for path in _sources(root, module):
                domain = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
                for name, docstring in _docstrings(ast.parse(path.read_bytes())):
                    text = opening(docstring)
                    if _usable(text):
                        yield Example(f"{domain}:{name}" if name else domain, text, label, domain)


def opening(docstring: str) -> str:
    """The first paragraph on one line, with what follows it while it is short; ends where code begins."""
    prose = re.split(r"^\s*>>>", docstring, maxsplit=1, flags=re.MULTILINE)[0]
    text = ""
    for paragraph in re.split(r"\n\s*\n", prose):
        without_rules = re.sub(r"[-=~*_#]{3,}", " ", paragraph)
        text = " ".join(f"{text} {without_rules}".split())
        if len(text) >= OPENING_CHARACTERS:
            break
    return textwrap.shorten(text, LONGEST_CHARACTERS, placeholder=" …")


def distinct(found: Iterable[Example]) -> list[Example]:
    """One example of each id and of each group of near-duplicates, the earliest; `found`'s order is kept.

    A text that stands under two topics has no true answer and is left out altogether.
    """
    found = list(found)
    topics: defaultdict[tuple[str, ...], set[str]] = defaultdict(set)
    frequency: Counter[str] = Counter()
    for example in found:
        topics[_words(example.text)].add(example.label)
        frequency.update(_shingles(example.text))

    kept: list[Example] = []
    kept_shingles: list[set[str]] = []
    holders: defaultdict[str, list[int]] = defaultdict(list)  # shingle -> positions in `kept`
    ids: set[str] = set()
    for example in found:
        if example.id in ids or len(topics[_words(example.text)]) > 1:
            continue
        shingles = _shingles(example.text)
        # Prefix filter (Chaudhuri et al. 2006): two sets that overlap by NEAR share one of these, the rarest.
        telling = sorted(shingles, key=lambda shingle: (frequency[shingle], shingle))
        telling = telling[: len(shingles) - ceil(NEAR * len(shingles)) + 1]
        rivals = {rival for shingle in telling for rival in holders[shingle]}
        if any(_overlap(shingles, kept_shingles[rival]) >= NEAR for rival in rivals):
            continue
        for shingle in telling:
            holders[shingle].append(len(kept))
        ids.add(example.id)
        kept.append(example)
        kept_shingles.append(shingles)
    return kept


def _usable(text: str) -> bool:
    """Long enough to have a topic, and prose: not a grammar rule or a table."""
    letters = sum(character.isalpha() for character in text)
    return (
        len(text) >= SHORTEST_CHARACTERS
        and len(_words(text)) >= 5
        and letters >= 0.7 * len(text.replace(" ", ""))
    )


def _overlap(one: set[str], other: set[str]) -> float:
    both = len(one & other)
    return both / (len(one) + len(other) - both)


def _shingles(text: str) -> set[str]:
    words = _words(text)
    return {*words, *map(" ".join, pairwise(words))}


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\W_]+", text.lower()))


def _sources(root: Path, module: str) -> list[Path]:
    path = root.joinpath(*module.split("."))
    inside = [
        file for file in path.rglob("*.py") if not {"test", "tests"} & set(file.relative_to(root).parts)
    ]
    return sorted(inside) or [file for file in [path.with_suffix(".py")] if file.is_file()]


def _docstrings(node: ast.AST, qualified: str = "") -> Iterator[tuple[str, str]]:
    """(qualified name, docstring) of the module, its classes, functions and methods, in source order."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        docstring = ast.get_docstring(node)
        if docstring:
            yield qualified, docstring
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _docstrings(child, f"{qualified}.{child.name}".lstrip("."))
        elif not isinstance(child, ast.expr):  # definitions stand in statements only
            yield from _docstrings(child, qualified)
