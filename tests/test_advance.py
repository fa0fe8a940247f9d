"""Which work comes first: on a real store."""

from pathlib import Path

import numpy as np
import pytest

from service.errors import Conflict
from service.files import Files
from service.records import Example
from service.rounds.advance import advance, facts
from service.rounds.ask import Asked, ask
from service.store import campaigns, jobs, rounds
from service.store.campaigns import NewCampaign
from service.store.database import Database
from tests.filling import answer, encode, fill, seal


def test_a_new_campaigns_first_shard_goes_before_the_bulk_of_another(
    database: Database, tmp_path: Path
) -> None:
    """Given a campaign with three shards to be read and another with one, then the first shard of each is read before
    the rest of the large one, and test texts last."""
    files = Files(tmp_path / "files")
    with database.transaction() as connection:
        for name, shards in (("large", 3), ("small", 1)):
            id_ = campaigns.create(connection, NewCampaign(name, ["a", "b"], "none")).id
            fill(connection, files, id_, [Example("tested", label="a")], "test")
            seal(connection, files, id_)
            for one in range(shards):
                fill(connection, files, id_, [Example(f"{name} {one} {at}") for at in range(20)])
                seal(connection, files, id_)
            advance(connection, id_)
        taken = []
        while (claim := jobs.claim(connection, "gpu", "test")) is not None:
            taken.append((campaigns.get(connection, claim.campaign).name, claim.args["shard"]))
    assert taken[:2] == [("large", 1), ("small", 1)]
    assert sorted(taken[2:]) == [("large", 0), ("large", 2), ("large", 3), ("small", 0)]


def test_what_waits_for_somebody_else_is_no_task_for_who_answered_it(
    database: Database, tmp_path: Path
) -> None:
    """Given four tasks, two of them open for a second answer and answered once, then there are two that everybody can
    be served, and six answers are asked for."""
    with database.transaction() as connection:
        campaign = campaigns.create(connection, NewCampaign("one", ["a", "b"], "none", overlap=2, budget=9))
        answer(connection, campaign.id, {0: {}, 1: {}}, wanted=1)
        answer(connection, campaign.id, {2: {7: "a"}, 3: {7: "b"}}, wanted=2)
        state = facts(connection, campaign).state()
        assert (state.servable, state.barred, state.asked, state.overlap) == (4, 2, 6, 2)
        answer(connection, campaign.id, {2: {8: "a"}})
        state = facts(connection, campaign).state()
        assert (state.servable, state.barred) == (3, 1)


def test_a_round_is_asked_for_once_and_begins_when_the_pool_was_read(
    database: Database, tmp_path: Path
) -> None:
    """Given two labels of fifty, then a round that is asked for waits until the pool was read; while
    it runs, and with nothing new after it, there is no other."""
    files = Files(tmp_path / "files")
    with database.transaction() as connection:
        id_ = campaigns.create(connection, NewCampaign("asks", ["a", "b"], "none")).id
        fill(connection, files, id_, [Example(f"text {at}") for at in range(20)])
        (shard,) = seal(connection, files, id_)
        campaigns.change(connection, id_, encoder="tiny")
        with pytest.raises(Conflict, match="no label is new yet"):
            ask(connection, campaigns.get(connection, id_))
        answer(connection, id_, {0: {1: "a"}}, role="hold-out")
        with pytest.raises(Conflict, match="only measures"):
            ask(connection, campaigns.get(connection, id_))
        answer(connection, id_, {1: {1: "a"}, 2: {1: "b"}})
        for _ in range(2):
            assert ask(connection, campaigns.get(connection, id_)) == Asked(1, 3)
            advance(connection, id_)
            assert rounds.newest(connection, id_) is None
        encode(connection, files, id_, shard, np.zeros((20, 4)))
        advance(connection, id_)
        assert facts(connection, campaigns.get(connection, id_)).rounds == {1: "training"}
        with pytest.raises(Conflict, match="round 1 is training already"):
            ask(connection, campaigns.get(connection, id_))
        rounds.change(connection, id_, 1, state="done")
        with pytest.raises(Conflict, match="no label is new since round 1 began"):
            ask(connection, campaigns.get(connection, id_))
        answer(connection, id_, {3: {1: "a"}})
        advance(connection, id_)
        assert facts(connection, campaigns.get(connection, id_)).rounds == {1: "done"}
        assert ask(connection, campaigns.get(connection, id_)) == Asked(2, 1)
        advance(connection, id_)
        assert facts(connection, campaigns.get(connection, id_)).rounds == {1: "done", 2: "training"}
