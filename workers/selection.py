"""Which examples come into the queue next: random draws at fixed slots, and a strategy's picks among them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service import quotas
from service.files import Files
from service.predictions import Spans
from service.rounds.decide import COVERAGE_ROWS, Mode
from service.store.selections import Chosen
from service.vocabulary import Vocabulary
from strategies import registry
from strategies.base import View
from workers.consensus import SMOOTH
from workers.situation import CONTROL, HOLD_OUT, TRAIN, Scores, Situation

OPENING = "typiclust"
SECOND_OPINION = "second opinion"
SCORED = frozenset({"probabilities", "committee", "token_uncertainty"})
"""What only scored examples have."""


@dataclass(frozen=True)
class Pick:
    position: int
    role: str
    strategy: str
    score: float
    quota: str = ""
    """Of which quota it is, in words."""


def batch(now: Situation, count: int, mode: Mode, rng: np.random.Generator) -> list[Pick]:
    """`count` picks in the queue's order, fewer where the pool holds no more (then `short` is set)."""
    share = now.campaign.random_share / 2
    total = sum(now.asked.values()) + count
    # Random draws are from the pool as it is, near-duplicates too, or they would measure another.
    fine = ~now.known
    control = _lowest_draws(
        now, fine & (now.zone == CONTROL) & ~now.near, _owed(now, "control", share, total, count)
    )
    # Both owe a draw at the same moment: where there is place for one alone, the hold-out's comes next time.
    holdout_room = min(now.holdout_room, count - len(control))
    holdout_count = min(_owed(now, "hold-out", share, total, count), holdout_room)
    holdout = _lowest_draws(now, fine & (now.zone == HOLD_OUT), holdout_count)
    random = [Pick(at, "control", "random", 0.0) for at in control]
    random += [Pick(at, "hold-out", "random", 0.0) for at in holdout]
    chosen = train(now, count - len(random), mode, rng)
    missing = count - len(random) - len(chosen)
    if missing:
        left = now.free & now.pool.leading & (now.zone == CONTROL) & ~now.near
        left &= ~now.pool.alike(_mask(len(left), random))
        more = _lowest_draws(now, left, missing)
        random += [Pick(at, "control", "random", 0.0) for at in more]
        if missing > len(more) and now.holdout_room > len(holdout):
            left = fine & (now.zone == HOLD_OUT)
            left[holdout] = False
            rest = _lowest_draws(now, left, min(missing - len(more), now.holdout_room - len(holdout)))
            random += [Pick(at, "hold-out", "random", 0.0) for at in rest]
    now.short = len(random) + len(chosen) < count
    chosen = _reconsidered(now, chosen, int(now.campaign.second_opinions * count))
    return _interleave(chosen, [random[at] for at in rng.permutation(len(random))])


def train(now: Situation, count: int, mode: Mode, rng: np.random.Generator) -> list[Pick]:
    """Up to `count` picks, best first, those of quotas evenly among the others; these get what a quota leaves, too."""
    free = now.free & (now.zone == TRAIN) & ~now.near
    if not now.quotas:
        return _strategic(now, free, count, mode, rng)
    kept: list[Pick] = []
    wanted = quotas.counts([quota.share for quota in now.quotas], count, rng)
    for quota, its in zip(now.quotas, wanted, strict=True):
        made = _strategic(now, free & quota.among, its, mode, rng)
        free = free & ~now.pool.alike(_mask(len(free), made))
        kept += [replace(pick, quota=quota.why) for pick in made]
    return _interleave(_strategic(now, free, count - len(kept), mode, rng), kept)


