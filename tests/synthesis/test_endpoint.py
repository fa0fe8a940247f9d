"""A generator behind HTTP, well and not: a real server on this machine answers."""

import json
import logging
from typing import Any

import numpy as np
import pytest

from service.records import Place
from tests.generator import away, generator
from workers.synthesis import endpoint
from workers.synthesis.drafts import Draft, GeneratorDown, Group, Seen
from workers.synthesis.endpoint import Endpoint, read

GROUP = Group(
    "card_arrival", "card_arrival", [Seen(Place(0, at), f"text {at}", "card_arrival") for at in range(12)]
)


def made(url: str, count: int = 3, key: str | None = None, **more: float) -> list[Draft]:
    session = Endpoint(url, "small", key, **{"wait_s": 0.0, **more})
    try:
        return list(session.drafts(GROUP, count, np.random.default_rng(0)))
    finally:
        session.close()


def test_texts_are_asked_for_by_label_with_some_that_have_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with generator(lambda body: (200, '["one more", "another", "a third"]')) as fake:
        found = made(fake.url, key="a secret")
    assert [one.text for one in found] == ["one more", "another", "a third"]
    assert {one.answer for one in found} == {"card_arrival"}
    (asked,) = fake.asked
    assert fake.keys == ["Bearer a secret"]
    assert (asked["path"], asked["model"]) == ("/v1/chat/completions", "small")
    words = asked["messages"][0]["content"]
    assert '"card arrival"' in words
    assert "Write 3 more" in words
    assert sum(f'"text {at}"' in words for at in range(12)) == endpoint.FEW
    assert all(len(one.sources) == endpoint.FEW for one in found)
    assert "a secret" not in caplog.text


def test_many_are_asked_for_in_pieces_and_none_is_taken_twice() -> None:
    def behaviour(body: dict[str, Any]) -> tuple[int, str]:
        return 200, json.dumps([f"new {len(fake.asked)} {at // 2}" for at in range(20)] + ["text 3"])

    with generator(behaviour) as fake:
        found = made(fake.url, 25)
    assert len({one.text for one in found}) == 25
    assert len(fake.asked) == 3
    assert "Write 20 more" in fake.asked[0]["messages"][0]["content"]
    assert "Write 15 more" in fake.asked[1]["messages"][0]["content"]


@pytest.mark.parametrize(
    "answer",
    [
        '["a b", "c"]',
        'Here you are:\n```json\n["a b", "c"]\n```\nAnything else?',
        'Sure! ["a b", "c"] as you wished',
        '{"texts": [{"text": "a  b"}, {"text": "c", "label": "x"}]}',
        "1. a b\n2) c\n",
        "- a b\n* c",
        '["a b", 7, null, "", "c", ["d"]]',
    ],
)
def test_answers_are_read_with_patience(answer: str) -> None:
    assert read(answer) == ["a b", "c"]


@pytest.mark.parametrize(
    "answer",
    ["", "I cannot help with that.", "[", "{}", "[1, 2]", "[" * 5_000, "null", '{"a": ["x"], "b": ["y"]}'],
)
def test_nonsense_holds_no_texts(answer: str) -> None:
    assert read(answer) == []


@pytest.mark.parametrize(
    "answer", ["no list at all", "RAW<html>not an API</html>", 'RAW{"choices": []}', "RAW\x00"]
)
def test_nonsense_is_counted_and_the_label_left(answer: str) -> None:
    with generator(lambda body: (200, answer)) as fake:
        session = Endpoint(fake.url, "small")
        assert list(session.drafts(GROUP, 3, np.random.default_rng(0))) == []
        assert session.nonsense == len(fake.asked) == endpoint.NONSENSE
        session.close()


def test_an_answer_without_end_is_cut() -> None:
    with generator(lambda body: (200, json.dumps(["x" * 1_000] * 2_000))) as fake:
        assert made(fake.url) == []


def test_a_server_that_fails_is_asked_again() -> None:
    def behaviour(body: dict[str, Any]) -> tuple[int, str]:
        return (500, "") if len(fake.asked) < 3 else (200, '["a", "b", "c"]')

    with generator(behaviour) as fake:
        assert len(made(fake.url)) == 3
    assert len(fake.asked) == 3


@pytest.mark.parametrize(
    ("status", "words", "times"),
    [
        (500, "answered 500, 3 times", 3),
        (429, "answered 429, 3 times", 3),
        (401, "answered 401: is its key right", 1),
        (404, "answered 404: is its URL right", 1),
        (302, "answered 302", 1),
    ],
)
def test_a_server_that_fails_for_good(status: int, words: str, times: int) -> None:
    with (
        generator(lambda body: (status, "the key a secret is wrong")) as fake,
        pytest.raises(GeneratorDown, match=words) as told,
    ):
        made(fake.url, key="a secret")
    assert len(fake.asked) == times
    assert "secret" not in str(told.value)


def test_a_server_that_says_nothing() -> None:
    with (
        generator(lambda body: None) as fake,
        pytest.raises(GeneratorDown, match="did not answer in time, 3 times"),
    ):
        made(fake.url, silent_s=0.05)
    assert len(fake.asked) == 3


def test_nobody_listens() -> None:
    with pytest.raises(GeneratorDown, match="cannot be reached"):
        made(away())


def test_what_was_made_before_it_broke_down_is_there() -> None:
    def behaviour(body: dict[str, Any]) -> tuple[int, str]:
        return (200, '["a"]') if len(fake.asked) == 1 else (400, "")

    found = []

    def all_of(session: Endpoint) -> None:
        for one in session.drafts(GROUP, 2, np.random.default_rng(0)):
            found.append(one.text)

    with generator(behaviour) as fake, pytest.raises(GeneratorDown):
        all_of(Endpoint(fake.url, "small"))
    assert found == ["a"]
