from pathlib import Path

import fsspec
import pytest

from service.errors import Invalid
from service.pool.sources import allowed, chunks


@pytest.mark.parametrize(
    ("url", "prefixes", "wanted"),
    [
        ("/data/a.jsonl", "/data", "/data/a.jsonl"),
        ("file:///data/a.jsonl", "s3://b, /data/", "/data/a.jsonl"),
        ("/data//b/a.csv", "/other /data/b", "/data/b/a.csv"),
        ("/data/a.jsonl", "/data/a.jsonl", "/data/a.jsonl"),
        ("/data/a.jsonl", "/", "/data/a.jsonl"),
        ("S3://bucket/pools/a.jsonl", "s3://bucket/pools", "s3://bucket/pools/a.jsonl"),
        ("s3://bucket//a.jsonl", "s3://bucket/", "s3://bucket/a.jsonl"),
    ],
)
def test_what_is_below_a_prefix_is_allowed(url: str, prefixes: str, wanted: str) -> None:
    assert allowed(url, prefixes) == wanted


@pytest.mark.parametrize(
    ("url", "prefixes"),
    [
        ("/data/a.jsonl", ""),
        ("/data2/a.jsonl", "/data"),
        ("s3://bucket2/a.jsonl", "s3://bucket"),
        ("s3://bucket@evil/a.jsonl", "s3://bucket"),
        ("gs://bucket/a.jsonl", "s3://bucket"),
        ("s3://bucket/a.jsonl", "/"),
        ("s3://Bucket/a.jsonl", "s3://bucket"),
    ],
)
def test_what_is_elsewhere_is_refused(url: str, prefixes: str) -> None:
    with pytest.raises(Invalid, match="is not below any prefix in POSTIL_SOURCES"):
        allowed(url, prefixes)


@pytest.mark.parametrize(
    "url",
    [
        "/data/../etc/a.jsonl",
        "s3://bucket/pools/../a.jsonl",
        "s3://bucket/pools/%2e%2E/a.jsonl",
        "s3://bucket/pools/..\\a.jsonl",
        "simplecache::s3://bucket/pools/a.jsonl",
        "/data/a\0.jsonl",
        "data/a.jsonl",
        "",
    ],
)
def test_what_could_mean_something_else_is_refused(url: str) -> None:
    with pytest.raises(Invalid, match=r"' or a NUL in it|is no absolute path and no URL"):
        allowed(url, "/data /data/a s3://bucket/pools simplecache::s3://bucket")


def test_a_link_leads_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / "link").symlink_to(tmp_path / "out")
    (tmp_path / "also").symlink_to(tmp_path / "in")
    with pytest.raises(Invalid, match="is not below"):
        allowed(f"{tmp_path}/in/link/a.jsonl", f"{tmp_path}/in")
    assert allowed(f"{tmp_path}/in/a.jsonl", f"{tmp_path}/also") == f"{tmp_path}/in/a.jsonl"


def test_bytes_of_a_path_and_of_an_object(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"abc")
    with fsspec.open("memory://pools/a.jsonl", "wb") as file:
        file.write(b"d" * 600_000)
    size, found = chunks(str(tmp_path / "a.jsonl"))
    assert (size, b"".join(found)) == (3, b"abc")
    size, found = chunks("memory://pools/a.jsonl")
    assert (size, b"".join(found)) == (600_000, b"d" * 600_000)


@pytest.mark.parametrize("url", ["memory://none/a.jsonl", "/none/a.jsonl", "nothing://a/a.jsonl"])
def test_what_is_not_there_is_told(url: str) -> None:
    with pytest.raises(Invalid, match=f"{url} cannot be read"):
        chunks(url)
