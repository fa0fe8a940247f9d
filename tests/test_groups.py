"""Domains and classes: scores of each by hand, and which is called the weakest."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection

from service import curve, exam, groups, predictions
from service.exam import Exam, Sitting, Truth
from service.files import Files
from service.groups import Group
from service.measure import intervals, multi_label, scores
from service.measure.intervals import wilson
from service.pool import pool, shards
from service.pool.batch import Batch
from service.pool.lines import Line
from service.predictions import ADAPTER, Spans
from service.records import Example, Place
from service.store import campaigns, selections
from service.store.campaigns import NewCampaign
from service.store.selections import Chosen


def sat(
    folder: Path,
    problem: str,
    said: Any,
    truth: Sequence[Any],
    domains: Sequence[str | None],
    labels: str = "ab",
) -> Exam:
    """A round's exam of as many examples as there are truths."""
    places = [Place(0, row) for row in range(len(truth))]
    folder.mkdir()
    predictions.write(folder, places, {ADAPTER: said})
    named = {place: one for place, one in zip(places, domains, strict=True) if one is not None}
    campaign: Any = SimpleNamespace(problem=problem, labels=list(labels), label_changes=[])
    known = Truth("hold-out", dict(zip(places, truth, strict=True)), named)
    return exam.exam(campaign, folder, known, 0, {ADAPTER: [0.5] * len(labels)})


def right(numbers: dict[str | None, tuple[int, int]]) -> tuple[np.ndarray, list[int], list[str | None]]:
    """(said, truth, domains) of (examples, right ones) by domain, all of class 0."""
    hits = [at < good for n, good in numbers.values() for at in range(n)]
    said = np.where(np.array(hits)[:, None], [0.9, 0.1], [0.1, 0.9])
    return said, [0] * len(hits), [name for name, (n, _) in numbers.items() for _ in range(n)]


def test_domains_with_their_scores_and_shares(tmp_path: Path) -> None:
    one = sat(tmp_path / "r", "single_label", *right({"law": (12, 6), None: (2, 1), "web": (16, 14)}))

    found = groups.domains(one)

    assert found == [
        Group("law", 12, wilson(6, 12), 12 / 30, 6 / 9),
        Group("web", 16, wilson(14, 16), 16 / 30, 2 / 9),
        Group(None, 2, None, 2 / 30, 1 / 9),  # too few to be scored
    ]
    weak = groups.weakest(one, ["a", "b"]).domain
    assert weak is not None
    # (12 · .5 + 10 · .7) / 22 = .59 against (16 · .875 + 10 · .7) / 26 = .81
    assert (weak.group, weak.whole, weak.reason) == (found[0], 21 / 30, None)
    assert groups.shrunk(0.5, 12, 0.7) == pytest.approx(13 / 22)


def test_of_few_examples_a_low_score_is_not_taken_at_its_word(tmp_path: Path) -> None:
    """5 of 10 are drawn to (5 + 8) / 20 = .65, and 110 of 200 to (110 + 8) / 210 = .56."""
    numbers: dict[str | None, tuple[int, int]] = {"a": (10, 5), "b": (200, 110), "c": (790, 685)}
    weak = groups.weakest(sat(tmp_path / "r", "single_label", *right(numbers)), ["a", "b"]).domain
    assert weak is not None
    assert weak.group is not None
    assert (weak.group.name, weak.whole) == ("b", 0.8)


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        ({"a": (4, 1), "b": (4, 1)}, "0 of 2 domains have 5 examples that measure"),
        ({"a": (50, 1), "b": (4, 1)}, "1 of 2 domains has 5 examples that measure"),
        ({"a": (50, 1)}, "1 of 1 domains has 5 examples that measure"),
    ],
)
def test_none_is_named_where_there_is_nothing_to_compare(
    tmp_path: Path, numbers: dict[str | None, tuple[int, int]], reason: str
) -> None:
    found = groups.weakest(sat(tmp_path / "r", "single_label", *right(numbers)), ["a", "b"])
    assert found.domain is not None
    assert found.domain.group is None
    assert found.domain.reason is not None
    assert found.domain.reason.startswith(reason)
    assert found.class_.reason is not None
    assert found.class_.reason.startswith("1 of 2 classes has 5")


