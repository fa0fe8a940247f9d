"""Answers that several requests have, by their age."""

import anyio
import pytest

from service.http.shared import MOST_HELD, MOST_S, Shared
from tests.http.conftest import Served


class Making:
    """Counts how often it is asked to make an answer; each takes until `gate` is set."""

    def __init__(self) -> None:
        self.times, self.gate, self.now = 0, anyio.Event(), 100.0
        self.gate.set()
        self.shared = Shared(lambda: self.now)

    async def make(self) -> bytes:
        self.times += 1
        number = self.times
        await self.gate.wait()
        return str(number).encode()

    async def get(self, cache_control: str, key: str = "queue") -> tuple[bytes, float]:
        return await self.shared.get(key, cache_control, self.make)


def test_who_does_not_ask_for_it_gets_a_new_one() -> None:
    async def work() -> None:
        making = Making()
        for wanted in (b"1", b"2"):
            assert await making.get("") == (wanted, 0.0)
        assert await making.get("max-age=1") == (b"3", 0.0)
        assert await making.get("no-cache") == (b"4", 0.0)

    anyio.run(work)


def test_one_that_is_young_enough_is_had_again() -> None:
    async def work() -> None:
        making = Making()
        assert await making.get("max-age=2") == (b"1", 0.0)
        making.now += 1.5
        assert await making.get("max-age=2") == (b"1", 1.5)
        assert await making.get("max-age=2", "curve") == (b"2", 0.0)
        assert await making.get("max-age=1") == (b"3", 0.0)
        making.now += MOST_S + 0.1
        assert await making.get("max-age=3600") == (b"4", 0.0)
        for at in range(2 * MOST_HELD):
            making.now += MOST_S / MOST_HELD
            await making.get("max-age=1", f"{at}")
        assert len(making.shared._held) <= MOST_HELD + 1

    anyio.run(work)


@pytest.mark.parametrize("fails", [False, True])
def test_who_comes_while_it_is_made_waits_for_it(fails: bool) -> None:
    """Given three who ask at once, then one makes it; where that fails, each of the others makes its own."""

    async def work() -> None:
        making, got = Making(), list[bytes]()
        making.gate = anyio.Event()

        async def ask(first: bool) -> None:
            make = failing if first and fails else making.make
            try:
                got.append((await making.shared.get("queue", "max-age=1", make))[0])
            except ValueError:
                got.append(b"failed")

        async def failing() -> bytes:
            await making.make()
            raise ValueError

        async with anyio.create_task_group() as tasks:
            for at in range(3):
                tasks.start_soon(ask, at == 0)
            await anyio.wait_all_tasks_blocked()
            making.gate.set()
        assert sorted(got) == ([b"2", b"3", b"failed"] if fails else [b"1"] * 3)

    anyio.run(work)


def test_an_old_answer_says_its_age(served: Served) -> None:
    campaign = served.campaign()["id"]
    path, some_s = f"/v1/campaigns/{campaign}", {"Cache-Control": "max-age=5"}
    assert "Age" not in served.http.get(path, headers=some_s).headers
    served.http.patch(path, json={"instruction": "new"})
    old = served.http.get(path, headers=some_s)
    assert (old.json()["instruction"], old.headers["Cache-Control"]) == ("", "no-store")
    assert 0 <= int(old.headers["Age"]) <= 5
    assert served.http.get(path).json()["instruction"] == "new"
