"""Rows of an uploaded Parquet file, a few at a time.

Its table of contents is at the end, so the body goes to a temporary file first (TMPDIR says where).
"""

from collections.abc import Iterable, Iterator
from tempfile import TemporaryFile
from typing import Any

import msgspec

from service.errors import Invalid

ROWS = 1_000
BUFFER_BYTES = 1 << 20


def rows(chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Column name -> value, as JSON has it: times and decimals are strings, bytes base64, numbers that are none null.

    Raises Invalid, after what could be read, where the body is no whole Parquet file.
    """
    import pyarrow as pa  # a fifth of a second, which the command line does not need
    import pyarrow.parquet as pq

    with TemporaryFile(prefix="postil-") as file:
        for chunk in chunks:
            file.write(chunk)
        try:
            with pq.ParquetFile(file, buffer_size=BUFFER_BYTES, pre_buffer=False) as table:
                for batch in table.iter_batches(ROWS):
                    yield from msgspec.json.decode(msgspec.json.encode(batch.to_pylist()))
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise Invalid(f"cannot be read as Parquet: {error}", "body") from error