def test_nothing_measures_and_no_domains(tmp_path: Path) -> None:
    one = sat(tmp_path / "r", "single_label", *right({None: (20, 10)}))
    assert (groups.domains(one), groups.weakest(one, ["a", "b"]).domain) == ([], None)
    unseen = exam.exam(
        SimpleNamespace(problem="single_label", labels=["a", "b"], label_changes=[]),  # type: ignore[arg-type]
        tmp_path / "r",
        Truth("hold-out", {Place(5, 5): 0}, {Place(5, 5): "law"}),
        0,
    )
    found = groups.weakest(unseen, ["a", "b"])
    assert found.domain is not None
    assert (found.domain.reason, found.class_.reason) == ("nothing measures yet",) * 2
    table = groups.groups([Sitting(1, 5, 0, unseen)], "accuracy", ["a", "b"])
    assert (table.domains, table.classes, [one.domains for one in table.rounds]) == ([], [], [[]])
    assert groups.groups([], "accuracy", ["a", "b"]).round is None


def test_classes(tmp_path: Path) -> None:
    """Of 12 texts of a 9 are taken for it, of 20 of b 18, of 3 of c none: they are taken for a."""
    truth = [0] * 12 + [1] * 20 + [2] * 3
    guess = [0] * 9 + [1] * 3 + [1] * 18 + [0] * 2 + [0] * 3
    one = sat(tmp_path / "r", "single_label", np.eye(3)[guess] * 0.8 + 0.2 / 3, truth, [None] * 35, "abc")

    found = groups.classes(one, ["a", "b", "c"])

    a, b, c = found
    assert (a.n, b.n, c.n, c.score) == (12, 20, 3, None)
    assert (a.precision, a.recall) == (9 / 14, 9 / 12)
    assert (c.precision, c.recall) == (None, None)
    assert a.score is not None
    assert a.score.value == pytest.approx(2 * 9 / (14 + 12))
    # Eight wrong ones, each missed of a class and wrongly said of another: 16 errors, of a 3 and 5.
    assert [one.errors for one in found] == [8 / 16, 5 / 16, 3 / 16]
    assert [one.share for one in found] == [12 / 35, 20 / 35, 3 / 35]
    weak = groups.weakest(one, ["a", "b", "c"]).class_
    assert weak.group is not None
    assert weak.group.name == "a"
    metrics = one.metrics()
    assert metrics is not None
    assert weak.whole == pytest.approx(metrics.macro_f1.value)  # type: ignore[union-attr]
    # The multinomial of kinds is the bootstrap over examples.
    parts = multi_label.counts(np.eye(3, dtype=bool)[guess], np.eye(3, dtype=bool)[truth])[:, 0]
    (same,) = intervals.of_sums(parts, lambda sums: scores.f1(*sums.T)[:, None], np.random.default_rng(1))
    assert (a.score.low, a.score.high) == pytest.approx((same.low, same.high), abs=0.03)


def test_domains_of_several_labels_and_of_spans(tmp_path: Path) -> None:
    """law: a is hit 5 times, and missed 5 times: F1 2/3; web is right, and so is all of b."""
    truth: list[Any] = [(0,)] * 10 + [(0, 1)] * 10
    said = np.array([[0.9, 0.1]] * 5 + [[0.1, 0.1]] * 5 + [[0.9, 0.9]] * 10)
    domains: list[str | None] = ["law"] * 10 + ["web"] * 10
    law, web = groups.domains(sat(tmp_path / "m", "multi_label", said, truth, domains))
    assert law.score is not None
    assert web.score is not None
    assert (law.score.value, web.score.value) == (pytest.approx(2 / 3), 1.0)
    assert (law.errors, web.errors) == (1.0, 0.0)

    spans = [((0, 4, 0),) if at % 2 else () for at in range(20)] + [()] * 10
    found = Spans(np.array([(1, 0, 4, 0), (3, 0, 3, 0)], np.int32), np.array([0.9, 0.9], np.float32))
    one = sat(tmp_path / "s", "spans", found, spans, [*domains, *["none"] * 10])
    law, none, web = groups.domains(one)
    assert law.score is not None
    assert law.score.value == pytest.approx(2 / (2 + 5))  # one hit, two said, five true
    assert web.score is not None
    assert web.score.value == 0.0
    assert (none.n, none.score) == (10, None), "of texts without spans F1 is not defined"
    # Missed: four of law, five of web; one made up.
    assert (law.errors, web.errors, none.errors) == (0.5, 0.5, 0.0)


