import pytest

from service.pool.forms import encoding_of, form_of


@pytest.mark.parametrize(
    ("name", "form", "encoding"),
    [
        ("a.jsonl", "jsonl", "identity"),
        ("folder.csv/a.ndjson", "jsonl", "identity"),
        ("A.CSV", "csv", "identity"),
        ("a.csv.GZ", "csv", "gzip"),
        ("s3://bucket/a.b.parquet.zst", "parquet", "zstd"),
        ("a.txt", None, "identity"),
        ("a.gz", None, "gzip"),
        ("-", None, "identity"),
    ],
)
def test_what_a_name_says(name: str, form: str | None, encoding: str) -> None:
    assert (form_of(name), encoding_of(name)) == (form, encoding)
