import stat
from pathlib import Path

import pytest

from service.errors import Invalid
from service.stack.credentials import credential, write_private


def test_a_credential_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "data" / "secrets.json"
    first = credential(path, "valkey")
    other = credential(path, "label-studio-token")
    assert len(first) == 40
    assert set(first) <= set("0123456789abcdef")
    assert first != other
    assert credential(path, "valkey") == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_wider_draft_left_behind_does_not_widen_the_file(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    draft = tmp_path / "secrets.json.new"
    draft.write_text("left over")
    draft.chmod(0o644)
    write_private(path, "text")
    assert path.read_text() == "text"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_damaged_file_is_never_overwritten(tmp_path: Path, text: str) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(text)
    with pytest.raises(Invalid, match="restore it"):
        credential(path, "valkey")
    assert path.read_text() == text