def _strategic(
    now: Situation, free: NDArray[np.bool_], count: int, mode: Mode, rng: np.random.Generator
) -> list[Pick]:
    """Up to `count` of the free ones that a strategy picks, best first; the rest at random where it can judge too few.

    A strategy sees near-duplicates, which say how common a text is; of each kind one is picked.
    """
    free = free.copy()
    picks: list[Pick] = []
    for fine in (free, now.pool.leading) if mode != "random" else ():
        free &= fine
        made = _chosen(now, free, count - len(picks), mode, rng)
        leaders = now.pool.leaders[[pick.position for pick in made]]
        picks += [made[at] for at in np.sort(np.unique(leaders, return_index=True)[1])]
        free &= ~now.pool.alike(_mask(len(free), picks))
    rest = np.flatnonzero(free & now.pool.leading)
    more = rng.choice(rest, size=min(count - len(picks), len(rest)), replace=False) if len(rest) else rest
    return picks + [Pick(int(at), "train", "random", 0.0) for at in more]


def _reconsidered(now: Situation, picks: list[Pick], most: int) -> list[Pick]:
    """`picks` with a second opinion in the place of up to `most` of them: where a label is more in doubt than the
    model's own guess of what was picked.

    Both are the probability that what is believed is wrong (Goh and Mueller, ActiveLab, arXiv:2301.11856, without
    their average over annotators, whom the label's probability has seen already).
    """
    labels = np.argsort(-now.doubt, kind="stable")[:most]
    labels = labels[now.doubt[labels] > 0]
    doubts = _doubts(now, np.array([pick.position for pick in picks], np.int64))
    found = picks.copy()
    for label, at in zip(labels.tolist(), np.argsort(doubts, kind="stable").tolist(), strict=False):
        if now.doubt[label] <= doubts[at]:
            break
        role = "control" if now.zone[label] == CONTROL else "train"
        found[at] = Pick(label, role, SECOND_OPINION, float(now.doubt[label]))
    return found


def _doubts(now: Situation, positions: NDArray[np.int64]) -> NDArray[np.float64]:
    """(m,) how probable it is that the model's guess is wrong, 1 where it has none; of spans one as good as the other.

    Of several labels it is the mean over those that are in question.
    """
    doubts = np.full(len(positions), 0.5 if now.campaign.problem == "spans" else 1.0)
    if now.scores is None or now.scores.probabilities is None or not len(positions):
        return doubts
    known, rows = now.scores.at(positions)
    p = now.scores.probabilities[rows[known]].astype(np.float64)
    if now.scores.thresholds is None:
        doubts[known] = 1 - p.max(axis=1)
    else:
        asked = p > SMOOTH
        wrong = (np.minimum(p, 1 - p) * asked).sum(axis=1)
        doubts[known] = wrong / np.maximum(asked.sum(axis=1), 1)
    return doubts


def _mask(size: int, picks: Sequence[Pick]) -> NDArray[np.bool_]:
    found = np.zeros(size, np.bool_)
    found[[pick.position for pick in picks]] = True
    return found


def _chosen(
    now: Situation, free: NDArray[np.bool_], count: int, mode: Mode, rng: np.random.Generator
) -> list[Pick]:
    """Up to `count` of the free ones that the campaign's strategy picks, or the opening's."""
    if count <= 0:
        return []
    name = OPENING if mode == "coverage" else now.campaign.strategy
    strategy = registry.get(name)
    # Where there are scores, a strategy that can use them chooses among what has one.
    wanted = strategy.needs | (
        strategy.optional if now.scores is not None else strategy.optional & {"teacher", "fields"}
    )
    candidates = _candidates(now, free, wanted, mode, rng)
    if not len(candidates):
        return []
    view = _view(now, candidates, wanted)
    if any(getattr(view, need) is None for need in strategy.needs):
        # Scored before this strategy was chosen: the next round's scores will have it.
        name, strategy = OPENING, registry.get(OPENING)
        view = _view(now, candidates, strategy.needs)
    made = strategy.select(view, min(count, len(candidates)), rng)
    by = made.by or [name] * len(made.positions)
    return [
        Pick(int(candidates[at]), "train", its, float(score))
        for at, score, its in zip(made.positions, made.scores, by, strict=True)
    ]


