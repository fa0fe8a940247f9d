"""Training and asking: a linear head on a resident encoder, joined by LoRA, for labels of whole texts.

A text's embedding is the encoder's mean-pooled output of length 1. The head reads two of them, e (d,) of the encoder
with LoRA and f (d,) of the encoder as it is: logits are scale · (W·[e, f] + b), and probabilities the softmax of
logits / temperature, or where labels do not exclude each other the sigmoid. The half for f comes from `workers.linear`
(labels, their names, pseudo-labels), the half for e is trained together with LoRA, and cross-validation decides how
much of each there is. f is computed once for the whole pool.

No SQL, no files: arrays in and out (`workers.adapter` reads and writes what is fitted here).
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor

from service.errors import Invalid
from workers import linear, lora
from workers.corpus import Corpus
from workers.encoder import Encoder, Network, Progress
from workers.linear import CONTEST_ROWS, Head, Held, Lesson, Linear
from workers.objective import OBJECTIVES, Floats, Labels, Rows, thresholds
from workers.recipe import Recipe
from workers.tokens import Tokens

FROZEN_ROWS = 8_192
"""Rows asked at a time where no pass is needed: what is held in memory."""
COMMITTEE, DROPOUT = 10, 0.2
LORA_FOLDS = 3
"""LoRA is tried on one of so many parts of the labels, having learned from the others."""
LORA_SHARES = (0.25, 0.5, 0.75, 1.0)
"""Of LoRA's head in the final one, where it has a part."""
RENEWED = 1.5
"""What was found of LoRA holds until there are so many times the labels, classes more or fewer, or other layers."""
THRESHOLD_ROWS = 2_000
"""Texts that thresholds are fitted on."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained adapter with its head, for the encoder with that `key`."""

    base: str
    key: str
    max_length: int
    lora: Mapping[str, tuple[Tensor, Tensor]]
    """Layer name -> (A (rank, in), B (out, rank)), float32 on the CPU; zeros where a linear head did better."""
    weight: Floats
    """(C, 2d): for the embedding with LoRA, then for the encoder's own; the former zeros where LoRA had no part."""
    bias: Floats
    """(C,); far below zero for classes without a label."""
    temperature: float
    thresholds: tuple[float, ...] | None
    """(C,) from which probability on a label is decided, in multi_label."""
    problem: str
    recipe: Recipe
    seed: int
    metrics: Mapping[str, Any]
    """`fit`'s cross-validation. `linear`: what `workers.linear` found; `lora`: its `share` of the head (0: none), and
    where it was tried the `factor` it makes of the temperature, how many `labels` and `classes` there were, whether it
    was on the `upper` layers alone, the held-out `rows`, and the `log_loss` of them with it and without."""

    @property
    def frozen(self) -> bool:
        """Whether LoRA has no part: a linear head on the encoder as it is."""
        return not self.weight[:, : self.weight.shape[1] // 2].any()


@dataclass(frozen=True, eq=False)
class Predictions:
    probabilities: Floats
    """(n, C), in the order of the rows asked for."""
    embeddings: Floats | None
    """(n, d) of the encoder with LoRA, or of the encoder as it is where LoRA has no part; of length 1."""
    seconds: float
    committee: NDArray[np.float16] | None = None
    """(k, n, C), where asked for: the same by k heads with dropout."""

    @property
    def rate(self) -> float:
        """Texts per second."""
        return len(self.probabilities) / max(self.seconds, 1e-9)


def fit(
    encoder: Encoder,
    corpus: Corpus,
    rows: NDArray[np.integer],
    labels: Labels,
    weights: Floats,
    classes: int,
    seed: int,
    recipe: Recipe | None = None,
    problem: str = "single_label",
    progress: Progress | None = None,
    groups: Rows | None = None,
    earlier: Mapping[str, Any] | None = None,
) -> Fitted:
    """Train on `rows` (n,) of the corpus with `labels` and `weights` (n,).

    `groups` (n,) are equal for texts that were made of one, which are held out together.

    `labels`: (n,) in 0..classes - 1, or in multi_label (n, classes) booleans.

    The corpus's other texts are looked at without a label, for pseudo-labels; its `names`, where it has some, are
    `classes` many. LoRA joins where there are labels enough for it, unless that is clearly worse on held-out labels.
    The temperature comes from held-out predictions too. Same seed, machine and thread count: same result.

    `earlier`: the `metrics` of a fit on fewer of these labels. What it found of LoRA holds for a while, and two fifths
    of the time are spared.

    Raises Invalid where the arrays do not fit together or no row has a weight above zero.
    """
    recipe = recipe or Recipe()
    if not len(rows) == len(labels) == len(weights):
        raise Invalid(
            f"{len(rows)} texts, {len(labels)} labels and {len(weights)} weights: one of each is needed"
        )
    if labels.ndim == 1 and len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise Invalid(
            f"labels run from {labels.min()} to {labels.max()}, not within 0..{classes - 1}", "labels"
        )
    if corpus.names is not None and len(corpus.names) != classes:
        raise Invalid(f"{len(corpus.names)} names for {classes} labels: one of each is needed", "labels")
    kept = np.flatnonzero(weights > 0)
    if not len(kept):
        raise Invalid("there is no label with a weight above zero to learn from", "labels")
    aim = OBJECTIVES[problem]
    # Texts that were made of one count as one, or labels' names would be drowned by many of little weight.
    count = len(kept) if groups is None else len(np.unique(groups[kept]))
    lesson = Lesson(
        aim,
        corpus,
        np.asarray(rows, np.int64)[kept],
        labels[kept],
        (weights[kept] / (weights[kept].sum() / count)).astype(np.float32),
        classes,
        recipe,
        None if groups is None else groups[kept],
    )
    if recipe.balance:
        lesson = replace(lesson, weights=_balanced(lesson))
    if len(kept) >= recipe.everywhere * _classes(lesson):
        recipe = replace(recipe, upper=False)
        lesson = replace(lesson, recipe=recipe)
    rng = np.random.default_rng(seed)
    frozen = linear.fit(lesson, rng)
    temperature = 1.0 if frozen.held is None else frozen.held.temperature()
    head, matrices = frozen.head, lora.matrices(encoder, recipe, torch.Generator())
    facts: dict[str, Any] = {"share": 0.0}
    adapted_head = Head(np.zeros_like(head.weight), np.zeros_like(head.bias))
    if _worth_trying(lesson):
        known = _holding(lesson, earlier)
        train = _Trainer(encoder, lesson, frozen, rng, progress, contest=known is None)
        facts = _contest(train) if known is None else known
        temperature *= facts.get("factor", 1.0)
        share = facts["share"]
        if share:
            adapted = train(lesson)
            matrices, adapted_head = adapted.matrices, adapted.head
            head = Head((1 - share) * head.weight, (1 - share) * head.bias)
            adapted_head = Head(share * adapted_head.weight, share * adapted_head.bias)
        train.end()
    elif progress:
        progress(1, 1)
    scale = np.float32(recipe.scale)
    fitted = Fitted(
        base=encoder.name,
        key=encoder.key,
        max_length=encoder.max_length,
        lora={name: (a.cpu(), b.cpu()) for name, (a, b) in matrices.items()},
        weight=np.hstack([adapted_head.weight, head.weight]).astype(np.float32) / scale,
        bias=(adapted_head.bias + head.bias).astype(np.float32) / scale,
        temperature=temperature,
        thresholds=None,
        problem=problem,
        recipe=recipe,
        seed=seed,
        metrics={"linear": frozen.metrics, "lora": facts},
    )
    if problem != "multi_label":
        return fitted
    free = np.setdiff1d(np.arange(len(corpus)), lesson.rows)
    some = (
        np.sort(rng.choice(free, min(THRESHOLD_ROWS, len(free)), replace=False)) if len(free) else lesson.rows
    )
    found = predict(encoder, fitted, corpus.tokens, corpus.base, some).probabilities
    return replace(fitted, thresholds=tuple(thresholds(found).tolist()))


def opinions(
    corpus: Corpus,
    rows: NDArray[np.integer],
    labels: Labels,
    weights: Floats,
    classes: int,
    seed: int,
    problem: str = "single_label",
) -> Floats:
    """(n, classes) probabilities for each of the labeled rows, as `fit` takes them, by a model that did not learn from
    it; NaN where there is none. By linear heads: LoRA would have to be trained once for each fold."""
    relative = (weights / weights.mean()).astype(np.float32)
    lesson = Lesson(OBJECTIVES[problem], corpus, np.asarray(rows), labels, relative, classes, Recipe())
    return linear.opinions(lesson, np.random.default_rng(seed))


def predict(
    encoder: Encoder,
    fitted: Fitted,
    tokens: Tokens,
    base: NDArray[np.floating] | None = None,
    rows: NDArray[np.integer] | None = None,
    embeddings: bool = False,
    committee: bool = False,
    progress: Progress | None = None,
    network: Network | None = None,
) -> Predictions:
    """Probabilities of `rows` of `tokens` (None: all) and, where asked for, their embeddings by the same pass.

    `committee`: also those of COMMITTEE heads with dropout on what they read, each head's the same for all texts
    (Gal, Islam, Ghahramani, arXiv:1703.02910; on the head alone, so that it costs no further pass).

    `base` (len(tokens), d) are the encoder's own embeddings; without them they take a pass more. Where LoRA has no
    part, they are all that is needed, and the embeddings are these.

    `network`: the encoder with LoRA, as `lora.network` made it, where one is kept.
    """
    if fitted.key != encoder.key:
        raise Invalid(
            f"the adapter was trained on {fitted.base} ({fitted.key}), not on {encoder.name} ({encoder.key})"
        )
    started, aim = time.perf_counter(), OBJECTIVES[fitted.problem]
    n = len(tokens) if rows is None else len(rows)
    own = np.arange(n) if rows is None or base is None else rows
    base = encoder.embed(tokens, rows) if base is None else base
    probabilities = np.empty((n, len(fitted.bias)), np.float32)
    vectors = np.empty((n, encoder.dimension), np.float32) if embeddings else None
    masks = _dropout(fitted) if committee else None
    members = np.empty((COMMITTEE, n, len(fitted.bias)), np.float16) if committee else None
    done = 0
    for batch, adapted in _passes(encoder, fitted, tokens, rows, n, network):
        known = base[own[batch]].astype(np.float32)
        z = _logits(fitted.recipe, fitted.weight, fitted.bias, adapted, known)
        probabilities[batch] = aim.probabilities(z / np.float32(fitted.temperature))
        if masks is not None and members is not None:
            for member, mask in zip(members, masks, strict=True):
                z = _logits(fitted.recipe, fitted.weight * mask, fitted.bias, adapted, known)
                member[batch] = aim.probabilities(z / np.float32(fitted.temperature))
        if vectors is not None:
            vectors[batch] = known if adapted is None else adapted
        done += len(batch)
        if progress:
            progress(done, n)
    return Predictions(probabilities, vectors, time.perf_counter() - started, members)


def _passes(
    encoder: Encoder,
    fitted: Fitted,
    tokens: Tokens,
    rows: NDArray[np.integer] | None,
    n: int,
    network: Network | None,
) -> Iterator[tuple[Rows, Floats | None]]:
    """(positions, their embeddings with LoRA) batch by batch; None in place of embeddings where LoRA has no part."""
    if fitted.frozen:
        for start in range(0, n, FROZEN_ROWS):
            yield np.arange(start, min(start + FROZEN_ROWS, n)), None
        return
    weights = None if network is not None else lora.of(encoder, fitted.lora, fitted.recipe)
    for batch, e in encoder.embeddings(tokens, rows, weights, network):
        yield batch, e.cpu().numpy()


def measure_rate(
    encoder: Encoder,
    fitted: Fitted,
    tokens: Tokens,
    base: NDArray[np.floating],
    rng: np.random.Generator,
    sample: int = 256,
) -> float:
    """Texts per second that `predict` does now, from a random sample of `tokens` (at least one row)."""
    rows = rng.choice(len(tokens), min(sample, len(tokens)), replace=False)
    # The first call pays for memory and compiled kernels.
    predict(encoder, fitted, tokens, base, rows[:16])
    return predict(encoder, fitted, tokens, base, rows).rate


def _dropout(fitted: Fitted) -> NDArray[np.float32]:
    """(COMMITTEE, 2d): 0 for what a head does not read, 1 / (1 - DROPOUT) for what it does."""
    shape = COMMITTEE, fitted.weight.shape[1]
    kept = np.random.default_rng(fitted.seed).random(shape, np.float32) >= DROPOUT
    return kept.astype(np.float32) / np.float32(1 - DROPOUT)


def _balanced(lesson: Lesson) -> Floats:
    """(n,) weights, 1 on average, by which rare classes count more; of several labels the rarest counts, and none
    is a class of its own."""
    members = np.hstack([lesson.members, ~lesson.members.any(axis=1, keepdims=True)])
    number = members.sum(axis=0)
    rarest = np.where(members, number, len(members)).min(axis=1)
    weights = lesson.weights * (number[number > 0].mean() / rarest) ** lesson.recipe.balance
    made: Floats = (weights / weights.mean()).astype(np.float32)
    return made


def _worth_trying(lesson: Lesson) -> bool:
    """Whether there are labels enough for LoRA to learn from, and for a look at whether it did.

    Never where labels do not exclude each other: it improved log loss there and lost what rare labels have.
    """
    seen = _classes(lesson)
    return (
        lesson.labels.ndim == 1
        and seen > 1
        and len(lesson.rows) >= lesson.recipe.contest * seen
        and len(lesson.rows) >= LORA_FOLDS * CONTEST_ROWS
    )


class _Trainer:
    """Trains LoRA with the names and pseudo-labels that did well without it, and tells how far it is."""

    def __init__(
        self,
        encoder: Encoder,
        lesson: Lesson,
        frozen: Linear,
        rng: np.random.Generator,
        progress: Progress | None,
        contest: bool,
    ) -> None:
        self.encoder, self.lesson, self.frozen, self.rng, self.progress = (
            encoder,
            lesson,
            frozen,
            rng,
            progress,
        )
        n = len(lesson.rows)
        sizes = [n - -(-n // LORA_FOLDS), n] if contest else [n]
        self.done, self.total = 0, sum(lesson.recipe.steps(size, frozen.share > 0) for size in sizes)

    def __call__(self, lesson: Lesson) -> lora.Adapted:
        names, share = self.frozen.names, self.frozen.share
        pseudo: tuple[Rows, Rows] = (np.empty(0, np.int64), np.empty(0, np.int64))
        if share:
            pseudo = linear.pseudo_labels(lesson, names, self.rng, without=self.lesson.rows)
        order = self._order(lesson) if lesson.recipe.curriculum else None
        return lora.train(self.encoder, lesson, names, pseudo, share, self.rng, self._step, order)

    def _order(self, lesson: Lesson) -> Rows:
        """Positions in a part of the lesson: by trust and by the linear head's held-out loss, each by its rank."""
        held, losses = self.frozen.held, np.full(len(lesson.corpus), np.inf)
        if held is not None:
            losses[self.lesson.rows[held.at]] = held.losses()
        ranks = rankdata(losses[lesson.rows]) + rankdata(-lesson.weights)
        return np.argsort(ranks, kind="stable")

    def _step(self) -> None:
        self.done += 1
        if self.progress and self.done < self.total:
            self.progress(self.done, self.total)

    def end(self) -> None:
        if self.progress:
            self.progress(self.total, self.total)


def _holding(lesson: Lesson, earlier: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What an earlier fit found of LoRA, where that still holds."""
    found: dict[str, Any] = (earlier or {}).get("lora", {})
    holds = len(lesson.rows) < RENEWED * found.get("labels", 0) and (found["classes"], found["upper"]) == (
        _classes(lesson),
        lesson.recipe.upper,
    )
    return found if holds else None


def _classes(lesson: Lesson) -> int:
    return int(lesson.members.any(axis=0).sum())


def _contest(train: _Trainer) -> dict[str, Any]:
    """LoRA's `share` and more (`Fitted.metrics`), measured on one part of the labels, held out of both models.

    LoRA has the share of the least log loss, unless that does clearly worse than none, by more than two standard
    errors of the paired difference: a model on a part of the labels is poorer, and LoRA more so than logistic
    regression. So the temperature stays the linear head's, from all labels, times the factor LoRA makes of it here.
    """
    lesson, encoder = train.lesson, train.encoder
    at, test = lesson.splits(LORA_FOLDS, train.rng)[0]
    part = lesson.part(at)
    if not train.frozen.names:
        test = lesson.known(test, part)
    if len(test) < CONTEST_ROWS:
        return {"share": 0.0}
    head = linear.head(part, train.frozen, train.rng, without=lesson.rows)
    without = Held(
        lesson.objective, test, head.logits(lesson.points(test)), lesson.labels[test], lesson.weights[test]
    )
    adapted = train(part)
    merged = lora.merged(encoder, adapted.matrices, lesson.recipe)
    logits = adapted.head.logits(encoder.embed(lesson.corpus.tokens, lesson.rows[test], weights=merged))
    mixes = {share: without.mixed(logits, share) for share in LORA_SHARES}
    share = min(mixes, key=lambda one: mixes[one].best_log_loss())
    both = mixes[share]
    weights, lost = without.weights, both.losses() - without.losses()
    mean = np.average(lost, weights=weights)
    error = np.sqrt((weights**2 * (lost - mean) ** 2).sum()) / weights.sum()
    worse = bool(mean > 2 * error)
    return {
        "share": 0.0 if worse else share,
        # Of the same rows, so that their luck cancels: also where they are too few for a temperature of their own.
        "factor": 1.0 if worse else float(both.best_temperature() / without.best_temperature()),
        "labels": len(lesson.rows),
        "classes": _classes(lesson),
        "upper": lesson.recipe.upper,
        "rows": len(test),
        "log_loss": {"with": both.best_log_loss(), "without": without.best_log_loss()},
    }


def _logits(recipe: Recipe, weight: Floats, bias: Floats, adapted: Floats | None, base: Floats) -> Floats:
    """scale · (W·[e, f] + b); `adapted` None: e has no part."""
    half = weight.shape[1] // 2
    z = base @ weight[:, half:].T + bias
    if adapted is not None:
        z += adapted @ weight[:, :half].T
    scaled: Floats = recipe.scale * z
    return scaled
