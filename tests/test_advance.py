"""Which work comes first: on a real store."""

from pathlib import Path

from service.files import Files
from service.records import Example
from service.rounds.advance import advance, facts
from service.store import campaigns, jobs
from service.store.campaigns import NewCampaign
from service.store.database import Database
from tests.filling import answer, fill, seal


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
        assert (state.servable, state.asked, state.overlap) == (2, 6, 2)
        answer(connection, campaign.id, {2: {8: "a"}})
        assert facts(connection, campaign).state().servable == 2
