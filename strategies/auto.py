"""The strategy that needs no choosing: coverage, then what the learner gets wrong, then diverse uncertainty.

Of labels that exclude each other: TypiClust while no learner has read the pool, facility location over the learner's
errors until there are 5 labels per class, and then `diverse_margin`. While a class has fewer than 3 labels, a tenth of
a batch is what the learner holds likeliest of such classes. Where labels do not exclude each other, a number of
examples stands for those per class, and TypiClust for facility location, by rule of thumb. What it goes by was
measured: service/docs/strategies.md. Where the campaign's own control reference shows that random labels teach more,
the paired interval excluding zero, it draws at random until that is over.
"""

import numpy as np
from numpy.random import Generator

from strategies.base import PROBLEMS, Picks, Strategy, View
from strategies.chance import RANDOM
from strategies.discovery import DISCOVERY, likeliest
from strategies.diverse import DIVERSE_MARGIN, DIVERSE_MNLP
from strategies.facility import FACILITY_LOCATION
from strategies.rare import RARE_UNCERTAINTY
from strategies.typiclust import TYPICLUST

LABELS_PER_CLASS = 5
DISCOVERY_SHARE = 0.1
OPENING_LABELS = {"multi_label": 100, "spans": 50}
EARLY = {"single_label": FACILITY_LOCATION, "multi_label": TYPICLUST, "spans": TYPICLUST}
LATE = {"single_label": DIVERSE_MARGIN, "multi_label": RARE_UNCERTAINTY, "spans": DIVERSE_MNLP}


def chosen(view: View) -> Strategy:
    """Which strategy it is now; examples that were asked for count as labeled."""
    assert view.labeled_embeddings is not None
    if view.behind:
        return RANDOM
    late = LATE[view.problem]
    if any(getattr(view, need) is None for need in late.needs):
        return TYPICLUST
    classes = view.classes
    if classes is None and view.probabilities is not None:
        classes = view.probabilities.shape[1]
    opening = OPENING_LABELS.get(view.problem, LABELS_PER_CLASS * (classes or 0))
    return late if len(view.labeled_embeddings) >= opening else EARLY[view.problem]


def _choose(view: View, count: int, rng: Generator) -> Picks:
    strategy = chosen(view)
    found = _found(view, count, rng) if strategy not in (TYPICLUST, RANDOM) else []
    left, rest = view.without(found) if found else (view, np.arange(view.size))
    made = strategy.choose(left, count - len(found), rng)
    slots = {int((at + 0.5) * count / len(found)) for at in range(len(found))}  # evenly among the others
    others, discovered = iter(zip(rest[made.positions], made.scores, strict=True)), iter(found)
    positions, scores, by, score = [], [], [], float(made.scores[0])
    for at in range(count):
        if at in slots:
            position, name = next(discovered), DISCOVERY.name
        else:
            (position, score), name = next(others), strategy.name
        positions.append(int(position))
        scores.append(float(score))
        by.append(name)
    return Picks(np.array(positions, np.int64), np.array(scores), tuple(by))


def _found(view: View, count: int, rng: Generator) -> list[int]:
    """Positions that classes short of labels may be found at: fewer than `count`."""
    if view.labels is None or view.probabilities is None or view.problem != "single_label":
        return []
    return likeliest(view.probabilities, view.labels, round(DISCOVERY_SHARE * count), rng)


AUTO = Strategy(
    "auto",
    frozenset({"embeddings", "labeled_embeddings"}),
    _choose,
    "Typical examples first, then what stands for most errors, then unsure ones that differ from each other.",
    PROBLEMS,
    frozenset({"probabilities", "token_uncertainty", "labels", "label_sets"}),
)
