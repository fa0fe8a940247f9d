"""Other processes that read blocks of lines, so that a large upload keeps more than one processor busy."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor

from service.pool.lines import Block, pack
from service.pool.packed import Packed

LARGE_BYTES = 1 << 16
"""A block below this, as a small or slow sender's are, is read at once."""
NICENESS = 5
"""Of processes that compute for long: where processors are few, people are answered first."""
AHEAD = 12
"""Blocks of one upload that are being read, or wait for it."""


class Packers:
    """They start with the first large block. `in_order` is for any number of threads."""

    def __init__(self, processes: int | None = None) -> None:
        self._processes = processes or max(1, (os.cpu_count() or 1) - 1)
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None

    def in_order(self, text_field: str, blocks: Iterable[Block]) -> Iterator[tuple[Block, Packed | None]]:
        """`service.pool.lines.Packing`: some blocks ahead."""
        waiting: deque[tuple[Block, Future[Packed | None]]] = deque()

        def next_one() -> tuple[Block, Packed | None]:
            block, future = waiting.popleft()
            try:
                return block, future.result()
            except BrokenExecutor:  # somebody killed a process
                self.close()
                return block, pack(text_field, block)

        for block in blocks:
            if len(block.raw or b"") >= LARGE_BYTES:
                waiting.append((block, self._begin(text_field, block)))
                while waiting and (len(waiting) > AHEAD or waiting[0][1].done()):
                    yield next_one()
            else:
                while waiting:
                    yield next_one()
                yield block, pack(text_field, block)
        while waiting:
            yield next_one()

    def close(self) -> None:
        with self._lock:
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)
                self._pool = None

    def _begin(self, text_field: str, block: Block) -> "Future[Packed | None]":
        with self._lock:
            if self._pool is None:
                context = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(self._processes, context, initializer=_follow_parent)
            try:
                return self._pool.submit(pack, text_field, block)
            except BrokenExecutor as error:
                broken: Future[Packed | None] = Future()
                broken.set_exception(error)
                return broken


def _follow_parent() -> None:
    """The process ends with its parent, however that dies, and not by a terminal's Ctrl-C; it gives way to others."""
    os.nice(NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(0)

    threading.Thread(target=follow, name="follow-parent", daemon=True).start()
