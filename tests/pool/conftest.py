"""A store, a file store and a campaign of one test."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from service.files import Files
from service.pool import known_labels
from service.pool.batch import Batch
from service.pool.pool import Kind, Receipt
from service.records import Campaign, Example
from service.store import campaigns
from service.store.campaigns import NewCampaign
from service.store.database import Database
from tests.filling import fill, numbered, seal


@dataclass
class World:
    """Each call is a transaction of its own."""

    database: Database
    files: Files
    id: str

    def campaign(self) -> Campaign:
        with self.database.transaction() as connection:
            return campaigns.get(connection, self.id)

    def add(self, *examples: Example, kind: Kind = "pool") -> Receipt:
        with self.database.transaction() as connection:
            return fill(connection, self.files, self.id, examples, kind)

    def add_labels(self, *examples: Example) -> Receipt:
        receipt = Receipt()
        with self.database.transaction() as connection:
            campaign = self.campaign_in(connection)
            known_labels.add(connection, self.files, campaign, Batch.of(numbered(examples)), receipt)
        return receipt

    def campaign_in(self, connection: Any) -> Campaign:
        return campaigns.get(connection, self.id, lock=True)

    def seal(self) -> list[int]:
        """Close and seal everything; the shards' numbers."""
        with self.database.transaction() as connection:
            return seal(connection, self.files, self.id)


@pytest.fixture
def world(database: Database, tmp_path: Path) -> World:
    return world_of("single_label", database, tmp_path)


@pytest.fixture
def labels_world(database: Database, tmp_path: Path) -> World:
    return world_of("multi_label", database, tmp_path)


@pytest.fixture
def spans_world(database: Database, tmp_path: Path) -> World:
    return world_of("spans", database, tmp_path)


def world_of(problem: str, database: Database, folder: Path) -> World:
    with database.transaction() as connection:
        made = campaigns.create(connection, NewCampaign("a campaign", ["good", "bad"], "none", problem))
    return World(database, Files(folder / "files"), made.id)
