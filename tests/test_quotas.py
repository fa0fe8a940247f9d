"""Quotas: how they are written, what each gets of a batch, and which one the weakest makes."""

import numpy as np
import pytest

from service import quotas
from service.errors import Invalid
from service.groups import Group, Weak, Weakest
from service.measure.intervals import Interval
from service.records import Example
from service.store import campaigns, events, jobs, selections
from service.store.campaigns import NewCampaign
from service.store.jobs import NewJob
from tests.filling import fill, seal
from workers.context import Context
from workers.held import Held
from workers.jobs import select

ALL = np.ones(3, np.bool_)
NONE = Weak(None, None, "nothing measures yet")


def weak(name: str | None) -> Weak:
    return Weak(Group(name, 20, Interval(0.5, 0.3, 0.7), 0.2, 0.4), 0.8, None)


def test_they_are_read_as_people_write_them() -> None:
    assert quotas.read(["law=0.2", "a=b=1", "none"]) == {"law": 0.2, "a=b": 1.0}
    for wrong in ("law", "law=much", "="):
        with pytest.raises(Invalid, match="give a domain and a share"):
            quotas.read([wrong])


@pytest.mark.parametrize(
    ("shares", "weak_share", "words"),
    [
        ({"": 0.1}, 0, "is no domain"),
        ({"law": 0.0}, 0, "choose above 0, to 1"),
        ({"law": float("nan")}, 0, "choose above 0, to 1"),
        ({}, 0.51, "choose 0 to 0.5"),
        ({"law": 0.5, "web": 0.4}, 0.2, "more than 1 in all"),
    ],
)
def test_shares_that_make_no_batch(shares: dict[str, float], weak_share: float, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        quotas.check(shares, weak_share)
    quotas.check({"law": 0.1, "web": 0.2, "net": 0.3}, 0.4)


def test_small_batches_get_their_part_on_average() -> None:
    """Of one place at a time a fifth goes to the first and a half to the second; of ten exactly two and five."""
    rng = np.random.default_rng(0)
    ones = np.array([quotas.counts([0.2, 0.5], 1, rng) for _ in range(4000)])
    assert ones.sum(axis=1).max() == 1
    assert ones.mean(axis=0) == pytest.approx([0.2, 0.5], abs=0.025)
    assert {tuple(quotas.counts([0.2, 0.5], 10, rng)) for _ in range(100)} == {(2, 5)}
    thirds = np.array([quotas.counts([1 / 3] * 3, 10, rng) for _ in range(100)])
    assert set(thirds.ravel().tolist()) == {3, 4}
    assert set(thirds.sum(axis=1).tolist()) == {10}
    assert quotas.counts([0.5], 0, rng) == [0]


def test_the_weakest_domain_else_class() -> None:
    def domain(name: str | None) -> np.ndarray:
        return np.array([name == "law", name is None, False])

    def of_class(name: str) -> np.ndarray:
        return np.array([False, False, name == "b"])

    (one,) = quotas.weakest(0.3, Weakest(weak("law"), weak("b")), domain, of_class)
    assert (one.why, one.share, one.among.tolist()) == ("weakest domain 'law'", 0.3, [True, False, False])
    (one,) = quotas.weakest(0.3, Weakest(weak(None), weak("b")), domain, of_class)
    assert (one.why, one.among.tolist()) == ("weakest texts without a domain", [False, True, False])
    (one,) = quotas.weakest(0.3, Weakest(None, weak("b")), domain, of_class)
    assert (one.why, one.among.tolist()) == ("weakest class 'b'", [False, False, True])
    for found in (Weakest(None, NONE), Weakest(NONE, weak("b"))):
        assert quotas.weakest(0.3, found, domain, of_class) == []
    assert quotas.weakest(0.3, Weakest(None, weak("b")), domain, None) == []
    assert quotas.weakest(0.0, Weakest(weak("law"), weak("b")), domain, of_class) == []


def test_a_domain_that_no_text_has_is_told_once(context: Context) -> None:
    """And the reason that is written down names the quota."""
    shares = {"law": 0.5, "low": 0.5}
    with context.database.transaction() as connection:
        id_ = campaigns.create(
            connection, NewCampaign("one", ["a", "b"], "none", random_share=0.0, quotas=shares)
        ).id
        pool = [Example(f"text {chr(97 + at)}", domain=["law", "web"][at % 2]) for at in range(20)]
        fill(connection, context.files, id_, pool)
        seal(connection, context.files, id_)
    for batch in (1, 2):
        with context.database.transaction() as connection:
            args = {"round": 0, "batch": batch, "count": 4, "mode": "random"}
            jobs.add(connection, NewJob(id_, f"test:{batch}", "select", f"test-{id_}", args))
            claim = jobs.claim(connection, f"test-{id_}", "test")
        assert claim is not None
        with Held(context, claim) as held:
            select.run(held)
    with context.database.reading() as connection:
        told = [one["data"] for one in events.since(connection, id_, 0) if one["kind"] == "warning"]
        asked = selections.in_states(connection, id_, ["chosen"])
    assert told == [{"text": "no text of the pool has the domain 'low': its quota goes to the others"}]
    law = [row for row in asked if row.reason == "Quota of domain 'law': random draw"]
    assert (len(asked), len(law), {row.domain for row in law}) == (8, 4, {"law"})
