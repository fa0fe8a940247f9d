"""Rows of rounds, and of the scores that they leave behind."""

from itertools import takewhile
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, select, update

from service.errors import NotFound
from service.records import Campaign
from service.store.database import insert_new, now
from service.store.schema import encoding, round, score, shard


def start(
    connection: Connection,
    campaign: str,
    number: int,
    *,
    label_version: int,
    labels: int,
    shards: list[int],
    strategy: str,
    seed: int,
    scored_by: int | None = None,
) -> None:
    """A new round on a snapshot of labels and shards; with `scored_by` one that trains nothing, and has the adapter of
    that earlier round score the pool."""
    connection.execute(
        insert(round).values(
            campaign=campaign,
            number=number,
            state="training" if scored_by is None else "planning",
            scored_by=scored_by,
            label_version=label_version,
            labels=labels,
            shards=shards,
            strategy=strategy,
            seed=seed,
            started_at=now(),
        )
    )


def get(connection: Connection, campaign: str, number: int) -> Row[Any]:
    row = connection.execute(
        select(round).where(round.c.campaign == campaign, round.c.number == number)
    ).first()
    if row is None:
        raise NotFound(f"campaign {campaign} has no round {number}")
    return row


def all_of(connection: Connection, campaign: str, newest: int | None = None) -> list[Row[Any]]:
    """The campaign's rounds, oldest first; `newest`: so many of them at most."""
    query = select(round).where(round.c.campaign == campaign).order_by(round.c.number.desc()).limit(newest)
    return list(connection.execute(query))[::-1]


def trained(connection: Connection, campaign: str) -> list[int]:
    """Numbers of the rounds that left predictions, oldest first."""
    query = select(round.c.number).where(round.c.campaign == campaign, round.c.predictions.is_not(None))
    return list(connection.execute(query.order_by(round.c.number)).scalars())


def some(connection: Connection, campaign: str, numbers: list[int]) -> list[Row[Any]]:
    """These rounds, oldest first."""
    query = select(round).where(round.c.campaign == campaign, round.c.number.in_(numbers))
    return list(connection.execute(query.order_by(round.c.number)))


def states(connection: Connection, campaign: str) -> dict[int, str]:
    """The state of every round, by number."""
    query = select(round.c.number, round.c.state).where(round.c.campaign == campaign)
    found = connection.execute(query.order_by(round.c.number)).all()
    return {row.number: row.state for row in found}


def advised(connection: Connection, campaign: str, most: int) -> tuple[int, ...]:
    """Of the newest `most` rounds that were trained, those that advise to stop, until one does not; newest first."""
    trained = round.c.state.in_(("scoring", "done"))
    query = select(round.c.number, round.c.advice).where(round.c.campaign == campaign, trained)
    newest = connection.execute(query.order_by(round.c.number.desc()).limit(most))
    return tuple(row.number for row in takewhile(lambda row: row.advice is not None, newest))


def newest(connection: Connection, campaign: str, ranked: bool = False) -> Row[Any] | None:
    """The last round, or the last one that ordered the queue."""
    query = select(round).where(round.c.campaign == campaign)
    if ranked:
        query = query.where(round.c.ranked_at.is_not(None))
    return connection.execute(query.order_by(round.c.number.desc()).limit(1)).first()


def active(connection: Connection, campaign: Campaign) -> Row[Any] | None:
    """The round whose adapter chooses, pre-annotates, auto-labels and answers predictions; None: there is none yet.

    The one that somebody named, else the newest that is done and trained an adapter. Where it did not score the pool
    yet, `scored` goes on choosing until it has.
    """
    if campaign.adapter is not None:
        return get(connection, campaign.id, campaign.adapter)
    trained = _done(campaign.id).where(round.c.adapter.is_not(None))
    return connection.execute(trained).first()


def scored(connection: Connection, campaign: str) -> Row[Any] | None:
    """The newest round whose scores are all there; whose adapter made them tells `scorer`."""
    return connection.execute(_done(campaign)).first()


def scorer(connection: Connection, campaign: str, number: int) -> Row[Any]:
    """The round whose adapter scores the pool in this one: nearly always itself."""
    row = get(connection, campaign, number)
    return row if row.scored_by is None else get(connection, campaign, row.scored_by)


def _done(campaign: str) -> Select[Any]:
    mine = select(round).where(round.c.campaign == campaign, round.c.state == "done")
    return mine.order_by(round.c.number.desc()).limit(1)


def measured(connection: Connection, campaign: str) -> Row[Any] | None:
    """The last round that left predictions."""
    query = select(round).where(round.c.campaign == campaign, round.c.predictions.is_not(None))
    return connection.execute(query.order_by(round.c.number.desc()).limit(1)).first()


def change(connection: Connection, campaign: str, number: int, **values: Any) -> None:
    connection.execute(
        update(round).where(round.c.campaign == campaign, round.c.number == number).values(**values)
    )


def add_score(
    connection: Connection,
    campaign: str,
    number: int,
    shard_number: int,
    path: str,
    rows: int,
    seconds: float,
) -> None:
    """A shard was scored in this round."""
    connection.execute(
        insert(score).values(
            campaign=campaign, round=number, shard=shard_number, path=path, rows=rows, seconds=seconds
        )
    )


def scores(connection: Connection, campaign: str, number: int) -> list[Row[Any]]:
    """The scores of a round, by shard."""
    query = select(score).where(score.c.campaign == campaign, score.c.round == number)
    return list(connection.execute(query.order_by(score.c.shard)))


def score_seconds(connection: Connection, campaign: str, number: int) -> float:
    query = select(func.coalesce(func.sum(score.c.seconds), 0.0))
    return float(
        connection.execute(query.where(score.c.campaign == campaign, score.c.round == number)).scalar_one()
    )


def encodings(connection: Connection, campaign: str, encoder: str | None) -> dict[int, Row[Any]]:
    """The campaign's sealed shards that are encoded: {number: row of `encoding`, with kind and content}."""
    query = (
        select(shard.c.number, shard.c.kind, shard.c.content, encoding)
        .join(encoding, encoding.c.content == shard.c.content)
        .where(shard.c.campaign == campaign, shard.c.state == "sealed", encoding.c.encoder == encoder)
    )
    return {row.number: row for row in connection.execute(query.order_by(shard.c.number))}


def encoding_of(connection: Connection, content: str, encoder: str) -> dict[str, Any] | None:
    """What was computed of this content by this base model, by any campaign; None where nothing was."""
    row = connection.execute(
        select(encoding).where(encoding.c.content == content, encoding.c.encoder == encoder)
    ).first()
    return None if row is None else dict(row._mapping)


def add_encoding(connection: Connection, **values: Any) -> None:
    """Name what was computed of a shard's content; campaigns on the same data and model share it."""
    connection.execute(insert_new(connection, encoding).values(**values))
