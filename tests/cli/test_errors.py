"""What goes wrong is one line on standard error that says what to do, and exit status 1."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.client import Client, Unreachable
from service.errors import Conflict, Invalid, NotFound, Unauthorized
from service.settings import Settings
from service.stack.ports import free_port


def test_an_api_that_is_down(postil: Callable[..., Any]) -> None:
    url = f"http://127.0.0.1:{free_port()}"

    ran = postil("campaign", "list", POSTIL_URL=url)

    hint = "start it with `postil up`, or set POSTIL_URL to where it is"
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == f"error: no API answers at {url}: {hint}\n"


def test_a_token_that_is_not_known(postil: Callable[..., Any]) -> None:
    ran = postil("campaign", "list", POSTIL_TOKEN="postil_wrong")

    assert ran.status == 1
    assert "refuses the token" in ran.err
    assert "the token was looked for in POSTIL_TOKEN, or the file " in ran.err
    assert ran.err.count("\n") == 1


def test_a_campaign_that_does_not_exist(postil: Callable[..., Any]) -> None:
    for words in (
        ("watch", "nix", "--once"),
        ("curve", "nix"),
        ("export", "nix"),
        ("campaign", "pause", "nix"),
    ):
        ran = postil(*words)
        assert (ran.status, ran.out) == (1, "")
        assert ran.err.startswith("error: there is no campaign 'nix'")


def test_a_setting_of_the_wrong_kind(postil: Callable[..., Any]) -> None:
    ran = postil("campaign", "list", POSTIL_THREADS="many")

    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert "POSTIL_THREADS is 'many'" in ran.err


def test_serve_and_worker_need_redis(postil: Callable[..., Any]) -> None:
    for words in (("serve",), ("worker", "cpu")):
        ran = postil(*words, POSTIL_REDIS_URL="")
        assert ran.status == 1
        assert ran.err.startswith("error: POSTIL_REDIS_URL is empty")


def test_a_demo_on_ones_own_texts_needs_labels(postil: Callable[..., Any]) -> None:
    ran = postil("demo", "--pool", "texts.jsonl")

    assert (ran.status, ran.err.splitlines()[-1].split(":")[0]) == (1, "error")
    assert "--pool and --labels belong together" in ran.err


def test_each_refusal_of_the_api_is_an_error_of_its_own_kind(api: Client) -> None:
    api.create(name="refusing", labels=["a", "b"], model="none")

    with pytest.raises(NotFound):
        api.campaign("no such/name")
    with pytest.raises(Conflict, match="refusing"):
        api.create(name="refusing", labels=["a", "b"], model="none")
    with pytest.raises(Invalid) as wrong:
        api.change("refusing", round_size="many")
    assert wrong.value.field == "round_size"
    with Client(api.url, "postil_wrong") as stranger, pytest.raises(Unauthorized):
        stranger.campaigns()


def test_a_stream_that_cannot_begin_is_an_error_too(api: Client) -> None:
    with pytest.raises(NotFound):
        next(api.follow("nix", 0))
    with pytest.raises(NotFound), api.adapter("nix", 1):
        pass


def test_without_settings_the_embedded_api_is_found_by_its_remembered_port(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text('{"api": 23456}')

    with Client.of(Settings(data=str(tmp_path))) as api:
        assert api.url == "http://127.0.0.1:23456"
    with Client.of(Settings(data=str(tmp_path), url="https://postil.example")) as api:
        assert api.url == "https://postil.example"
    with Client.of(Settings(data=str(tmp_path / "none"))) as api:
        assert api.url == "http://127.0.0.1:8400"


def test_nothing_listens(tmp_path: Path) -> None:
    with Client(f"http://127.0.0.1:{free_port()}", "") as api, pytest.raises(Unreachable, match="postil up"):
        api.campaigns()
