"""What a file is by its name: JSONL, CSV or Parquet, and how it is compressed."""

from pathlib import PurePath
from typing import Literal

from service.pool import compression

Form = Literal["jsonl", "csv", "parquet"]
SUFFIXES: dict[str, Form] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}


def form_of(name: str) -> Form | None:
    """By the last suffix that is not of a compression, in upper or lower case; None where that says nothing."""
    suffixes = [suffix.lower() for suffix in PurePath(name).suffixes]
    return SUFFIXES.get(next((s for s in reversed(suffixes) if s not in compression.SUFFIXES), ""))


def encoding_of(name: str) -> str:
    """How the file's bytes are compressed, as HTTP calls it; "identity": not at all."""
    return compression.SUFFIXES.get(PurePath(name).suffix.lower(), "identity")
