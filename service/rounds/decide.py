"""What to do next: one pure function of a campaign's stored state.

It may be asked at any time and as often as one likes: every action has a natural key, so that what was asked
for already adds nothing. It knows no store, no queue and no clock.
"""

import math
from collections.abc import Iterable
from typing import Literal

import msgspec

COVERAGE_ROWS = 20_000
PACE_COVER_S = 60.0
"""Label Studio on SQLite was seen to keep an import waiting for 20 s while people submit: the queue outlasts that.

A long queue costs little: what nobody has begun is put in a new order after each round."""
QUIET_S = 30.0

Mode = Literal["random", "coverage", "strategy"]
Phase = Literal[
    "waiting for a pool", "labeling", "paused", "stopped as advised", "budget reached", "pool used up"
]
ENDLESS = 1 << 40
HELD = 3
"""Rounds in a row that advise to stop, for a campaign that heeds it."""


class Round(msgspec.Struct, frozen=True):
    """The newest round. `shards` must be scored, `scored` are."""

    number: int
    state: str
    label_version: int
    shards: frozenset[int] = frozenset()
    scored: frozenset[int] = frozenset()
    ranked: bool = False
    scorer: int | None = None
    """The round whose adapter scores the pool in it."""


class State(msgspec.Struct, frozen=True):
    """All that decides. Shards are numbers; `sealed` maps those of the pool to their rows."""

    round_size: int = 50
    low_water: int = 100
    budget: int | None = None
    paid_hours: int | None = None
    """Answers in all that the budget of hours pays for, those asked for among them; None: without end."""
    paid_money: int | None = None
    """The same of the budget of money."""
    heeds: bool = False
    """Whether it is to stop when advised to."""
    stopped: bool = False
    """Whether it did."""
    advised: tuple[int, ...] = ()
    """The newest rounds that advise it, one after the other and the newest first."""
    strategy: str = "auto"
    paused: bool = False
    uploading: bool = False
    filling: int = 0
    """Rows of the pool that are in no closed shard yet."""
    filling_tests: int = 0
    full: frozenset[int] = frozenset()
    sealed: dict[int, int] = {}
    tests: frozenset[int] = frozenset()
    encoded: frozenset[int] = frozenset()
    """Pool and test shards whose tokens and embeddings are there."""
    compares: bool = True
    """Whether near-duplicates matter."""
    compared: frozenset[int] = frozenset()
    """Pool shards whose near-duplicates are known."""
    teaches: bool = False
    """Whether a teacher is to read the pool."""
    taught: frozenset[int] = frozenset()
    """Pool shards that it read."""
    exhausted: bool = False
    batches: int = 0
    asked: int = 0
    """Answers asked for: given, open, or on the way."""
    servable: int = 0
    """Tasks that wait for answers."""
    barred: int = 0
    """Those of them that the one or other annotator cannot be served, having answered them."""
    overlap: int = 1
    """Answers that an example is to have."""
    labels: int = 0
    """Labels that train now."""
    label_version: int = 0
    changes: int = 0
    """Examples whose label changed since the newest round's snapshot."""
    train_from: int | None = None
    """The label version at which somebody asked for a round; one on that version or a later one is what was asked."""
    pace: float = 0.0
    """Answers a second, lately."""
    idle_s: float = 0.0
    """Since the last answer, edit or deletion."""
    round: Round | None = None
    scores: int | None = None
    """The newest round whose scores are all there."""
    scorer: int | None = None
    """The round whose adapter made them."""
    active: int | None = None
    """The round whose adapter is to."""


class Sync(msgspec.Struct, frozen=True):
    """Keep Label Studio and the store in step, for ever."""


class Seal(msgspec.Struct, frozen=True):
    """Write shards to files; `close`: those still filling too."""

    shards: tuple[int, ...]
    close: bool = False


class Encode(msgspec.Struct, frozen=True):
    shard: int


class Compare(msgspec.Struct, frozen=True):
    """Look for near-duplicates in a shard: among its examples, and of those compared before."""

    shard: int


class Teach(msgspec.Struct, frozen=True):
    """Have the campaign's teacher read a shard."""

    shard: int


class Select(msgspec.Struct, frozen=True):
    """Choose `count` examples for the queue; `round` is whose scores to use."""

    batch: int
    count: int
    mode: Mode
    round: int = 0


class StartRound(msgspec.Struct, frozen=True):
    number: int
    label_version: int
    shards: tuple[int, ...]


class StartRescore(msgspec.Struct, frozen=True):
    """Begin a round that trains nothing: the pool is scored, and the queue put in order, by the adapter of `by`."""

    number: int
    by: int
    shards: tuple[int, ...]


class Train(msgspec.Struct, frozen=True):
    round: int


class Plan(msgspec.Struct, frozen=True):
    """Choose what such a round scores."""

    round: int


class Score(msgspec.Struct, frozen=True):
    round: int
    shard: int


class EndRound(msgspec.Struct, frozen=True):
    number: int


class Stop(msgspec.Struct, frozen=True):
    """Ask for no more, since rounds up to this one advised it."""

    round: int


class Rerank(msgspec.Struct, frozen=True):
    """Order open tasks that nobody has begun by the scores of a round; of round 0: for coverage."""

    round: int


Action = (
    Sync
    | Seal
    | Encode
    | Compare
    | Teach
    | Select
    | StartRound
    | StartRescore
    | Train
    | Plan
    | Score
    | EndRound
    | Stop
    | Rerank
)


