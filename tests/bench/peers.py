"""Choosing 100 of 20,000 beside scikit-activeml and small-text, where these have the same strategy.

All get the same embeddings, probabilities and answers. The classifiers that the two ask for are stand-ins that say what
is known already, so that only the choosing is measured. What a strategy is after is compared beside the time:

    k_center              the largest distance of an example to what was asked for
    kmeans, typiclust     Σ squared distance of the examples to what was asked for
    badge                 Σ squared distance of the gradients to those of the picks
    prob_cover            how many examples are within the radius of what was asked for
    the others            Σ over the picks of what the strategy ranks by

Some peers differ by their makers' choice: scikit-activeml's TypiClust makes a cluster for each label, however many;
its ProbCover is given the radius that it would seek on a grid; small-text's CAL looks at neighbours without a label,
too, its CVIRS ranks the margins otherwise, and its strategies draw from numpy's global state.
"""

import time
import warnings
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from skactiveml import pool as activeml
from skactiveml.base import SkactivemlClassifier
from small_text import query_strategies as small_text

from strategies import prob_cover, registry
from strategies.badge import Gradients
from strategies.base import View
from strategies.blocks import nearest
from strategies.cal import contrast
from strategies.clusters import k_means
from strategies.committee import mutual_information
from strategies.cvirs import THRESHOLD, inconsistency, rank_score
from strategies.uncertainty import entropy, least_confidence, margin

Positions = NDArray[np.int64]
Choose = Callable[[View, int, int], Positions]
"""(view, count, seed) -> (count,) positions in the view."""


def compare(name: str, view: View, count: int, turns: int) -> dict[str, dict[str, float]]:
    """By library its `seconds`, how many `times` faster Postil is, and by which share its objective is `worse`.

    Taken by turns; seconds are the best, objectives the mean. Less than 0 is better than the peer. The view has every
    array that there is.
    """
    objective, less_is_better = OBJECTIVES[name]
    sides = {"postil": postil(name), **PEERS[name]}
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    reached: dict[str, list[float]] = {side: [] for side in sides}
    for seed in range(turns):
        for side, choose in sides.items():
            started = time.perf_counter()
            with warnings.catch_warnings(action="ignore"):
                positions = np.asarray(choose(view, count, seed))
            seconds[side].append(time.perf_counter() - started)
            assert len(np.unique(positions)) == count
            reached[side].append(objective(view, positions))
    found = {}
    for side in PEERS[name]:
        ratio = float(np.mean(reached["postil"]) / np.mean(reached[side]))
        found[side] = {
            "seconds": round(min(seconds[side]), 2),
            "times": round(min(seconds[side]) / min(seconds["postil"]), 1),
            "worse": round(ratio - 1 if less_is_better else 1 - ratio, 4),
        }
    return found


def postil(name: str) -> Choose:
    return lambda view, count, seed: (
        registry.get(name).select(view, count, np.random.default_rng(seed)).positions
    )


class Known(SkactivemlClassifier):
    """A classifier of scikit-activeml that says what is known of the examples, or of what was asked for."""

    def __init__(self, view: View) -> None:
        super().__init__()
        self.view = view
        self.classes_ = np.arange(view.classes)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "Known":
        return self

    def predict_proba(self, X: Any) -> Any:
        view = self.view
        return np.float64(view.probabilities if len(X) == view.size else view.labeled_probabilities)

    def sample_proba(self, X: Any) -> Any:
        return np.float64(self.view.committee)


class Reader:
    """A classifier of small-text, to which a text is its position: the examples, then what was asked for."""

    def __init__(self, view: View) -> None:
        self.embeddings, self.probabilities = whole(view, "embeddings"), whole(view, "probabilities")
        self.committee = view.committee

    def embed(self, texts: Any, **_: Any) -> Any:
        return self.embeddings[texts], self.probabilities[texts]

    def predict_proba(self, texts: Any, dropout_sampling: int = 1) -> Any:
        if dropout_sampling > 1:
            return np.float32(self.committee.transpose(1, 0, 2))  # of the examples alone, which come first
        return self.probabilities[texts]


def whole(view: View, name: str) -> NDArray[np.float32]:
    return np.concatenate([getattr(view, name), getattr(view, f"labeled_{name}")])


def by_activeml(make: Callable[[View, int], Any], classifier: str = "") -> Choose:
    """`make(view, seed)` is the strategy; `classifier` is what its `query` calls one, if it asks for one."""

    def choose(view: View, count: int, seed: int) -> Positions:
        known = {classifier: Known(view), f"fit_{classifier}": False} if classifier else {}
        y = np.concatenate([np.full(view.size, np.nan), view.labels])
        return make(view, seed).query(whole(view, "embeddings"), y, batch_size=count, **known)

    return choose


