"""Campaigns on the command line, against a real API."""

import json
import shlex
from collections.abc import Callable
from typing import Any

from service.cli.campaign import split
from service.client import Client


def test_labels_are_split_at_commas_outside_quotes() -> None:
    assert split(['a, b ,"c, d"', "e"]) == ["a", "b", "c, d", "e"]
    assert split([" , "]) == []


def test_a_campaign_is_made_with_what_was_said_and_the_apis_defaults(postil: Callable[..., Any]) -> None:
    made = postil(
        *shlex.split("campaign create moods --labels good,bad --model none --budget 90 --seed 7 --json")
    )

    assert (made.status, made.err) == (0, "")
    campaign = json.loads(made.out)
    assert (campaign["labels"], campaign["budget"], campaign["seed"]) == (["good", "bad"], 90, 7)
    assert (campaign["strategy"], campaign["round_size"]) == ("auto", 50)


def test_quotas_are_given_shown_and_lifted(postil: Callable[..., Any]) -> None:
    words = "campaign create shares --labels a,b --model none --weak-share .2 --quota law=.3 --quota a=b=.1 --json"
    made = json.loads(postil(*shlex.split(words)).out)
    assert (made["weak_share"], made["quotas"]) == (0.2, {"law": 0.3, "a=b": 0.1})

    shown = postil(*shlex.split("campaign show shares")).out
    changed = json.loads(postil(*shlex.split("campaign set shares --quota none --weak-share 0 --json")).out)

    assert "quotas        30% domain 'law', 10% domain 'a=b', 20% where the adapter is weakest" in shown
    assert (changed["weak_share"], changed["quotas"]) == (0.0, {})
    wrong = postil(*shlex.split("campaign set shares --quota law"))
    assert wrong.err == "error: --quota 'law': give a domain and a share, such as law=0.2\n"


def test_a_campaign_of_another_problem(postil: Callable[..., Any]) -> None:
    words = "campaign create {} --labels PER,LOC --model none --problem {} --json"

    made, poetry = (postil(*shlex.split(words.format(name, name))) for name in ("spans", "poetry"))

    campaign = json.loads(made.out)
    assert (campaign["problem"], campaign["headline"]) == ("spans", "f1")
    assert poetry.err == "error: problem 'poetry' is not one of single_label, multi_label, spans\n"


def test_a_name_that_is_taken_is_one_line_of_error(postil: Callable[..., Any]) -> None:
    words = shlex.split("campaign create twice --labels a,b --model none")
    assert postil(*words).out.splitlines()[0].startswith("Campaign twice (c")

    again = postil(*words)

    assert (again.status, again.out) == (1, "")
    assert again.err == "error: a campaign named 'twice' exists already: choose another name\n"


def test_campaigns_are_listed_oldest_first(postil: Callable[..., Any], api: Client) -> None:
    for name in ("older", "younger"):
        api.create(name=name, labels=["a", "b"], model="none")

    listed = [one["name"] for one in json.loads(postil("campaign", "list", "--json").out)]
    table = postil("campaign", "list").out

    assert listed.index("older") < listed.index("younger")
    assert table.splitlines()[0].split() == ["name", "id", "phase", "strategy", "pool", "answers", "rounds"]
    assert "waiting for a pool" in table


def test_show_tells_how_it_stands(postil: Callable[..., Any], api: Client) -> None:
    api.create(name="shown", labels=["a", "b, c"], model="some/encoder", budget=100)

    shown = postil("campaign", "show", "shown")

    lines = [line.rstrip() for line in shown.out.splitlines()]
    assert lines[0].startswith("campaign      shown (c")
    assert "labels        a | b, c" in lines
    assert "model         some/encoder, strategy auto" in lines
    assert "queue         0 open, 0 on the way, 100 left in the budget" in lines


def test_settings_are_changed_and_a_budget_can_be_lifted(postil: Callable[..., Any], api: Client) -> None:
    api.create(name="changed", labels=["a", "b"], model="none", budget=100)

    set_ = postil(
        *shlex.split(
            "campaign set changed --strategy random --round-size 20 --budget none --name renamed --json"
        )
    )

    changed = json.loads(set_.out)
    assert (changed["strategy"], changed["round_size"], changed["budget"]) == ("random", 20, None)
    assert api.campaign("renamed")["id"] == changed["id"]


def test_which_adapter_is_active_is_set(postil: Callable[..., Any], api: Client) -> None:
    api.create(name="adapted", labels=["a", "b"], model="none")

    none = postil("campaign", "set", "adapted", "--adapter", "3")
    odd = postil("campaign", "set", "adapted", "--adapter", "best")
    newest = postil("campaign", "set", "adapted", "--adapter", "newest", "--json")

    assert none.err.startswith("error: there is no round 3")
    assert odd.err == "error: --adapter is 'best': give the number of a round, or `newest`\n"
    assert json.loads(newest.out)["adapter"] is None


def test_what_cannot_be_set_is_said(postil: Callable[..., Any], api: Client) -> None:
    api.create(name="kept", labels=["a", "b"], model="none")

    unknown = postil("campaign", "set", "kept", "--strategy", "luck")
    budget = postil("campaign", "set", "kept", "--budget", "many")
    nothing = postil("campaign", "set", "kept")

    assert (unknown.status, budget.status, nothing.status) == (1, 1, 1)
    assert "'luck'" in unknown.err
    assert "margin" in unknown.err
    assert budget.err == "error: --budget is 'many': give a whole number, or `none`\n"
    assert nothing.err.startswith("error: nothing to change")
    assert nothing.err.count("\n") == 1


def test_pause_and_resume(postil: Callable[..., Any], api: Client) -> None:
    api.create(name="resting", labels=["a", "b"], model="none")

    assert postil("campaign", "pause", "resting").out == "Campaign resting: paused.\n"
    assert api.campaign("resting")["paused"]
    assert postil("campaign", "resume", "resting").out == "Campaign resting: waiting for a pool.\n"
    assert not api.campaign("resting")["paused"]


def test_a_campaign_is_deleted_by_who_means_it(postil: Callable[..., Any], api: Client) -> None:
    api.create(name="doomed", labels=["a", "b"], model="none")

    asked = postil("campaign", "delete", "doomed", stdin=b"n\n")
    assert (asked.status, asked.out.splitlines()[0]) == (
        1,
        "Delete doomed with 0 texts and 0 labels, for ever? [y/N]: ",
    )
    meant = postil("campaign", "delete", "doomed", "--yes")
    assert (meant.status, meant.out) == (0, "Deleted doomed with 0 texts and 0 labels.\n")
    again = postil("campaign", "delete", "doomed", "--yes")
    assert (again.status, again.err.split(":")[0]) == (1, "error")


def test_a_round_is_asked_for(postil: Callable[..., Any], api: Client) -> None:
    name = api.create(name="training", labels=["good", "bad"], model="none")["name"]
    nothing = postil("campaign", "train", name)
    lines = b'{"text": "one", "label": "good"}\n{"text": "two", "label": "bad"}'
    postil("labels", "add", name, "-", "--format", "jsonl", stdin=lines)

    asked = postil("campaign", "train", name)

    assert (nothing.status, nothing.err) == (
        1,
        "error: no label is new yet: there is nothing to learn from\n",
    )
    assert (asked.status, asked.out) == (
        0,
        "Round 1 is asked for; 2 labels are new. See postil watch training\n",
    )
    assert json.loads(postil("campaign", "train", name, "--json").out) == {"round": 1, "changes": 2}
