"""What the account of costs takes of the server: a campaign of very many rounds, on SQLite.

    python -m tests.bench.cost [--rounds 10000] [--answers 50] [--repeats 5]

Rows are written straight into the tables: --rounds rounds, each with --answers answers of people who take 2 to 40 s,
without predictions (the curve is another question, and kept until a round changes). Told is what an answer of
`GET …/cost` takes of a processor, from the call to its JSON, by how many rounds are told of, the median of --repeats;
and beside it its parts, the budget (which every decision takes where one of hours is set), and a whole decision.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
from sqlalchemy import Connection, insert

from service import curve
from service.budget import budget
from service.cost import Asked
from service.http import cost
from service.http.api import Api
from service.http.schemas import CostQuery
from service.rounds.advance import facts
from service.settings import Settings
from service.store import campaigns, costs, labels, rounds, selections
from service.store.campaigns import NewCampaign
from service.store.schema import annotation, label, round, selection

CHUNK = 500
"""Rounds written at a time."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10_000)
    parser.add_argument("--answers", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="postil-bench-") as folder:
        api = Api(replace(Settings(data=folder), redis_url="redis://127.0.0.1:9"))
        api.database.upgrade()
        new = NewCampaign("long", ["a", "b"], "none", hour_price=30.0, compute_price=2.0, budget_hours=1e6)
        with api.database.transaction() as connection:
            id_ = campaigns.create(connection, new).id
        rng = np.random.default_rng(0)
        for first in range(0, arguments.rounds, CHUNK):
            with api.database.transaction() as connection:
                fill(
                    connection,
                    id_,
                    range(first, min(first + CHUNK, arguments.rounds)),
                    arguments.answers,
                    rng,
                )

        def told(number: int) -> bytes:
            return msgspec.json.encode(cost.show(api, id_, CostQuery(number)))

        def read(what: Callable[[Connection], object]) -> Callable[[], object]:
            def done() -> object:
                with api.database.reading() as connection:
                    return what(connection)

            return done

        campaign = read(lambda connection: campaigns.get(connection, id_))()
        assert isinstance(campaign, campaigns.Campaign)
        parts: dict[str, Callable[[], object]] = {
            f"cost, {number:,} rounds": lambda number=number: told(number)  # type: ignore[misc]
            for number in (1, 100, arguments.rounds)
        }
        parts |= {
            "account": read(lambda connection: costs.account(connection, campaign)),
            "asked": read(lambda connection: costs.asked(connection, id_)),
            "labels": read(lambda connection: labels.count(connection, id_)),
            "truth": read(lambda connection: curve.truth(connection, api.files, campaign)),
            "rounds": read(lambda connection: rounds.all_of(connection, id_)),
            "ran": read(lambda connection: costs.ran(connection, id_)),
            "answers": read(lambda connection: selections.answers(connection, id_)),
            "budget": read(lambda connection: budget(connection, campaign, {"answered": 1})),
            "all of a decision": read(lambda connection: facts(connection, campaign)),
        }
        for name, what in parts.items():
            print(f"{name:>24}: {1000 * timed(what, arguments.repeats):7.1f} ms", flush=True)
        api.database.close()


def timed(what: Callable[[], object], repeats: int) -> float:
    """Seconds, of the median."""
    taken = []
    for _ in range(repeats + 1):  # the first one warms up
        begun = time.process_time()
        what()
        taken.append(time.process_time() - begun)
    return median(taken[1:])


def fill(connection: Connection, campaign: str, some: range, answers: int, rng: np.random.Generator) -> None:
    """Rounds whose answers are there."""
    numbers = [number + 1 for number in some]
    connection.execute(
        insert(round),
        [
            {
                "campaign": campaign,
                "number": number,
                "state": "done",
                "label_version": answers * number,
                "labels": answers * number,
                "shards": [0],
                "strategy": "margin",
                "seed": 0,
                "metrics": {"trained_on": answers * number, "control_labels": 5, "score_share": 1.0},
                "train_seconds": 20.0,
                "score_seconds": 60.0,
                "select_seconds": 1.0,
                "started_at": float(number),
            }
            for number in numbers
        ],
    )
    rows = [(number, number * answers + at) for number in numbers for at in range(answers)]
    times = rng.uniform(2, 40, len(rows)).tolist()
    where = [{"campaign": campaign, "shard": row >> 16, "row": row & 0xFFFF} for _, row in rows]
    connection.execute(
        insert(annotation),
        [
            place
            | {
                "ls_id": row,
                "revision": "2026-01-01T00:00:00.000000Z",
                "task": row,
                "annotator": 1,
                "kind": "answer",
                "value": "0",
                "result": [{"from_name": "label", "to_name": "text", "value": {"choices": ["0"]}}],
                "lead_time": taken,
                "seconds": taken,
                "round": number,
                "received_at": float(row),
                "current": True,
            }
            for place, taken, (number, row) in zip(where, times, rows, strict=True)
        ],
    )
    sums = (
        Asked.entry(number, "answer", taken, taken) for taken, (number, _) in zip(times, rows, strict=True)
    )
    costs.book(connection, campaign, sums)
    connection.execute(
        insert(selection),
        [
            place
            | {
                "batch": number,
                "round": number,
                "strategy": "margin",
                "score": 0.5,
                "role": "train",
                "reason": "margin 0.12 between a and b",
                "place": row,
                "state": "answered",
                "text": "A text of some two hundred characters. " * 5,
                "role_key": row,
                "predictions": [],
                "chosen_at": 0.0,
            }
            for place, (number, row) in zip(where, rows, strict=True)
        ],
    )
    connection.execute(
        insert(label),
        [
            place
            | {
                "version": row,
                "value": "0",
                "weight": 1.0,
                "source": "annotation",
                "role": "train",
                "annotations": 1,
                "role_key": row,
                "made_at": 0.0,
            }
            for place, (_, row) in zip(where, rows, strict=True)
        ],
    )


if __name__ == "__main__":
    main()
