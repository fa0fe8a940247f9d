"""Adopting and releasing on the command line, against a real API whose Label Studio is away."""

import shlex
from collections.abc import Callable
from typing import Any

import pytest

from service.cli.board import adopted
from service.client.views import Adoption


def test_without_label_studio_a_project_cannot_be_looked_at(postil: Callable[..., Any]) -> None:
    refused = postil(*shlex.split("campaign adopt 12 --name theirs --model none --budget 9"))

    assert (refused.status, refused.out) == (1, "")
    assert "GET /api/projects/12/: no answer from http://127.0.0.1:9" in refused.err
    assert "theirs" not in postil("campaign", "list").out


def test_a_project_of_the_campaigns_own_is_not_released(postil: Callable[..., Any]) -> None:
    postil(*shlex.split("campaign create mine --labels a,b --model none"))

    refused = postil("campaign", "release", "mine")

    assert (refused.status, refused.out) == (1, "")
    assert refused.err.splitlines()[-1] == (
        "error: the campaign 'mine' made its project itself: there is nothing to release"
    )


@pytest.mark.parametrize(
    ("read_at", "release_at", "released_at", "words"),
    [
        (None, None, None, "adopted; 1,500 of 2,000 tasks are read"),
        (1.0, None, None, "adopted, with 1,500 tasks"),
        (1.0, 2.0, None, "is being released"),
        (1.0, 2.0, 3.0, "adopted, and released: its settings are as they were"),
    ],
)
def test_how_it_stands(
    read_at: float | None, release_at: float | None, released_at: float | None, words: str
) -> None:
    theirs = Adoption(
        adopted_at=0.0,
        tasks=2_000,
        read=1_500,
        read_at=read_at,
        release_at=release_at,
        released_at=released_at,
    )
    assert adopted(theirs) == words
