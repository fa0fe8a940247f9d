"""Compressed uploads: gzip and zstd, unpacked as they come, in constant memory."""

from collections.abc import Iterable, Iterator

from service.errors import Invalid

SUFFIXES = {".gz": "gzip", ".zst": "zstd"}
"""What the name of a compressed file ends with, and what HTTP calls its encoding."""
PIECE_BYTES = 1 << 14
"""Of a stream that breaks off, no more than so many are lost."""


def unpacked(chunks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """The bytes that `chunks` are by `encoding`: "gzip" or "zstd", in pieces of at most PIECE_BYTES, or "identity".

    Raises Invalid, after what could be read, where they are not so encoded or end too early.
    """
    if encoding == "identity":
        yield from chunks
        return
    import pyarrow as pa  # a fifth of a second, which the command line does not need

    source = _Source(chunks)
    try:
        with pa.CompressedInputStream(pa.PythonFile(source, "r"), encoding) as stream:
            # Its `read` leaks the bytes that it prepared when the stream turns out to be broken.
            while piece := stream.read_buffer(PIECE_BYTES).to_pybytes():
                yield piece
    except OSError as error:
        raise Invalid(f"cannot be read as {encoding}: {error}", "body") from error


class _Source:
    """Chunks as the file that pyarrow reads from."""

    closed = False

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._held = b""

    def readable(self) -> bool:
        return True

    def read(self, count: int) -> bytes:
        while not self._held:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._held = chunk
        found, self._held = self._held[:count], self._held[count:]
        return found

    def close(self) -> None:
        self.closed = True
