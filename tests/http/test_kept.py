"""What takes long to compute: made once for all who ask, and not waited for where an old one will do."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.http import kept as module
from service.http.kept import Kept


@pytest.fixture
def kept() -> Iterator[Kept[str]]:
    one = Kept[str]()
    yield one
    one.close()


def test_made_once_until_its_key_changes(kept: Kept[str]) -> None:
    made: list[str] = []

    def make(what: str) -> str:
        made.append(what)
        return what

    for key in ("a", "a", "b", "b"):
        assert kept.get("one", key, lambda key=key: make(key)) == (key, False)  # type: ignore[misc]
    kept.forget("one")
    assert kept.get("one", "b", lambda: make("b")) == ("b", False)
    assert kept.get("other", "b", lambda: make("c")) == ("c", False)
    assert made == ["a", "b", "b", "c"]


def test_many_who_ask_at_once_cost_what_one_does(kept: Kept[str]) -> None:
    made: list[int] = []
    begun, go = threading.Event(), threading.Event()

    def make() -> str:
        made.append(1)
        begun.set()
        assert go.wait(10)
        return "new"

    with ThreadPoolExecutor(4) as people:
        asked = [people.submit(kept.get, "one", "key", make) for _ in range(4)]
        assert begun.wait(10)
        go.set()
        assert [one.result(10) for one in asked] == [("new", False)] * 4
    assert made == [1]


def test_an_old_one_does_for_whom_it_may(kept: Kept[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an old one, and a new one that takes long, then who may have the old one gets it at once, others wait for
    theirs; and where the key changes once more meanwhile, that is made next."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)
    go = threading.Event()

    def slowly(what: str) -> str:
        assert go.wait(10)
        return what

    assert kept.get("one", 1, lambda: "first", old=True) == ("first", False)
    assert kept.get("one", 2, lambda: slowly("second"), old=True) == ("first", True)
    assert kept.get("one", 3, lambda: slowly("third"), old=True) == ("first", True)
    with ThreadPoolExecutor(1) as people:
        patient = people.submit(kept.get, "one", 3, lambda: slowly("third"))
        go.set()
        assert patient.result(10) == ("third", False)
    assert kept.get("one", 3, lambda: "never") == ("third", False)


def test_what_fails_is_told_to_who_asked_and_tried_again(kept: Kept[str]) -> None:
    def fail() -> str:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        kept.get("one", 1, fail)
    assert kept.get("one", 1, lambda: "yes") == ("yes", False)
