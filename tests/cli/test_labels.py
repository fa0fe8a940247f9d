"""Changing labels from the command line, against a real API."""

import json
from collections.abc import Callable
from typing import Any

from service.client import Client


def test_every_kind_of_change(postil: Callable[..., Any], api: Client) -> None:
    name = api.create(name="changing", labels=["good", "bad", "odd"], model="none")["name"]

    ran = [
        postil("labels", "change", name, "--add", "so so"),
        postil("labels", "change", name, "--rename", "odd", "strange"),
        postil("labels", "change", name, "--merge", "bad, strange", "bad"),
        postil("labels", "change", name, "--split", "good", 'good,"good, but"'),
    ]

    assert [(one.status, one.out) for one in ran] == [
        (0, "so so added\n"),
        (0, "odd renamed strange\n"),
        (0, "bad, strange merged into bad\n"),
        (0, "good split into good, good, but\n"),
    ]
    assert api.campaign(name)["labels"] == ["good", "good, but", "bad", "so so"]
    listed = postil("labels", "changes", name).out.splitlines()
    assert listed[0] == "good, good, but, bad, so so"
    assert [line.split("  ")[1] for line in listed[1:]] == [one.out.strip() for one in ran]
    assert len(json.loads(postil("labels", "changes", name, "--json").out)["changes"]) == 4


def test_what_came_of_it_is_told(postil: Callable[..., Any], api: Client) -> None:
    name = api.create(name="labeled", labels=["good", "bad"], model="none")["name"]
    lines = b'{"text": "one", "label": "good"}\n{"text": "two", "label": "bad"}'
    postil("labels", "add", name, "-", "--format", "jsonl", stdin=lines)

    renamed = postil("labels", "change", name, "--rename", "good", "fine").out
    split = postil("labels", "change", name, "--split", "fine", "fine,finer").out

    assert renamed == "good renamed fine, 1 labels renamed\n"
    assert split == "fine split into fine, finer, 1 imported labels ended\n"


def test_what_is_no_change(postil: Callable[..., Any], api: Client) -> None:
    name = api.create(name="unchanging", labels=["good", "bad"], model="none")["name"]
    for words, told in [
        ((), "name one change"),
        (("--add", "x", "--rename", "good", "y"), "name one change"),
        (("--rename", "goof", "x"), "no label 'goof'"),
        (("--merge", "good", "x"), "two labels or more"),
    ]:
        ran = postil("labels", "change", name, *words)
        assert (ran.status, told in ran.err) == (1, True), ran.err
