import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.pool.lines import Line, Rejection, read_many
from service.pool.packed import Packed
from service.pool.packers import AHEAD, LARGE_BYTES, Packers
from tests.http.conftest import wait_for


@pytest.fixture(scope="module")
def packers() -> Iterator[Packers]:
    packers = Packers(2)
    yield packers
    packers.close()


def block(first: int, size: int = LARGE_BYTES) -> tuple[bytes, int]:
    """A chunk of whole lines that is at least so large, and the number after its last."""
    lines: list[bytes] = []
    while sum(map(len, lines)) < size:
        lines.append(json.dumps({"id": str(first + len(lines)), "text": "text " * 200}).encode() + b"\n")
    return b"".join(lines), first + len(lines)


def ids(found: list[Packed | Line | Rejection]) -> list[str | None]:
    of: list[str | None] = []
    for one in found:
        if isinstance(one, Packed):
            of += [example.id for example in one.examples()]
        elif isinstance(one, Line):
            of.append(one.example.id)
    return of


def test_blocks_come_in_order(packers: Packers) -> None:
    """Given large and small blocks and one that has to be read line by line, then all lines come in their order."""
    chunks, number = [], 0
    for at in range(2 * AHEAD):
        chunk, number = block(number, 10 if at % 5 == 4 else LARGE_BYTES)
        if at == 3:
            chunk, number = chunk + b'{"id": %d, "text": "a"}\n' % number, number + 1
        chunks.append(chunk)
    found = list(read_many(chunks, "jsonl", "text", packing=packers.in_order))
    assert ids(found) == [str(at) for at in range(number)]


def test_what_is_there_is_handed_on_when_no_more_comes(packers: Packers) -> None:
    lines = read_many(iter([block(0)[0], b"", b"never asked for"]), "jsonl", "text", packing=packers.in_order)
    assert isinstance(next(lines), Packed)


def test_a_process_that_is_killed_is_replaced() -> None:
    packers = Packers(1)
    chunks = [block(1000 * at)[0] for at in range(3)]

    def sent() -> Iterator[bytes]:
        yield chunks[0]
        yield b""
        for child in multiprocessing.active_children():
            os.kill(child.pid or 0, signal.SIGKILL)
        yield from chunks[1:]

    found = list(read_many(sent(), "jsonl", "text", packing=packers.in_order))
    again = list(read_many(chunks, "jsonl", "text", packing=packers.in_order))
    packers.close()
    assert len(ids(found)) == len(ids(again)) == sum(chunk.count(b"\n") for chunk in chunks)


SERVER = """
import multiprocessing, os, sys
from service.pool.lines import read_many
from service.pool.packers import Packers
if __name__ == "__main__":
    packers = Packers(1)
    list(read_many([sys.argv[1].encode() * 2000], "jsonl", "text", packing=packers.in_order))
    print(*[child.pid for child in multiprocessing.active_children()], flush=True)
    os.kill(os.getpid(), 9)
"""


def test_a_process_ends_with_its_parent(tmp_path: Path) -> None:
    file = tmp_path / "server.py"
    file.write_text(SERVER)
    line = json.dumps({"text": "a text that is not short"}) + "\n"
    ended = subprocess.run([sys.executable, str(file), line], capture_output=True, text=True, timeout=60)
    (child,) = map(int, ended.stdout.split())

    def gone() -> bool:
        try:
            state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        return state == "Z"  # nobody may be there to fetch its end

    wait_for(gone)