def decide(state: State) -> list[Action]:
    """The actions that are called for now, in no special order."""
    actions: list[Action] = [Sync()]
    actions += _sealing(state)
    actions += [Encode(shard) for shard in sorted({*state.sealed, *state.tests} - state.encoded)]
    # One after the other: who leads is decided among all that came before.
    left = (state.sealed.keys() & state.encoded) - state.compared
    actions += [Compare(min(left))] if left and state.compares else []
    actions += [Teach(shard) for shard in sorted(state.sealed.keys() - state.taught)] if state.teaches else []
    actions += _stopping(state)
    actions += _round(state)
    actions += _queue(state)
    return actions


def phase(state: State) -> Phase:
    """One word for the people who watch."""
    if state.paused:
        return "paused"
    if not state.sealed and not state.full and not state.filling:
        return "waiting for a pool"
    if state.servable == 0 and _room(state) == 0:
        return "stopped as advised" if _stopped(state) else "budget reached"
    if state.servable == 0 and state.exhausted and not state.filling:
        return "pool used up"
    return "labeling"


def reason(state: State) -> str | None:
    """Why no more is asked, though tasks may still be open; None where more is, or nobody decided it."""
    if state.paused or _room(state):
        return None
    if _stopped(state):
        return f"{HELD} rounds in a row advised to stop; stop_at_advice off lets it go on"
    ends = {"answers": state.budget, "hours": state.paid_hours, "money": state.paid_money}
    over = [kind for kind, end in ends.items() if room([end], state.asked) == 0]
    return f"the budget of {' and of '.join(over)} is used up" if over else None


def answers_left(state: State) -> int | None:
    """Answers that may still be asked for; None: without end."""
    if _stopped(state):
        return 0
    return room([state.budget, state.paid_hours, state.paid_money], state.asked)


def room(ends: Iterable[int | None], asked: int) -> int | None:
    """Of answers in all, whichever ends first, less those that are asked for; None where none of them ends."""
    known = [one for one in ends if one is not None]
    return max(0, min(known) - asked) if known else None


def water(state: State) -> int:
    """The queue's low-water mark: enough for the annotators' pace until a refill has arrived."""
    return max(state.low_water, math.ceil(state.pace * PACE_COVER_S))


def round_due(state: State) -> bool:
    """Enough labels are new; or some are, and somebody asked, or no more are to be expected for now."""
    if state.changes >= state.round_size or (state.changes > 0 and _asked_for(state)):
        return True
    ended = state.paused or state.exhausted or _room(state) == 0
    return ended and state.changes > 0 and (state.servable == 0 or state.idle_s >= QUIET_S)


def _asked_for(state: State) -> bool:
    """Somebody asked for a round, and the newest one began before that."""
    if state.train_from is None:
        return False
    return state.round is None or state.round.label_version < state.train_from


def _stopping(state: State) -> list[Action]:
    return [Stop(state.advised[0])] if _stopped(state) and not state.stopped else []


def _stopped(state: State) -> bool:
    return state.stopped or (state.heeds and len(state.advised) >= HELD)


def _sealing(state: State) -> list[Action]:
    wanted = not state.sealed or round_due(state) or state.exhausted
    if not state.uploading and (state.filling_tests or (state.filling and wanted)):
        return [Seal(tuple(sorted(state.full)), close=True)]
    return [Seal(tuple(sorted(state.full)))] if state.full else []


def _round(state: State) -> list[Action]:
    last = state.round
    if last is not None and last.state == "scoring":
        missing = sorted(last.shards - last.scored)
        return [Score(last.number, shard) for shard in missing] or [EndRound(last.number)]
    if last is not None and last.state == "training":
        return [Train(last.number)]
    if last is not None and last.state == "planning":
        return [Plan(last.number)]
    actions: list[Action] = []
    if last is not None and last.state == "done" and not last.ranked:
        actions.append(Rerank(last.number))
    if last is None and state.batches and _mode(state) == "coverage":
        actions.append(Rerank(0))  # the opening batch was drawn before the pool could be looked at
    shards = tuple(sorted(state.encoded & state.sealed.keys()))
    if round_due(state) and state.labels and shards and state.tests <= state.encoded:
        actions.append(StartRound(1 if last is None else last.number + 1, state.label_version, shards))
    elif last is not None and state.active is not None and _overtaken(state, last):
        actions.append(StartRescore(last.number + 1, state.active, shards))
    return actions


def _overtaken(state: State, last: Round) -> bool:
    """Whether the pool was scored by another adapter than the active one; not again where that one failed at it."""
    failed = last.state == "failed" and last.scorer == state.active
    return state.scorer is not None and state.scorer != state.active and not failed


def _queue(state: State) -> list[Action]:
    for_all = state.servable - state.barred
    if state.paused or state.exhausted or not state.sealed or for_all >= water(state):
        return []
    mode = _mode(state)
    count = min(water(state) + state.round_size // 2 - for_all, _room(state))
    if count <= 0:
        return []
    return [Select(state.batches + 1, count, mode, state.scores or 0)]


def _mode(state: State) -> Mode:
    if state.strategy == "random":
        return "random"
    if state.scores is not None:
        return "strategy"
    encoded = sum(rows for shard, rows in state.sealed.items() if shard in state.encoded)
    return "coverage" if encoded >= min(sum(state.sealed.values()), COVERAGE_ROWS) else "random"


def _room(state: State) -> int:
    """Examples that may still be asked about."""
    left = answers_left(state)
    return ENDLESS if left is None else left // state.overlap
