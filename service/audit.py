"""Audits: what a campaign's pool and labels are like, and what that advises. Shapes, and the numbers that are in them.

effective_information = N × (1 − noise) × mean signal per example, of the N labels that train. Noise is how probable it
is that such a label is wrong; the signal of an example is the teacher's confidence × (1 − duplication score).
"""

from collections.abc import Mapping, Sequence
from math import log

import msgspec
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from service.measure import intervals
from service.measure.intervals import Interval

Floats = NDArray[np.float64]

FENCE = 3.0
"""Interquartile ranges beyond the quartiles of the logarithm, from which on a length is an outlier (Tukey, far out)."""
SHOWN = 20
TEXT_CHARS = 300
FEW = 3
"""With fewer labels a class is as good as unseen."""
MANY_REPEATS, MANY_STRANGERS, MANY_DOUBTS, APART = 0.1, 0.02, 0.05, 0.1
"""Shares from which on there is something to advise: of near-duplicates, of other languages, of labels that are more
probably wrong than right; and how far annotators' accuracies lie apart."""
WORTH = 0.005
"""Of the headline metric: 100 labels that bring less than that are for a larger model to beat."""


class Group(msgspec.Struct, frozen=True):
    name: str
    examples: int
    share: Interval


class Balance(msgspec.Struct, frozen=True):
    """Groups, the largest first. Evenness is the entropy of their shares over that of equal ones, 1 for equal ones."""

    groups: list[Group]
    evenness: float | None


class Text(msgspec.Struct, frozen=True):
    """An example that stands out, with what it stands out by."""

    id: str
    text: str
    value: float
    words: str


class Cluster(msgspec.Struct, frozen=True):
    """Near-duplicates of one example: how many there are with it, ids of some, and its text."""

    examples: int
    ids: list[str]
    text: str


class Duplicates(msgspec.Struct, frozen=True):
    exact: Interval | None
    """Of the texts that were sent with an id."""
    near: Interval | None
    """Of the different texts; null where no shard was compared."""
    clusters: list[Cluster]
    """The largest ones."""


class Lengths(msgspec.Struct, frozen=True):
    """In characters: the 5, 25, 50, 75 and 95 % points."""

    quantiles: list[float]
    outliers: int
    examples: list[Text]


class Languages(msgspec.Struct, frozen=True):
    """Of `sample` texts drawn at random, without those of fewer than 20 characters. What is not clearly in another
    language counts as in the commonest one."""

    sample: int
    balance: Balance
    examples: list[Text]
    """Those in other languages than the commonest, the surest first."""


class Likelihood(msgspec.Struct, frozen=True):
    """How unlikely the base model finds texts: pseudo-perplexity (Salazar et al., ACL 2020), of `sample` at random."""

    sample: int
    median: Interval | None
    examples: list[Text]
    """The most unlikely ones."""
    reason: str | None
    """Why there is none."""


class Labels(msgspec.Struct, frozen=True):
    classes: Balance
    unseen: list[str]
    """Labels with fewer than three examples."""
    alpha: Interval | None
    per_class: dict[str, Interval]
    """Krippendorff's alpha of each label against all others; those without one are left out."""
    noise: Interval | None
    """Of the labels that train; null where nothing says it."""
    suspects: int
    """Labels that are more probably wrong than right."""
    examples: list[Text]
    """The least probable ones, with their probability."""


class Information(msgspec.Struct, frozen=True):
    labels: int
    noise: Interval | None
    """Null counts as none."""
    signal: Interval
    teacher: str
    """Whose confidence it is."""
    value: Interval


class Advice(msgspec.Struct, frozen=True):
    what: str
    why: str


class Audit(msgspec.Struct, frozen=True):
    at: float
    examples: int
    round: int | None
    """The newest one that was trained."""
    duplicates: Duplicates
    lengths: Lengths
    languages: Languages
    domains: Balance
    likelihood: Likelihood
    labels: Labels
    information: Information | None
    """Null without a label that trains."""
    advice: list[Advice]


def balance(counts: Mapping[str, int], all_of: Sequence[str] = ()) -> Balance:
    """Of how often each group occurs; `all_of` may name some that do not."""
    whole = dict.fromkeys(all_of, 0) | dict(counts)
    total = sum(whole.values())
    if not total:
        return Balance([], None)
    ordered = sorted(whole.items(), key=lambda one: (-one[1], one[0]))
    shares = [number / total for _, number in ordered if number]
    even = None
    if len(ordered) > 1:
        even = -sum(share * log(share) for share in shares) / log(len(ordered))
    return Balance([Group(name, number, intervals.wilson(number, total)) for name, number in ordered], even)


