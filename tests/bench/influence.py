"""Influence beside true leave-some-out retraining: are they in the same order?

    make bench-influence DATA=folder [ARGS='--labels 300 --seeds 3 --lora 12']
    python -m tests.bench.influence folder

`folder` has train.jsonl and test.jsonl with `text` and `label` (banking77, say). So many labels drawn at random train,
some of them wrong; 400 other examples are the hold-out, 2,000 more the pool without labels. Random tenths of the labels
are left out, one at a time: the change of the hold-out's log loss after training anew, with the parts of names and
pseudo-labels that cross-validation chose for the whole and at its temperature, beside the summed influence of what was
left out. Spearman's rank correlation of these, by seed, with a bootstrap interval over the groups.

`--lora` groups are retrained with LoRA as well, at the share the whole chose (or .5 where it chose none), seeds as they
were. Then: how many of the most harmful twentieth of the labels are wrong; and what putting these right does to the
accuracy on the hold-out, which chose them, and on the test set, which did not (linear heads).
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from service.demo import encoder
from tests.bench import texts
from workers import learner, linear, lora
from workers.corpus import Corpus
from workers.device import best
from workers.encoder import Encoder
from workers.influence import of
from workers.learner import Fitted
from workers.linear import Head, Lesson
from workers.objective import OBJECTIVES
from workers.recipe import Recipe
from workers.turn import Labels

POOL, HOLDOUT = 2_000, 400
AIM = OBJECTIVES["single_label"]


@dataclass(frozen=True, eq=False)
class Case:
    base: Encoder
    corpus: Corpus
    """The labeled texts first, then the pool's."""
    given: NDArray[np.int64]
    true: NDArray[np.int64]
    measured: Corpus
    truth: NDArray[np.int64]
    classes: int
    seed: int

    def lesson(self, given: NDArray[np.int64]) -> Lesson:
        n = len(given)
        weights = np.ones(n, np.float32)
        return Lesson(AIM, self.corpus, np.arange(n), given, weights, self.classes, Recipe())

    def fitted(self, recipe: Recipe) -> Fitted:
        n = len(self.given)
        weights = np.ones(n, np.float32)
        return learner.fit(
            self.base, self.corpus, np.arange(n), self.given, weights, self.classes, self.seed, recipe
        )

    def influence(self, fitted: Fitted) -> NDArray[np.float64]:
        n = len(self.given)
        taught = Labels(np.arange(n), self.given, np.ones(n, np.float32), np.zeros(n, np.bool_))
        return of(self.base, fitted, self.corpus, taught, self.measured, self.truth)[0]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--labels", type=int, default=300)
    parser.add_argument("--wrong", type=float, default=0.15)
    parser.add_argument("--groups", type=int, default=60)
    parser.add_argument(
        "--lora", type=int, default=0, help="so many of the groups are retrained with LoRA, too"
    )
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    read, base = texts.read(arguments.folder), Encoder.load(encoder.path(), *best())
    test = texts.corpus(base, read.test_texts, read.names)
    for seed in range(arguments.seeds):
        rng = np.random.default_rng(seed)
        n, order = arguments.labels, rng.permutation(len(read.texts))[: arguments.labels + HOLDOUT + POOL]
        own, held, free = np.split(order, [n, n + HOLDOUT])
        true = read.classes[own]
        given = np.where(rng.random(n) < arguments.wrong, rng.integers(len(read.names), size=n), true)
        corpus = texts.corpus(base, [read.texts[at] for at in [*own, *free]], read.names)
        measured = texts.corpus(base, [read.texts[at] for at in held], read.names)
        classes = len(read.names)
        case = Case(base, corpus, given, true, measured, read.classes[held], classes, seed)
        groups = [rng.choice(n, n // 10, replace=False) for _ in range(arguments.groups)]
        frozen = case.fitted(Recipe(contest=np.inf))
        found = case.influence(frozen)
        report("linear", seed, found, groups, heads(case, frozen, groups), rng)
        review(case, frozen, found, test, read.test_classes)
        if arguments.lora:
            adapted = case.fitted(Recipe())
            few = groups[: arguments.lora]
            share = adapted.metrics["lora"]["share"]
            words = f"LoRA (share {share})"
            report(words, seed, case.influence(adapted), few, adapters(case, adapted, few), rng)


def report(
    words: str,
    seed: int,
    found: NDArray[np.float64],
    groups: list[NDArray[np.int64]],
    changes: NDArray[np.float64],
    rng: np.random.Generator,
) -> None:
    sums = np.array([found[group].sum() for group in groups])
    draws = rng.integers(len(groups), size=(1000, len(groups)))
    low, high = np.quantile([spearmanr(sums[at], changes[at])[0] for at in draws], [0.025, 0.975])
    print(
        f"{words}, seed {seed}: rank correlation {spearmanr(sums, changes)[0]:.2f} [{low:.2f}, {high:.2f}] over "
        f"{len(groups)} groups; deviation {sums.std():.4f}, truly {changes.std():.4f}",
        flush=True,
    )


def like(fitted: Fitted) -> Any:
    """What cross-validation chose for the whole."""
    facts = fitted.metrics["linear"]
    nothing = Head(np.empty((0, 0), np.float32), np.empty(0, np.float32))
    return linear.Linear(nothing, facts["names"], facts["pseudo_labels"], None)


def heads(case: Case, fitted: Fitted, groups: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    """The changes of the hold-out's log loss by leaving each group out."""
    whole, points = case.lesson(case.given), case.measured.base.astype(np.float32)

    def loss(lesson: Lesson) -> float:
        head = linear.head(lesson, like(fitted), np.random.default_rng(case.seed), None)
        logits = head.logits(points) / np.float32(fitted.temperature)
        return float(AIM.losses(AIM.probabilities(logits), case.truth).mean())

    before = loss(whole)
    return np.array([loss(without(whole, group)) - before for group in groups])


def adapters(case: Case, fitted: Fitted, groups: list[NDArray[np.int64]]) -> NDArray[np.float64]:
    """The same with LoRA."""
    whole = replace(case.lesson(case.given), recipe=fitted.recipe)
    points = case.measured.base.astype(np.float32)
    share = np.float32(fitted.metrics["lora"]["share"] or 0.5)

    def loss(lesson: Lesson) -> float:
        rng, chosen = np.random.default_rng(case.seed), like(fitted)
        head = linear.head(lesson, chosen, rng, None)
        none = np.empty(0, np.int64)
        pseudo = linear.pseudo_labels(lesson, chosen.names, rng) if chosen.share else (none, none)
        made = lora.train(
            case.base, lesson, chosen.names, pseudo, chosen.share, np.random.default_rng(case.seed), step
        )
        merged = lora.merged(case.base, made.matrices, lesson.recipe)
        logits = share * made.head.logits(case.base.embed(case.measured.tokens, weights=merged))
        logits += (1 - share) * head.logits(points)
        return float(
            AIM.losses(AIM.probabilities(logits / np.float32(fitted.temperature)), case.truth).mean()
        )

    before = loss(whole)
    return np.array([loss(without(whole, group)) - before for group in groups])


def review(
    case: Case, fitted: Fitted, found: NDArray[np.float64], test: Corpus, truth: NDArray[np.int64]
) -> None:
    """Put the most harmful twentieth right, or as many drawn at random."""
    n = len(case.given)
    wrong = case.given != case.true
    worst = np.argsort(found, kind="stable")[: n // 20]
    by_chance = np.random.default_rng(case.seed).permutation(n)[: n // 20]

    def accuracy(repaired: NDArray[np.int64], corpus: Corpus, classes: NDArray[np.int64]) -> float:
        given = case.given.copy()
        given[repaired] = case.true[repaired]
        head = linear.head(case.lesson(given), like(fitted), np.random.default_rng(case.seed), None)
        return float((head.logits(corpus.base.astype(np.float32)).argmax(axis=1) == classes).mean())

    print(f"  of the {n // 20} most harmful {wrong[worst].mean():.0%} are wrong, of all {wrong.mean():.0%}")
    for words, corpus, classes in (("hold-out", case.measured, case.truth), ("test set", test, truth)):
        before, after, chance = (accuracy(some, corpus, classes) for some in (worst[:0], worst, by_chance))
        print(
            f"  accuracy on the {words}: {before:.3f}, put right {after:.3f}, others {chance:.3f}", flush=True
        )


def without(lesson: Lesson, group: NDArray[np.int64]) -> Lesson:
    return lesson.part(np.setdiff1d(np.arange(len(lesson.rows)), group))


def step() -> None:
    """Nobody wants to know how far it is."""


if __name__ == "__main__":
    main()
