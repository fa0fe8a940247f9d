"""Coverage-guided fuzzing of what reads an upload: atheris (libFuzzer) changes bodies towards code they did not reach.

    python -m tests.fuzz.lines FOLDER -max_total_time=60 -seed=1

FOLDER is where bodies that reach something new are kept; it begins with SEEDS. What must hold: only Invalid is raised;
a body reads the same however it comes in chunks, and whether its lines are read at once or one by one; a good line
comes back out of a batch as it was; what is said of a bad one can be sent.
"""

import gzip
import sys
from collections.abc import Iterator
from itertools import pairwise, product
from pathlib import Path

import atheris
import msgspec

with atheris.instrument_imports(include=["service"]):
    from service.errors import Invalid
    from service.pool import compression
    from service.pool.batch import Batch
    from service.pool.lines import MAX_ID_CHARS, MAX_TEXT_CHARS, Line, Rejection, read

PROBLEMS = ("single_label", "multi_label", "spans")
SEEDS = (
    b'{"text": "a", "id": "x", "domain": "d", "meta": {"k": [1, 2.5, null, true]}, "label": "good"}\n{"text": "b"}\n',
    b'{"text": "a", "labels": ["good", "bad"]}\n',
    b'{"text": "ab c", "spans": [{"start": 0, "end": 2, "label": "PER"}]}\n',
    b'text,id,domain,label,other\n"one, ""two""",7,d,good,\r\nb,,,,x\n',
    b'text,labels\na,"good|bad"\n',
    b'text,spans\nab,"[{""start"": 0, ""end"": 1, ""label"": ""x""}]"\n',
)


def one(data: bytes) -> None:
    """The first four bytes say how the rest is read."""
    if len(data) < 4:
        return
    how, problem, cut, more = data[0], PROBLEMS[data[1] % 3], data[2], data[3]
    body, form, required = data[4:], "csv" if how & 1 else "jsonl", bool(how & 2)
    if how & 4:
        body = _unpacked(gzip.compress(body) if how & 8 else body, "zstd" if how & 16 else "gzip")
    whole = _read([body], form, required, problem)
    assert whole == _read(_chopped(body, cut, more), form, required, problem)
    # White space before an object: the same line, but one that is not read at once with others.
    if form == "jsonl" and body.startswith(b"{"):
        assert _outcomes(whole) == _outcomes(_read([b" " + body], form, required, problem))
    good = [found for found in whole if isinstance(found, Line)]
    for line in good:
        example = line.example
        assert len(example.text) <= MAX_TEXT_CHARS
        assert example.id is None or 0 < len(example.id) <= MAX_ID_CHARS
        assert "\0" not in f"{example.text}{example.id}{example.domain}"
    if good:
        assert _plain(Batch.of(good).lines()) == _plain(good)
    msgspec.json.encode(whole)


def _read(
    chunks: list[bytes] | Iterator[bytes], form: str, required: bool, problem: str
) -> list[Line | Rejection | str]:
    found: list[Line | Rejection | str] = []
    try:
        found += read(chunks, form, "text", required, problem)
    except Invalid as error:
        found.append(str(error))
    return found


def _outcomes(found: list[Line | Rejection | str]) -> list[object]:
    """Without the words of what is wrong, which name bytes by their position."""
    return [(one.line, None) if isinstance(one, Rejection) else one for one in found]


def _plain(lines: list[Line] | Iterator[Line]) -> bytes:
    return msgspec.json.encode([(line.number, line.example) for line in lines])


def _chopped(body: bytes, cut: int, more: int) -> Iterator[bytes]:
    edges = sorted({0, cut % (len(body) + 1), (cut + more) % (len(body) + 1), len(body)})
    for start, end in pairwise(edges):
        yield body[start:end]


def _unpacked(body: bytes, encoding: str) -> bytes:
    found = b""
    try:
        for piece in compression.unpacked([body], encoding):
            found += piece
    except Invalid:
        pass
    return found


def _sow(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for how, problem, (at, seed) in product((0, 1, 2, 3, 4, 12, 28), range(3), enumerate(SEEDS)):
        (folder / f"{how}-{problem}-{at}").write_bytes(bytes([how, problem, 5, 9]) + seed)


if __name__ == "__main__":
    _sow(Path(sys.argv[1]))
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
