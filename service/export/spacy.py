"""Spans as spaCy and Prodigy read them: JSON Lines of {text, spans: [{start, end, label}], meta}."""

from collections.abc import Iterable, Iterator

import msgspec

from service.export.labels import Labeled


def stream(pages: Iterable[list[Labeled]]) -> Iterator[bytes]:
    """Every span, overlapping ones too; `meta` has all other columns."""
    encoder = msgspec.json.Encoder()
    for page in pages:
        rows = (dict(one.row) for one in page)
        yield encoder.encode_lines(
            [{"text": row.pop("text"), "spans": row.pop("spans"), "meta": row} for row in rows]
        )
