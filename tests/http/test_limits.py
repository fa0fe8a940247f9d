"""Token buckets by a clock that is set by hand, and the API's own."""

from pathlib import Path

import httpx
import pytest

from service.http import limits
from service.http.auth import BURST, FAILURES
from service.http.limits import Buckets
from service.settings import Settings
from tests.http.conftest import run


class Clock:
    def __init__(self) -> None:
        self.at = 1_000.0

    def __call__(self) -> float:
        return self.at


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    clock = Clock()
    buckets = Buckets(2, 6, clock)

    assert [buckets.take("a") for _ in range(7)] == [0] * 6 + [1]
    assert buckets.take("b") == 0
    clock.at += 0.5
    assert [buckets.take("a"), buckets.take("a")] == [0, 1]
    clock.at += 100
    assert [buckets.take("a") for _ in range(7)] == [0] * 6 + [1]


def test_waiting_is_said_in_whole_seconds() -> None:
    clock = Clock()
    buckets = Buckets(0.1, 1, clock)
    assert (buckets.wait("a"), buckets.take("a"), buckets.wait("a")) == (0, 0, 10)

    clock.at += 3.5

    assert buckets.take("a") == 7


def test_full_buckets_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_KEYS", 10)
    clock = Clock()
    buckets = Buckets(1, 1, clock)
    for key in range(10):
        buckets.take(key)
    clock.at += 1

    buckets.take("a")

    assert (len(buckets._full_at), buckets.take("a")) == (1, 1)


def test_a_token_that_asks_too_often_waits(valkey: str, tmp_path: Path) -> None:
    url, api, running = run(Settings(data=str(tmp_path), redis_url=valkey, rate=1))
    headers = {"Authorization": f"Bearer {(api.settings.folder / 'token').read_text().strip()}"}
    with httpx.Client(base_url=url, headers=headers) as client:
        answers = [client.get("/v1/strategies") for _ in range(BURST + 3)]
    running.stop()

    assert [one.status_code for one in answers[:BURST]] == [200] * BURST
    assert (answers[-1].status_code, answers[-1].headers["retry-after"]) == (429, "1")
    assert (
        answers[-1].json()["detail"] == "the token 'first' asks more than 1 times a second: try again in 1 s"
    )


def test_an_address_with_wrong_tokens_is_not_listened_to(valkey: str, tmp_path: Path) -> None:
    url, api, running = run(Settings(data=str(tmp_path), redis_url=valkey))
    right = {"Authorization": f"Bearer {(api.settings.folder / 'token').read_text().strip()}"}
    with httpx.Client(base_url=url) as client:
        assert client.get("/v1/strategies", headers=right).status_code == 200
        answers = [
            client.get("/v1/strategies", headers={"Authorization": f"Bearer wrong{n}"})
            for n in range(round(FAILURES) + 5)
        ]
        known = client.get("/v1/strategies", headers=right)
    running.stop()

    assert [one.status_code for one in answers[: round(FAILURES)]] == [401] * round(FAILURES)
    assert answers[-1].status_code == 429
    assert known.status_code == 200  # whoever is known is not kept out by others behind the same proxy
