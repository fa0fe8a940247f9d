"""Labeled files: a pool whose answers are known, and the test set beside it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service import answers
from service.errors import Invalid
from service.pool import compression, forms, lines
from service.pool.text import digest, role_keys
from service.records import Example
from workers.coding import classes

CHUNK = 1 << 20


@dataclass(frozen=True, eq=False)
class Labeled:
    """Texts and what is true of them, as `workers.coding.classes` has it."""

    texts: list[str]
    classes: NDArray[Any]
    domains: list[str | None]

    def __len__(self) -> int:
        return len(self.texts)

    def of_domain(self, name: str | None) -> NDArray[np.bool_]:
        """(n,) which are of the domain; None: which have none."""
        return np.array([one == name for one in self.domains], np.bool_)

    def role_keys(self) -> NDArray[np.int64]:
        return np.array(role_keys(self.texts), dtype=np.int64)


def read(data: Path, test: Path, text_field: str, problem: str) -> tuple[list[str], Labeled, Labeled]:
    """(labels, pool, test set) of two files; labels are all that occur in either, sorted.

    JSONL, CSV or Parquet, by the name's end, plain or compressed (.gz, .zst). As in a campaign, a text that occurs
    twice counts once, and what is like a text of the test set does not train. Raises Invalid for lines without a text
    or an answer.
    """
    pool, measured = (
        {one.text: one for one in _examples(file, text_field, problem)} for file in (data, test)
    )
    forbidden = set(role_keys(list(measured)))
    keys = role_keys(list(pool))
    pool = {one: pool[one] for one, key in zip(pool, keys, strict=True) if key not in forbidden}
    labels = sorted(
        {label for part in (pool, measured) for one in part.values() for label in _labels(_answer(one))}
    )
    if not labels or not pool:
        raise Invalid(f"{data} has {len(pool)} texts that are not in {test}, of {len(labels)} labels", "data")
    code = answers.coder(problem, labels)
    made = []
    for part in (pool, measured):
        stored = [
            answers.store(answers.check(problem, labels, _answer(one), len(text)))
            for text, one in part.items()
        ]
        true = classes(problem, [code(one) for one in stored], len(labels))
        made.append(Labeled(list(part), true, [one.domain for one in part.values()]))
    return labels, made[0], made[1]


def _answer(one: Example) -> answers.Answer:
    assert one.label is not None  # as all that were read have one
    return one.label


def _labels(answer: answers.Answer) -> list[str]:
    if isinstance(answer, str):
        return [answer]
    return [one if isinstance(one, str) else one["label"] for one in answer]


def _examples(path: Path, text_field: str, problem: str) -> Iterator[Example]:
    """Each text once, with an answer."""
    seen: set[bytes] = set()
    form = forms.form_of(path.name) or "jsonl"
    for line in lines.read(chunks(path), form, text_field, problem=problem):
        if isinstance(line, lines.Rejection):
            raise Invalid(f"{path}, line {line.line}: {line.reason}", "data")
        if line.example.label is None:
            raise Invalid(f"{path}, line {line.number}: {answers.FIELDS[problem]!r} is missing", "data")
        key = digest(line.example.text)
        if key not in seen:
            seen.add(key)
            yield line.example


def chunks(path: Path) -> Iterator[bytes]:
    """Of what is in the file, uncompressed; raises Invalid."""
    try:
        with path.open("rb") as file:
            read = iter(partial(file.read, CHUNK), b"")
            yield from compression.unpacked(read, forms.encoding_of(path.name))
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error}", "data") from None
    except Invalid as error:
        raise Invalid(f"{path}: {error}", "data") from None
