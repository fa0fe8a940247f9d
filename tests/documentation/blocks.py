"""The code blocks of the documentation's pages."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from service.http import docs


@dataclass(frozen=True)
class Block:
    line: int
    """Where its code begins in the page, from 1."""
    language: str
    code: str


def names() -> list[str]:
    """Pages that are files, in the order in which they are read."""
    listed = [name for group in docs.order(list(docs.pages())).values() for name in group]
    return [name for name in listed if name not in (docs.REFERENCE, docs.SECURITY.stem.lower())]


def blocks(name: str) -> Iterator[Block]:
    text = (docs.FOLDER / f"{name}.md").read_text()
    for found in re.finditer(r"^```([^\n]*)\n(.*?)^```$", text, re.M | re.S):
        yield Block(text.count("\n", 0, found.start(2)) + 1, found[1].strip(), found[2])