def by_small_text(make: Callable[[], Any], several: bool = False) -> Choose:
    """`make()` is the strategy; `several`: it wants sets of labels."""

    def choose(view: View, count: int, seed: int) -> Positions:
        texts = np.arange(view.size + len(view.labels))
        y = csr_matrix(view.label_sets.astype(int)) if several else view.labels
        return make().query(Reader(view), texts, texts[: view.size], texts[view.size :], y, n=count)

    return choose


def gaps(view: View, positions: Positions) -> NDArray[np.float64]:
    """(n,), to the nearest that was asked for."""
    return nearest(view.embeddings, np.concatenate([view.labeled_embeddings, view.embeddings[positions]]))


def to_picks(view: View, positions: Positions) -> float:
    return float(np.square(nearest(view.embeddings, view.embeddings[positions])).sum())


def of_gradients(view: View, positions: Positions) -> float:
    every = np.arange(view.size)
    return float(Gradients(view.probabilities, view.embeddings).to_nearest(every, positions.tolist()).sum())


@cache
def radius(view: View) -> float:
    """As `prob_cover` finds it."""
    rng = np.random.default_rng(0)
    cluster, _ = k_means(view.embeddings, view.classes, rng)
    looked_at = rng.choice(view.size, prob_cover.PURITY_SAMPLE, replace=False)
    return prob_cover.purity_radius(view.embeddings, cluster, looked_at)


def of_contrast(view: View) -> NDArray[np.float64]:
    return contrast(view.probabilities, view.embeddings, view.labeled_probabilities, view.labeled_embeddings)


def of_sets(view: View) -> NDArray[np.float64]:
    return rank_score(view.probabilities) * inconsistency(view.probabilities > THRESHOLD, view.label_sets)


def summed(utility: Callable[[View], NDArray[np.float64]]) -> tuple[Callable[[View, Positions], float], bool]:
    return lambda view, positions: float(utility(view)[positions].sum()), False


OBJECTIVES: dict[str, tuple[Callable[[View, Positions], float], bool]] = {
    "k_center": (lambda view, positions: float(gaps(view, positions).max()), True),
    "kmeans": (to_picks, True),
    "typiclust": (lambda view, positions: float(np.square(gaps(view, positions)).sum()), True),
    "badge": (of_gradients, True),
    "prob_cover": (lambda view, positions: float((gaps(view, positions) < radius(view)).sum()), False),
    "cal": summed(of_contrast),
    "bald": summed(lambda view: mutual_information(view.committee)),
    "cvirs": summed(of_sets),
    "margin": summed(lambda view: margin(view.probabilities)),
    "entropy": summed(lambda view: entropy(view.probabilities)),
    "least_confidence": summed(lambda view: least_confidence(view.probabilities)),
}
"""By strategy: of a view and the picks, and whether less of it is better."""


def unsure(method: str) -> Choose:
    return by_activeml(lambda _, seed: activeml.UncertaintySampling(method, random_state=seed), "clf")


ACTIVEML, SMALL_TEXT = "scikit-activeml", "small-text"
PEERS: dict[str, dict[str, Choose]] = {
    "k_center": {
        ACTIVEML: by_activeml(lambda _, seed: activeml.CoreSet(random_state=seed)),
        SMALL_TEXT: by_small_text(small_text.GreedyCoreset),
    },
    "kmeans": {SMALL_TEXT: by_small_text(small_text.EmbeddingKMeans)},
    "typiclust": {ACTIVEML: by_activeml(lambda _, seed: activeml.TypiClust(random_state=seed, k=20))},
    "badge": {ACTIVEML: by_activeml(lambda _, seed: activeml.Badge(random_state=seed), "clf")},
    "prob_cover": {
        ACTIVEML: by_activeml(lambda view, seed: activeml.ProbCover(deltas=[radius(view)], random_state=seed))
    },
    "cal": {
        ACTIVEML: by_activeml(
            lambda _, seed: activeml.ContrastiveAL(
                nearest_neighbors_dict={"n_neighbors": 10}, random_state=seed
            ),
            "clf",
        ),
        SMALL_TEXT: by_small_text(small_text.ContrastiveActiveLearning),
    },
    "bald": {
        ACTIVEML: by_activeml(
            lambda _, seed: activeml.GreedyBALD(
                sample_predictions_method_name="sample_proba", random_state=seed
            ),
            "ensemble",
        ),
        SMALL_TEXT: by_small_text(small_text.BALD),
    },
    "cvirs": {
        SMALL_TEXT: by_small_text(
            partial(small_text.CategoryVectorInconsistencyAndRanking, pbar=None), several=True
        )
    },
    "margin": {ACTIVEML: unsure("margin_sampling"), SMALL_TEXT: by_small_text(small_text.BreakingTies)},
    "entropy": {ACTIVEML: unsure("entropy"), SMALL_TEXT: by_small_text(small_text.PredictionEntropy)},
    "least_confidence": {
        ACTIVEML: unsure("least_confident"),
        SMALL_TEXT: by_small_text(small_text.LeastConfidence),
    },
}
