from pathlib import Path

import pyarrow as pa
import pytest

from service.files import Files
from service.pool import shards
from service.pool.shards import Row
from service.pool.text import digest, role_key


def row(text: str, ext_id: str | None = None, **more: object) -> Row:
    values: dict[str, object] = {"domain": None, "meta": None, "label": None} | more
    return Row(text, digest(text), role_key(text), ext_id, **values)  # type: ignore[arg-type]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_a_sealed_shard_gives_back_what_went_in(files: Files) -> None:
    rows = [row("one", "a", meta={"n": [1, None]}), row("two", domain="web"), row("zwölf", "c", label="good")]
    key = shards.seal(files, rows)
    assert shards.examples(files, key, [2, 0]) == [
        {"text": "zwölf", "ext_id": "c", "domain": None, "meta": None, "label": "good"},
        {"text": "one", "ext_id": "a", "domain": None, "meta": '{"n":[1,null]}', "label": None},
    ]
    assert shards.columns(files, key, ["text", "domain"]) == {
        "text": ["one", "two", "zwölf"],
        "domain": [None, "web", None],
    }
    assert shards.role_keys(files, key).tolist() == [role_key("one"), role_key("two"), role_key("zwölf")]


def test_examples_come_in_the_order_asked_for_out_of_any_row_groups(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "GROUP_ROWS", 3)
    key = shards.seal(files, [row(f"text {at}") for at in range(10)])
    for rows in ([9, 0, 4, 4, 8], [5], [0, 1, 2, 3], [6, 7], range(10), []):
        assert [one["text"] for one in shards.examples(files, key, rows)] == [f"text {at}" for at in rows]


def test_role_keys_are_made_when_they_are_asked_for(files: Files) -> None:
    texts = ["one", "Zwölf!", "3 and 4"]
    nothing = [None] * len(texts)
    table = pa.Table.from_batches([shards.columns_of(texts, nothing, nothing, nothing)])
    key = shards.write(files, table, nothing, [digest(text) for text in texts], nothing)
    for _ in range(2):
        assert shards.role_keys(files, key).tolist() == [role_key(text) for text in texts]


def test_equal_contents_share_a_folder_and_others_do_not(files: Files) -> None:
    key = shards.seal(files, [row("one", "a"), row("two")])
    assert shards.seal(files, [row("one", "a"), row("two")]) == key
    assert shards.seal(files, [row("two"), row("one", "a")]) != key
    assert shards.seal(files, [row("one", "b"), row("two")]) != key
    assert shards.seal(files, [row("one", "a", label="good"), row("two")]) != key
    assert len(list((files.root / "shards").iterdir())) == 4
    assert not list((files.root / "passing").iterdir())


def test_a_seal_that_breaks_leaves_nothing(files: Files) -> None:
    with pytest.raises(TypeError):
        shards.seal(files, [row("one", meta={"n": object()})])
    assert not (files.root / "shards").exists()