def test_rounds_by_domains_and_the_weakest_first(tmp_path: Path) -> None:
    first = sat(tmp_path / "1", "single_label", *right({"law": (20, 10), "web": (20, 12)}))
    second = sat(tmp_path / "2", "single_label", *right({"law": (20, 19), "web": (20, 12)}))

    found = groups.groups([Sitting(1, 30, 0, first), Sitting(2, 60, 0, second)], "accuracy", ["a", "b"])

    assert [(one.round, one.trained_on, [each.score for each in one.domains]) for one in found.rounds] == [
        (1, 30, [wilson(10, 20), wilson(12, 20)]),
        (2, 60, [wilson(19, 20), wilson(12, 20)]),
    ]
    assert ([one.name for one in found.domains], found.round) == (["web", "law"], 2)
    assert [one.name for one in found.classes] == ["a", "b"], "b does not occur, so it comes last"
    assert [[each.score and each.score.value for each in one.classes] for one in found.rounds] == [
        [pytest.approx(2 * 22 / (40 + 22)), None],
        [pytest.approx(2 * 31 / (40 + 31)), None],
    ]


def test_only_the_weakest_have_a_history(tmp_path: Path) -> None:
    """Given 14 classes and domains, each weaker than the one before it, then the last 12 are told of every round."""
    names = [f"c{at:02}" for at in range(14)]
    truth = [at for at in range(14) for _ in range(15)]
    hits = [row < 15 - at for at in range(14) for row in range(15)]
    guess = [one if hit else (one + 1) % 14 for one, hit in zip(truth, hits, strict=True)]
    one = sat(
        tmp_path / "r", "single_label", np.eye(14)[guess] * 0.8 + 0.2 / 14, truth, [names[at] for at in truth]
    )
    campaign: Any = SimpleNamespace(problem="single_label", labels=names, label_changes=[])
    one = exam.exam(campaign, tmp_path / "r", one.known, 0)

    found = groups.groups([Sitting(1, 30, 0, one)], "accuracy", names)

    assert [len(found.domains), len(found.classes)] == [14, 14]
    assert [each.name for each in found.rounds[0].domains] == names[2:]
    assert {each.name for each in found.rounds[0].classes} == {each.name for each in found.classes[:12]}


def test_domains_come_from_the_test_set_else_from_what_was_drawn(
    connection: Connection, tmp_path: Path
) -> None:
    files = Files(tmp_path)
    made = campaigns.create(connection, NewCampaign("one", ["a", "b"], "none"))
    drawn = [
        Chosen(Place(0, row), row, "hold-out", "random", 0.0, "why", "text", None, domain, row, None)
        for row, domain in enumerate(["law", None])
    ]
    selections.choose(connection, made.id, 1, 0, drawn)
    assert curve.truth(connection, files, made).domains == {Place(0, 0): "law"}

    lines = [
        Line(at, Example(f"text {at}", label="a", domain=domain), False)
        for at, domain in enumerate(["web", None])
    ]
    pool.add(connection, files, made, "test", Batch.of(lines), pool.Receipt())
    for number in pool.close_filling(connection, made.id):
        content = shards.seal(files, pool.staged_rows(connection, made.id, number))
        pool.sealed(connection, made.id, number, content)
    assert curve.truth(connection, files, made).domains == {Place(0, 0): "web"}
    assert shards.of_domain(files, content, "web").tolist() == [True, False]
    assert shards.of_domain(files, content, None).tolist() == [False, True]
