"""Which work comes first: on a real store."""

from pathlib import Path

from service.files import Files
from service.records import Example
from service.rounds.advance import advance
from service.store import campaigns, jobs
from service.store.campaigns import NewCampaign
from service.store.database import Database
from tests.filling import fill, seal


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