def far_out(lengths: NDArray[np.integer]) -> tuple[list[float], NDArray[np.int64]]:
    """(quantiles as in `Lengths`, positions of outliers, the farthest first) of lengths (n,), n >= 1."""
    logs = np.log(np.maximum(lengths, 1).astype(np.float64))
    low, high = np.quantile(logs, [0.25, 0.75])
    # Where most texts are as long as each other, half of the length more is no outlier yet.
    width = max(high - low, 0.1)
    beyond = np.maximum(low - FENCE * width - logs, logs - high - FENCE * width)
    at = np.flatnonzero(beyond > 0)
    return np.quantile(lengths, [0.05, 0.25, 0.5, 0.75, 0.95]).tolist(), at[
        np.argsort(-beyond[at], kind="stable")
    ]


def mean(values: Floats, rng: Generator) -> Interval | None:
    """With its bootstrap interval; None of no values."""
    if not len(values):
        return None
    parts = np.stack([values, np.ones(len(values))], axis=1)
    return intervals.of_sums(parts, lambda sums: (sums[:, 0] / sums[:, 1])[:, None], rng)[0]


def information(
    noise: Floats, signal: Floats, labels: int, teacher: str, rng: Generator
) -> Information | None:
    """`noise` (m,) of the labels it is known of, `signal` (n,) of examples; both are drawn anew for the interval."""
    if not labels or not len(signal):
        return None
    known, its = mean(noise, rng), mean(signal, rng)
    assert its is not None  # there is some
    draws: Floats = np.full(intervals.RESAMPLES, float(labels))
    for values, flip in ((noise, True), (signal, False)):
        if len(values):
            drawn = _means(values, rng)
            draws = draws * (1 - drawn if flip else drawn)
    value = labels * (1 - (known.value if known else 0.0)) * its.value
    low, high = np.quantile(draws, [0.025, 0.975]).tolist()
    return Information(labels, known, its, teacher, Interval(value, min(low, value), max(high, value)))


def _means(values: Floats, rng: Generator) -> Floats:
    """(RESAMPLES,) means of resamples."""
    return np.array(
        [values[rng.integers(len(values), size=len(values))].mean() for _ in range(intervals.RESAMPLES)]
    )


def advise(
    duplicates: Duplicates,
    languages: Languages,
    labels: Labels,
    information: Information | None,
    accuracies: Sequence[float],
    weighed: bool,
    outlook: tuple[float, float] | None,
) -> list[Advice]:
    """What to do, the most urgent first.

    `accuracies` of the annotators, `weighed`: whether the campaign weighs their answers; `outlook`: (what 100 labels
    more are expected to bring, and what logistic regression on the base embeddings lacks of the adapter).
    """
    found = []
    if information is None:
        found.append(Advice("label", "there is no label that trains yet: begin with what the queue offers"))
    if labels.unseen and information is not None:
        names = ", ".join(labels.unseen[:5])
        found.append(
            Advice(
                "more labels of rare classes",
                f"{len(labels.unseen)} labels have fewer than {FEW} examples ({names}): post texts of them, or "
                "known labels",
            )
        )
    if labels.noise is not None and information is not None:
        repaired = float(np.mean([1 - one.value for one in labels.examples])) if labels.examples else 0.0
        brought = 1 - labels.noise.value
        if labels.suspects >= MANY_DOUBTS * information.labels and repaired > brought:
            found.append(
                Advice(
                    "cleaner labels",
                    f"{labels.suspects} labels are more probably wrong than right: a second opinion on one of the "
                    f"least probable repairs {repaired:.2f} of a label, a new answer brings {brought:.2f}",
                )
            )
        if accuracies and max(accuracies) - min(accuracies) >= APART and not weighed:
            found.append(
                Advice(
                    "weights",
                    f"annotators are right {min(accuracies):.0%} to {max(accuracies):.0%} of the time, and all count "
                    "alike: set consensus to model",
                )
            )
    if outlook is not None:
        gain, above = outlook
        if gain >= WORTH:
            found.append(Advice("more labels", f"100 more are expected to bring {100 * gain:.1f} points"))
        else:
            found.append(
                Advice(
                    "more compute",
                    f"100 labels more are expected to bring {100 * gain:.1f} points, and training is worth "
                    f"{100 * above:.1f} points above logistic regression: a larger base model may bring more",
                )
            )
    if duplicates.near is not None and duplicates.near.value >= MANY_REPEATS:
        found.append(
            Advice(
                "other texts",
                f"{duplicates.near.value:.0%} of the texts repeat another, and teach little more than that does",
            )
        )
    groups = languages.balance.groups
    if groups and 1 - groups[0].share.value >= MANY_STRANGERS:
        found.append(
            Advice(
                "sort by language",
                f"{1 - groups[0].share.value:.0%} of the texts are in other languages than {groups[0].name}: see "
                "whether the base model knows them",
            )
        )
    return found
