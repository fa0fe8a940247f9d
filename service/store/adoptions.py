"""Adoptions: projects in Label Studio that people made, and that a campaign works in until it is released."""

from typing import Any

import msgspec
from sqlalchemy import Connection, Row, insert, select, update

from service.errors import Conflict
from service.store import campaigns
from service.store.database import now
from service.store.schema import adoption
from service.store.schema import campaign as campaign_table


class Adoption(msgspec.Struct, frozen=True):
    """Fields as in the table `adoption`."""

    campaign: str
    project: int
    control: dict[str, Any]
    before: dict[str, Any]
    changed: dict[str, Any]
    tasks: int
    read: int
    read_to: int
    read_at: float | None
    swept_to: int
    upload: int
    hooked: bool
    orders: int
    ranked: int
    retired: dict[str, float]
    adopted_at: float
    release_at: float | None
    released_at: float | None

    @property
    def versions(self) -> str:
        """What names of its model versions begin with; those of other people's models do not."""
        return f"postil-{self.campaign}-"


def free(connection: Connection, project: int) -> None:
    """Raises Conflict where a campaign made the project, or has adopted it."""
    held = select(adoption.c.campaign).where(adoption.c.project == project, adoption.c.released_at.is_(None))
    if (other := connection.execute(held).scalar()) is not None:
        name = campaigns.get(connection, other).name
        raise Conflict(f"project {project} is adopted by the campaign {name!r}: release that one first")
    ever = select(adoption.c.campaign).where(adoption.c.project == project)
    made = select(campaign_table.c.name).where(
        campaign_table.c.project == project, campaign_table.c.id.not_in(ever)
    )
    if (maker := connection.execute(made).scalar()) is not None:
        raise Conflict(f"project {project} was made by the campaign {maker!r}: it cannot be adopted")


def begin(
    connection: Connection,
    campaign: str,
    project: int,
    control: dict[str, Any],
    before: dict[str, Any],
    tasks: int,
    upload: int,
) -> None:
    """Write down that the campaign works in this project from now on; raises Conflict, as `free` does."""
    free(connection, project)
    connection.execute(
        insert(adoption).values(
            campaign=campaign,
            project=project,
            control=control,
            before=before,
            changed={},
            tasks=tasks,
            read=0,
            read_to=0,
            swept_to=0,
            upload=upload,
            hooked=False,
            orders=0,
            ranked=0,
            retired={},
            adopted_at=now(),
        )
    )
    campaigns.change(connection, campaign, project=project)


def of(connection: Connection, campaign: str) -> Adoption | None:
    """None for a campaign that has a project of its own."""
    row: Row[Any] | None = connection.execute(select(adoption).where(adoption.c.campaign == campaign)).first()
    return None if row is None else Adoption(**row._mapping)


def change(connection: Connection, campaign: str, **values: Any) -> None:
    connection.execute(update(adoption).where(adoption.c.campaign == campaign).values(**values))


def refuse(connection: Connection, campaign: str, what: str) -> None:
    """Raises Conflict for a campaign in an adopted project; `what` it cannot have, and why."""
    if of(connection, campaign) is not None:
        raise Conflict(what)