def describe(files: Files, now: Situation, picks: Sequence[Pick], ranks: Sequence[int]) -> list[Chosen]:
    """Picks as they are written down: with text, reason and pre-annotation."""
    positions = np.array([pick.position for pick in picks], dtype=np.int64)
    places = now.pool.places(positions)
    found = now.pool.examples(files, positions)
    shown = predictions(now, positions)
    return [
        Chosen(
            place=places[at],
            rank=ranks[at],
            role=pick.role,  # type: ignore[arg-type]
            strategy=pick.strategy,
            score=pick.score,
            reason=_reason(now, pick),
            text=found[at]["text"],
            ext_id=found[at]["ext_id"],
            domain=found[at]["domain"],
            role_key=int(now.pool.role_keys[pick.position]),
            prediction=shown[at] if pick.role == "train" and pick.strategy != SECOND_OPINION else None,
        )
        for at, pick in enumerate(picks)
    ]


def predictions(now: Situation, positions: NDArray[np.int64]) -> list[dict[str, Any] | None]:
    """What is shown with each, None where it has no score: its `round` and {label, confidence}; in multi_label
    {labels, confidences}; {spans}, each with its confidence. Labels are codes; those that the adapter cannot tell apart
    are not shown."""
    if now.scores is None:
        return [None] * len(positions)
    known, rows = now.scores.at(positions)
    codes = Vocabulary.of(now.campaign).codes
    found = [
        _shown(codes, now.scores, int(row)) if there else None for there, row in zip(known, rows, strict=True)
    ]
    return [None if one is None else {"round": now.scores.round} | one for one in found]


def _shown(names: Sequence[str], scores: Scores, row: int) -> dict[str, Any] | None:
    if scores.spans is not None:
        return {
            "spans": [
                {"start": start, "end": end, "label": names[one], "confidence": round(float(sure), 3)}
                for (start, end, one), sure in _spans(scores.spans, row)
                if one not in scores.unsure
            ]
        }
    assert scores.probabilities is not None  # one of the two is there
    found = scores.probabilities[row]
    if scores.thresholds is None:
        best = int(found.argmax())
        if best in scores.unsure:
            return None
        return {"label": names[best], "confidence": round(float(found[best]), 3)}
    decided = np.flatnonzero(found >= np.array(scores.thresholds)).tolist()
    decided = [at for at in decided if at not in scores.unsure]
    return {
        "labels": [names[at] for at in decided],
        "confidences": {names[at]: round(float(found[at]), 3) for at in decided},
    }


def _spans(spans: Spans, row: int) -> list[tuple[list[int], float]]:
    """((start, end, class), confidence) of one example; rows ascend."""
    first, last = np.searchsorted(spans.rows[:, 0], [row, row + 1])
    return list(zip(spans.rows[first:last, 1:].tolist(), spans.confidence[first:last].tolist(), strict=True))


def _owed(now: Situation, role: str, share: float, total: int, count: int) -> int:
    """Draws that this batch owes the role so that its share of all that was asked is kept."""
    return min(count, max(0, round(share * total) - now.asked.get(role, 0)))


