"""Looking on, at a real API that is killed and comes back."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from service.client import Client, Unreachable
from service.stack.stack import Stack

ROOT = Path(__file__).parents[2]


def test_once_shows_it_as_it_is(postil: Callable[..., Any], api: Client) -> None:
    api.create(name="once", labels=["a", "b"], model="none")
    api.change("once", paused=True)

    shown, found = postil("watch", "once", "--once"), postil("watch", "once", "--once", "--json")

    assert shown.out.splitlines()[0].rstrip().endswith(": paused")
    assert "campaign-changed" in shown.out
    assert sorted(json.loads(found.out)) == [
        *(
            "active",
            "campaign",
            "events",
            "gain",
            "jobs",
            "pending",
            "points",
            "rounds",
            "stopping",
            "weakest",
        )
    ]


def test_a_curve_without_rounds(postil: Callable[..., Any], api: Client) -> None:
    api.create(name="flat", labels=["a", "b"], model="none")

    assert postil("curve", "flat").out.startswith("There is no round yet")
    assert json.loads(postil("curve", "flat", "--json").out) == {
        "points": [],
        "stopping": None,
        "gain": None,
        "weakest": None,
        "active": None,
        "pending": False,
    }
    assert postil("curve", "flat", "--groups").out.startswith("There is no round yet")
    assert json.loads(postil("curve", "flat", "--groups", "--json").out)["domains"] == []


def test_an_api_that_dies_is_waited_for_and_nothing_is_missed_or_told_twice(
    api: Client, stack: Stack
) -> None:
    api.create(name="outage", labels=["a", "b"], model="none")
    rest = {name: value for name, value in os.environ.items() if not name.startswith("POSTIL_")}
    watching = subprocess.Popen(
        [sys.executable, "-m", "service.cli.main", "watch", "outage", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=rest | {"POSTIL_DATA": stack.settings.data, "PYTHONPATH": str(ROOT)},
        text=True,
    )
    heard: list[dict[str, Any]] = []
    news = threading.Condition()

    def listen() -> None:
        assert watching.stdout is not None
        for line in watching.stdout:
            with news:
                heard.append(json.loads(line))
                news.notify_all()

    def changes() -> list[bool]:
        return [one["data"]["paused"] for one in heard if one["kind"] == "campaign-changed"]

    def until(what: Callable[[], bool]) -> None:
        with news:
            assert news.wait_for(what, timeout=60), heard

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        until(lambda: any(one["kind"] == "status" for one in heard))
        api.change("outage", paused=True)
        until(lambda: changes() == [True])
        killed = stack.states()["api"].pid
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        while True:
            try:
                api.change("outage", paused=False)
                break
            except Unreachable:
                time.sleep(0.1)
        until(lambda: len(changes()) == 2)
    finally:
        watching.send_signal(signal.SIGINT)
        _, said = watching.communicate(timeout=30)
        listener.join()

    assert changes() == [True, False]
    numbers = [one["id"] for one in heard if one["id"] is not None]
    assert numbers == sorted(set(numbers))
    assert (watching.returncode, said) == (0, "")
