"""Uploads and bodies at their worst: what is wrong is told, what was good stays, and memory is bounded."""

import gzip
import hashlib
import io
import json
from collections.abc import Iterator
from xml.etree import ElementTree

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.label_studio.problems import problem
from service.store import campaigns
from tests.server import MOST_MIB, Server, serving

MIB = 1 << 20
GOOD = b'{"text": "a good line"}\n'
JSONL, CSV, PARQUET = "application/x-ndjson", "text/csv", "application/vnd.apache.parquet"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("hostile")) as server:
        yield server
        assert server.unforeseen == []
        assert server.restarts == 0
        assert server.peak_mib < MOST_MIB


@pytest.fixture
def pool(server: Server) -> str:
    """The path to upload to; two texts are there."""
    path = f"/v1/campaigns/{server.served.campaign()['id']}/pool"
    assert server.served.post_lines(path, '{"text": "first"}\n{"text": "second"}\n').json()["added"] == 2
    return path


def post(
    server: Server, path: str, body: bytes | Iterator[bytes], form: str = JSONL, encoding: str = "identity"
) -> httpx.Response:
    headers = {"Content-Type": form, "Content-Encoding": encoding}
    return server.served.http.post(path, content=body, headers=headers, timeout=120)


def gigabyte(first: bytes, piece: bytes, last: bytes) -> Iterator[bytes]:
    yield first
    for _ in range(2**30 // len(piece)):
        yield piece
    yield last


def table(columns: dict[str, pa.Array]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def squeezed(first: bytes, piece: bytes, pieces: int) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9) as file:
        file.write(first)
        for _ in range(pieces):
            file.write(piece)
    return out.getvalue()


BAD_LINES = {
    "broken UTF-8": b'{"text": "\xff\xfe"}\n',
    "an overlong form": b'{"text": "\xc0\xaf"}\n',
    "half a surrogate": b'{"text": "\\ud800"}\n',
    "NUL": b'{"text": "a\\u0000b"}\n',
    "a bare NUL": b"\x00\x00\n",
    "NaN": b'{"text": "a", "meta": {"x": NaN}}\n',
    "infinity": b'{"text": "a", "meta": {"x": -Infinity}}\n',
    "a number of 10,000 digits": b'{"text": "a", "meta": {"x": ' + b"9" * 10_000 + b"e99999}}\n",
    "deep nesting": b'{"text": "a", "meta": {"x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}}\n",
    "deep objects": b'{"text": "a", "meta": ' + b'{"a":' * 90_000 + b"1" + b"}" * 90_000 + b"}\n",
    "an array": b"[1, 2]\n",
    "a text that is none": b'{"text": {"text": "a"}}\n',
    "two values": b'{"text": "a"} {"text": "b"}\n',
}


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_bad_line_costs_itself_alone(server: Server, pool: str, line: str) -> None:
    answer = post(server, pool, GOOD + BAD_LINES[line] + b'{"text": "another good line"}\n')
    assert answer.status_code == 200, answer.text
    receipt = answer.json()
    assert (receipt["added"], receipt["rejected"]) == (2, 1), receipt
    assert receipt["errors"][0]["line"] == 2
    assert server.served.http.get(pool).json()["examples"] == 4


def test_of_a_key_that_comes_twice_the_last_counts(server: Server, pool: str) -> None:
    assert post(server, pool, b'{"text": "one", "text": "two", "id": "x", "id": "y"}\n').json()["added"] == 1


@pytest.mark.parametrize(
    ("form", "body", "status", "words"),
    [
        (JSONL, b"", 200, '"received":0'),
        (JSONL, b"\n \r\n\t\n", 200, '"received":0'),
        (CSV, b"", 422, "the CSV header has no column 'text'"),
        (PARQUET, b"", 422, "cannot be read as Parquet"),
        (CSV, b"\xff\xfet\x00e\x00x\x00t\x00\n\x00", 422, "the CSV header is not UTF-8"),
        (CSV, b",".join(b"column %d" % at for at in range(1_000_000)) + b"\n", 422, "longer than"),
        (CSV, b"text\n" + b'"' + b"a" * 200_000, 200, "not a CSV record"),
        (PARQUET, b"PAR1" + b"\x00" * 1000 + b"\xff\xff\xff\x7fPAR1", 422, "cannot be read as Parquet"),
    ],
)
def test_empty_and_odd_files(
    server: Server, pool: str, form: str, body: bytes, status: int, words: str
) -> None:
    answer = post(server, pool, body, form)
    assert answer.status_code == status, answer.text
    assert words in answer.text
    assert len(answer.content) < 2_000
    assert server.served.http.get(pool).json()["examples"] == 2


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_what_is_not_so_encoded(server: Server, pool: str, encoding: str) -> None:
    answer = post(server, pool, GOOD, encoding=encoding)
    assert answer.status_code == 422
    assert f"cannot be read as {encoding}" in answer.text


def test_a_gzip_that_breaks_off_keeps_what_came(server: Server, pool: str) -> None:
    lines = b"".join(b'{"text": "text %d of many"}\n' % at for at in range(20_000))
    packed = gzip.compress(lines)
    answer = post(server, pool, packed[: len(packed) // 2], encoding="gzip")
    assert answer.status_code == 422
    assert 5_000 < server.served.http.get(pool).json()["examples"] < 12_000
    assert post(server, pool, packed, encoding="gzip").status_code == 200
    assert server.served.http.get(pool).json()["examples"] == 20_002


@pytest.mark.parametrize("form", [JSONL, CSV])
def test_a_line_of_a_gigabyte(server: Server, pool: str, form: str) -> None:
    first, last = (b'{"text": "', b'"}\n' + GOOD) if form == JSONL else (b'text\n"', b'"\na good line\n')
    receipt = post(server, pool, gigabyte(first, b"x" * MIB, last), form).json()
    assert (receipt["added"], receipt["rejected"]) == (1, 1), receipt
    assert "longer than 1,048,576 bytes" in receipt["errors"][0]["reason"]


def test_a_megabyte_that_is_a_gigabyte_unpacked(server: Server, pool: str) -> None:
    bomb = squeezed(b'{"text": "', b"\x00" * MIB, 1024)
    assert len(bomb) < 2 * MIB
    receipt = post(server, pool, bomb, encoding="gzip").json()
    assert (receipt["added"], receipt["rejected"]) == (0, 1)


def test_a_parquet_of_many_columns(server: Server, pool: str) -> None:
    columns = {"text": pa.array(["a", "b"])} | {f"column {at}": pa.array(["x", "y"]) for at in range(20_000)}
    receipt = post(server, pool, table(columns), PARQUET).json()
    assert receipt["added"] == 2, receipt


def test_a_parquet_that_is_much_more_unpacked(server: Server, pool: str) -> None:
    bomb = table({"text": pa.array(["x" * MIB] * 500).dictionary_encode()})
    assert len(bomb) < 4 * MIB
    answer = post(server, pool, bomb, PARQUET)
    assert answer.status_code in (200, 422), answer.text


BODIES = {
    "nothing": b"",
    "no JSON": b"\xff\xfe",
    "null": b"null",
    "an array": b"[]",
    "deep nesting": b"[" * 500_000,
    "deep in what is unknown": b'{"name": "x", "more": ' + b"[" * 500_000,
    "deep where text is wanted": b'{"name": ' + b'{"a":' * 150_000,
    "NaN": b'{"name": "x", "labels": ["a", "b"], "model": "none", "budget": NaN}',
    "a number too large": b'{"name": "x", "labels": ["a", "b"], "model": "none", "budget": 1'
    + b"0" * 400
    + b"}",
    "NUL": b'{"name": "a\\u0000b", "labels": ["a", "b"], "model": "none"}',
    "NUL in a label": b'{"name": "x", "labels": ["a\\u0000", "b"], "model": "none"}',
    "half a surrogate": b'{"name": "\\ud800", "labels": ["a", "b"], "model": "none"}',
    "10 MiB": b'{"name": "' + b"x" * (10 * MIB) + b'"}',
    "an entity in entities": b'<!DOCTYPE z [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><View>&b;</View>',
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(
    "route", ["POST /v1/campaigns", "PATCH {c}", "POST {c}/pool/import", "POST /v1/tokens"]
)
def test_bodies(server: Server, pool: str, route: str, body: str) -> None:
    method, path = route.replace("{c}", pool.removesuffix("/pool")).split()
    headers = {"Content-Type": "application/json"}
    answer = server.served.http.request(method, path, content=BODIES[body], headers=headers)
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["detail"]
    assert len(answer.content) < 2_000


@pytest.mark.parametrize("body", BODIES)
def test_hints(server: Server, pool: str, body: str) -> None:
    """What Label Studio sends, or who says it was Label Studio, is a hint whatever it holds."""
    c = json.loads(server.served.http.get(pool.removesuffix("/pool")).content)["id"]
    with server.served.api.database.transaction() as connection:
        campaigns.change(connection, c, webhook_hash=hashlib.sha256(b"secret").hexdigest())
    headers = {"Content-Type": "application/json", "X-Postil-Secret": "secret"}
    answer = server.served.http.post(f"/webhooks/label-studio/{c}", content=BODIES[body], headers=headers)
    assert answer.status_code == 204, answer.text


def test_labels_that_are_markup_are_words_in_the_label_config() -> None:
    laughs = '"/><!DOCTYPE z [<!ENTITY a "lol">]><Choice value="&a;'
    config = problem("single_label", [laughs, "other"]).label_config()
    tree = ElementTree.fromstring(config)
    assert [one.get("value") for one in tree.iter("Choice")] == [laughs, "other"]