def _lowest_draws(now: Situation, among: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
    """The `count` lowest draws. Going by the draw, also through texts that came late, the sample stays uniform."""
    at = np.flatnonzero(among)
    return at[np.argsort(now.draws[at], kind="stable")[:count]]


def _candidates(
    now: Situation, free: NDArray[np.bool_], wanted: frozenset[str], mode: Mode, rng: np.random.Generator
) -> NDArray[np.int64]:
    fine = free & now.encoded if wanted & {"embeddings", "labeled_embeddings"} else free
    at = np.flatnonzero(fine)
    if mode == "strategy" and wanted & SCORED:
        at = at[now.scores.at(at)[0]] if now.scores is not None else at[:0]
    if mode == "coverage" and len(at) > COVERAGE_ROWS:
        at = np.sort(rng.choice(at, size=COVERAGE_ROWS, replace=False))
    return at


def _view(now: Situation, at: NDArray[np.int64], wanted: frozenset[str]) -> View:
    """The arrays that a strategy declares, aligned with `at`."""
    arrays: dict[str, Any] = {}
    # What is asked for counts as known: the next picks should lie elsewhere.
    known = np.flatnonzero(now.known & (now.zone != HOLD_OUT) & now.encoded)
    scores = now.scores
    if scores is not None:
        rows = scores.at(at)[1]
        if scores.probabilities is not None and "labeled_probabilities" in wanted:
            known = known[scores.at(known)[0]]
            arrays["labeled_probabilities"] = scores.probabilities[scores.at(known)[1]]
        if scores.probabilities is not None and "probabilities" in wanted:
            arrays["probabilities"] = scores.probabilities[rows]
        if scores.committee is not None and "committee" in wanted:
            arrays["committee"] = scores.committee[:, rows]
        if scores.token_uncertainty is not None and "token_uncertainty" in wanted:
            arrays["token_uncertainty"] = scores.token_uncertainty[rows]
    if "embeddings" in wanted:
        arrays["embeddings"] = now.embeddings(at).astype(np.float32)
    if "labeled_embeddings" in wanted:
        found = now.embeddings(known).astype(np.float32)
        arrays["labeled_embeddings"] = (
            found if len(known) else np.empty((0, arrays["embeddings"].shape[1]), np.float32)
        )
    if "duplication" in wanted:
        arrays["duplication"] = now.duplication(at)
    if "teacher" in wanted and now.teacher is not None:
        arrays["teacher"] = now.teacher(at)
    if "fields" in wanted and now.fields is not None:
        arrays["fields"] = now.fields(at)
    if "labels" in wanted:
        arrays["labels"] = now.labels[known]
    if "label_sets" in wanted:
        arrays["label_sets"] = now.label_sets
    if "prototypes" in wanted:
        arrays["prototypes"] = now.prototypes
    return View(
        len(at),
        classes=len(now.campaign.labels),
        problem=now.campaign.problem,
        behind=now.behind,
        formula=now.campaign.formula or "",
        **arrays,
    )


def _interleave(chosen: list[Pick], some: list[Pick]) -> list[Pick]:
    """`some`, such as random draws, evenly among the others."""
    total = len(chosen) + len(some)
    slots = {int((at + 0.5) * total / len(some)) for at in range(len(some))}
    picks, others = iter(chosen), iter(some)
    return [next(others) if at in slots else next(picks) for at in range(total)]


def _reason(now: Situation, pick: Pick) -> str:
    why = _why(now, pick)
    return f"{pick.quota[0].upper()}{pick.quota[1:]}: {why}" if pick.quota else why


def _why(now: Situation, pick: Pick) -> str:
    if pick.strategy == "random":
        return "random draw"
    if pick.strategy == SECOND_OPINION:
        return f"a second opinion: the label is wrong with {pick.score:.0%}"
    if pick.strategy == OPENING:
        return "typical of texts that nobody was asked about yet"
    if now.scores is not None:
        known, rows = now.scores.at(np.array([pick.position]))
        if known[0]:
            words = _doubt(now, now.scores, int(rows[0]))
            return f"{words} Chosen by {pick.strategy} after round {now.scores.round}"
    return registry.get(pick.strategy).summary


def _doubt(now: Situation, scores: Scores, row: int) -> str:
    """What the model wavers between, in words."""
    names = now.campaign.labels
    if scores.spans is not None:
        found = _spans(scores.spans, row)
        if not found:
            return "No span?"
        (_, _, one), sure = min(found, key=lambda span: span[1])
        return f"{len(found)} spans, the least sure {names[one]} {sure:.0%}?"
    assert scores.probabilities is not None  # one of the two is there
    shares = scores.probabilities[row]
    if scores.thresholds is not None:
        near = np.argsort(np.abs(shares - 0.5))[:2]
        return ", ".join(f"{names[at]} {shares[at]:.0%}" for at in near) + "?"
    first, second = np.argsort(shares)[::-1][:2]
    return f"{names[first]} {shares[first]:.0%} or {names[second]} {shares[second]:.0%}?"
