"""Rows of an uploaded Parquet file, as JSON Lines: read by a process of its own, whose memory is limited.

A few kilobytes of Parquet can stand for gigabytes, and its readers are large C++ libraries. Its table of contents is at
the end, so the body goes to a temporary file first (TMPDIR says where).
"""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from tempfile import TemporaryFile
from typing import Any, BinaryIO

import msgspec

from service import memory
from service.errors import Invalid

ROWS = 200
BUFFER_BYTES = 1 << 20
PIECE_BYTES = 1 << 18
MEMORY_BYTES = 1 << 30
"""What reading may take, beside Python and its libraries."""
REFUSED = 3
"""Exit status where the file is at fault; the standard error says how."""


def as_json_lines(chunks: Iterable[bytes], known: Iterable[str]) -> Iterator[bytes]:
    """An object for each row, in pieces of any size. Columns that are not `known` are `meta`, as `with_meta` has it.

    Times and decimals are strings, bytes base64, numbers that are none null. Raises Invalid, after what could be read,
    where the body is no whole Parquet file, or takes more than MEMORY_BYTES to read.
    """
    with TemporaryFile(prefix="postil-") as file, TemporaryFile(prefix="postil-") as errors:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        file.seek(0)
        command = [sys.executable, "-m", "service.pool.parquet", *sorted(known)]
        reader = subprocess.Popen(command, stdin=file, stdout=subprocess.PIPE, stderr=errors)
        assert reader.stdout is not None
        with reader:
            try:
                while piece := reader.stdout.read(PIECE_BYTES):
                    yield piece
            except GeneratorExit:
                reader.kill()
                raise
        if reader.returncode:
            errors.seek(0)
            words = errors.read().decode(errors="replace").strip().rpartition("\n")[2]
            if reader.returncode != REFUSED:
                words = f"its reader ended with {reader.returncode}, at a file that is broken or too large to read"
            raise Invalid(f"cannot be read as Parquet: {words}", "body")


def with_meta(row: dict[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """Columns that are not `known` are `meta`, beside what a known column of that name has."""
    rest = {name: value for name, value in row.items() if name not in known and value is not None}
    found = {name: value for name, value in row.items() if name in known}
    meta = found.get("meta")
    return found | ({"meta": rest | (meta if isinstance(meta, dict) else {})} if rest else {})


def main() -> None:
    """The process: Parquet on standard input, which is a file; names of known columns are its arguments."""
    import pyarrow as pa

    _limit_memory()
    try:
        _write(sys.stdin.buffer, frozenset(sys.argv[1:]), sys.stdout.buffer)
    except (pa.ArrowMemoryError, MemoryError):
        sys.stderr.write(
            f"it takes more than {MEMORY_BYTES:,} bytes: write smaller pages, leave long texts out"
        )
        sys.exit(REFUSED)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        sys.stderr.write(str(error).partition("\n")[0])
        sys.exit(REFUSED)


def _write(file: BinaryIO, known: frozenset[str], out: BinaryIO) -> None:
    import pyarrow.parquet as pq

    encoder = msgspec.json.Encoder()
    with pq.ParquetFile(file, buffer_size=BUFFER_BYTES, pre_buffer=False) as table:
        for batch in table.iter_batches(ROWS, use_threads=False):
            rows = msgspec.json.decode(encoder.encode(batch.to_pylist()))
            out.write(encoder.encode_lines([with_meta(row, known) for row in rows]))
    out.flush()


def _limit_memory() -> None:
    """Where the system can: Linux counts what a process could write to."""
    taken = memory.told("VmData")
    if taken is not None:
        import resource

        most = taken + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


if __name__ == "__main__":
    main()
