"""Rows of campaigns."""

import secrets
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, insert, select, update

from service.errors import Conflict, NotFound
from service.records import Campaign, Consensus, LabelChange, NearDuplicates
from service.store.database import now
from service.store.schema import campaign, label_change


class NewCampaign(msgspec.Struct, frozen=True):
    """What a person says of a campaign when it begins; the defaults are those of the API."""

    name: str
    labels: list[str]
    model: str
    problem: str = "single_label"
    strategy: str = "auto"
    text_field: str = "text"
    instruction: str = ""
    seed: int = 0
    round_size: int = 50
    budget: int | None = None
    low_water: int = 100
    random_share: float = 0.2
    holdout_size: int = 400
    score_seconds: float = 60.0
    near_duplicates: NearDuplicates = "drop"
    overlap: int = 1
    """Answers that every example is to have, each by somebody else."""
    consensus: Consensus = "model"
    second_opinions: float = 0.2
    """The share of a batch, at most, that asks somebody else about labels which are in doubt."""
    teacher: str | None = None
    """Who says how sure each text's label is, 0 to 1, for the strategies `signal` and `weighted` (service.teachers)."""
    formula: str | None = None
    """What the strategy `weighted` goes by (strategies.weighted)."""
    class_balance: float = 0.0
    """How far rare classes weigh more in training: 0 not at all, 1 until every class has the same say."""
    weak_share: float = 0.0
    """The share of what is chosen that is spent where the newest adapter is weakest: a domain, else a class."""
    quotas: dict[str, float] = {}
    """Shares of what is chosen that are kept for domains, by their names."""
    hour_price: float | None = None
    """Of an annotator's hour; null: no money is told of it."""
    compute_price: float | None = None
    """Of a worker's hour."""
    currency: str = ""
    """Of all prices, in a few letters."""
    point_price: float | None = None
    """What a hundredth of the headline metric is worth, for the advice to stop."""
    budget_hours: float | None = None
    """Of annotators; whichever budget ends first ends the asking."""
    budget_money: float | None = None
    stop_at_advice: bool = False
    """Whether no more is asked once the advice to stop held in three rounds in a row."""


def create(connection: Connection, new: NewCampaign) -> Campaign:
    """A new row; raises Conflict when the name is taken."""
    if connection.execute(select(campaign.c.id).where(campaign.c.name == new.name)).scalar():
        raise Conflict(f"a campaign named {new.name!r} exists already: choose another name")
    id_ = f"c{secrets.token_hex(4)}"
    values = msgspec.to_builtins(new) | {
        "id": id_,
        "paused": False,
        "created_at": now(),
        "label_version": 0,
        "batches": 0,
        "place": 0,
    }
    connection.execute(insert(campaign).values(**values))
    return get(connection, id_)


def get(connection: Connection, id_or_name: str, lock: bool = False) -> Campaign:
    """The campaign by id or name; raises NotFound. `lock` makes other writers of it wait (PostgreSQL)."""
    query = select(campaign).where((campaign.c.id == id_or_name) | (campaign.c.name == id_or_name))
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise NotFound(missing(id_or_name))
    return _record(connection, row)


def missing(id_or_name: str) -> str:
    """What is said where there is no such campaign, or none that one may know of."""
    return f"there is no campaign {id_or_name!r}: `postil campaign list` shows those there are"


def all_of(connection: Connection) -> list[Campaign]:
    """Every campaign, oldest first."""
    rows = connection.execute(select(campaign).order_by(campaign.c.created_at)).all()
    return [_record(connection, row) for row in rows]


def change(connection: Connection, id_: str, **values: Any) -> None:
    """Set columns of one campaign."""
    connection.execute(update(campaign).where(campaign.c.id == id_).values(**values))


def count_up(connection: Connection, id_: str, counter: str, by: int = 1) -> int:
    """Raise one of the campaign's counters; its first new value (the old one plus one)."""
    column = campaign.c[counter]
    after = connection.execute(
        update(campaign).where(campaign.c.id == id_).values({counter: column + by}).returning(column)
    ).scalar_one()
    return int(after) - by + 1


def add_label_change(connection: Connection, id_: str, labels: list[str], made: LabelChange) -> None:
    """The campaign has other labels now."""
    number = count_up(connection, id_, "label_changes")
    values = msgspec.to_builtins(made) | {"campaign": id_, "number": number}
    connection.execute(insert(label_change).values(**values))
    change(connection, id_, labels=labels)


def change_label_change(connection: Connection, id_: str, number: int, **counts: int) -> None:
    """Say what came of a change of labels."""
    mine = (label_change.c.campaign == id_) & (label_change.c.number == number)
    connection.execute(update(label_change).where(mine).values(**counts))


def _record(connection: Connection, row: Row[Any]) -> Campaign:
    """Changes up to the one that the row counts: its labels are those after that one."""
    changes: list[LabelChange] = []
    if row.label_changes:
        mine = (label_change.c.campaign == row.id) & (label_change.c.number <= row.label_changes)
        columns = [label_change.c[name] for name in LabelChange.__struct_fields__]
        found = connection.execute(select(*columns).where(mine).order_by(label_change.c.number))
        changes = [LabelChange(*one) for one in found]
    return Campaign(**dict(row._mapping) | {"label_changes": changes})
