"""Training and asking: LoRA and a linear head on a resident encoder, for one label per text.

A text's embedding is the encoder's mean-pooled output of length 1. The head reads two of them, e (d,) of the encoder
with LoRA and f (d,) of the encoder as it is: logits are scale · (W·[e, f] + b), and probabilities
softmax(logits / temperature). Its half for e is trained together with LoRA, its half for f is logistic regression on
the same labels, and together they are the mean of both models' logits, which is better than the worse of the two
nearly always and often better than either (tests/bench/LOG.md). f is computed once for the whole pool.

LoRA (arXiv:2106.09685) replaces a linear layer's weight by weight + alpha / rank · B·A. Both training and scoring put
that sum, computed in float32, in the weight's place for the length of one call, so the encoder itself stays as it was
loaded.

No SQL, no files: arrays in and out (`workers.adapter` reads and writes what is fitted here).
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy, normalize

from service.errors import Invalid
from workers import baseline
from workers.batches import shuffled
from workers.encoder import Encoder, Progress
from workers.recipe import Recipe
from workers.tokens import Tokens

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]

TEMPERATURES = (0.2, 5.0)
TEMPERATURE_ROWS = 50
"""With fewer cross-fitted rows a temperature does more harm than good, and stays 1."""
FROZEN_ROWS = 8_192
"""Rows asked at a time where no pass is needed: what is held in memory."""
CONTEST_ROWS = 20
"""With fewer held-out rows a comparison is a lottery, and LoRA is not tried."""


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
    recipe: Recipe
    seed: int
    metrics: Mapping[str, Any]
    """`fit`'s cross-validation: `chosen` ("linear", or "both" with LoRA), the held-out `rows` it was measured on, and
    of each that was tried `accuracy` and `log_loss`."""

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

    @property
    def rate(self) -> float:
        """Texts per second."""
        return len(self.probabilities) / max(self.seconds, 1e-9)


def fit(
    encoder: Encoder,
    tokens: Tokens,
    labels: Labels,
    weights: Floats,
    classes: int,
    seed: int,
    recipe: Recipe | None = None,
    base: NDArray[np.floating] | None = None,
    progress: Progress | None = None,
) -> Fitted:
    """Train on `tokens` (n rows) with `labels` (n,) in 0..classes - 1 and `weights` (n,).

    Logistic regression on the encoder's own embeddings (`base` (n, d), computed where they are not given) is joined
    by LoRA where there are labels enough for it, unless that is clearly worse in a cross-validation on the labels
    given here. The temperature comes from the same held-out predictions. Same seed, machine and thread count: same
    result.

    Raises Invalid where the arrays do not fit together or no row has a weight above zero.
    """
    recipe = recipe or Recipe()
    base = encoder.embed(tokens) if base is None else base
    if not len(tokens) == len(base) == len(labels) == len(weights):
        raise Invalid(
            f"{len(tokens)} texts, {len(base)} embeddings, {len(labels)} labels and {len(weights)} weights: "
            "one of each is needed"
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise Invalid(
            f"labels run from {labels.min()} to {labels.max()}, not within 0..{classes - 1}", "labels"
        )
    rows = np.flatnonzero(weights > 0)
    if not len(rows):
        raise Invalid("there is no label with a weight above zero to learn from", "labels")
    tokens, labels = tokens.take(rows), labels[rows]
    weights = (weights[rows] / weights[rows].mean()).astype(np.float32)
    task = _Task(encoder, tokens, base[rows].astype(np.float32), labels, weights, classes, recipe)
    rng = np.random.default_rng(seed)

    folds, every = _folds(labels, recipe.folds(len(labels)), rng), np.arange(len(labels))
    total = sum(recipe.steps(int((folds != k).sum())) for k in np.unique(folds)) + recipe.steps(len(labels))
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, total)

    metrics, temperatures = _contest(task, folds, rng, step)
    model = _linear(task, every)
    if metrics["chosen"] == "both":
        model = _mean(_train(task, every, rng, step), model)
    if progress and done < total:
        progress(total, total)
    return Fitted(
        base=encoder.name,
        key=encoder.key,
        max_length=encoder.max_length,
        lora={
            name: (a.cpu(), b.cpu())
            for name, (a, b) in (model.lora or _lora(task, torch.Generator())).items()
        },
        weight=model.weight,
        bias=model.bias,
        temperature=temperatures[metrics["chosen"]],
        recipe=recipe,
        seed=seed,
        metrics=metrics,
    )


def predict(
    encoder: Encoder,
    fitted: Fitted,
    tokens: Tokens,
    base: NDArray[np.floating] | None = None,
    rows: NDArray[np.integer] | None = None,
    embeddings: bool = False,
    progress: Progress | None = None,
) -> Predictions:
    """Probabilities of `rows` of `tokens` (None: all) and, where asked for, their embeddings by the same pass.

    `base` (len(tokens), d) are the encoder's own embeddings; without them they take a pass more. Where LoRA has no
    part, they are all that is needed, and the embeddings are these.
    """
    if fitted.key != encoder.key:
        raise Invalid(
            f"the adapter was trained on {fitted.base} ({fitted.key}), not on {encoder.name} ({encoder.key})"
        )
    started = time.perf_counter()
    n = len(tokens) if rows is None else len(rows)
    own = np.arange(n) if rows is None or base is None else rows
    base = encoder.embed(tokens, rows) if base is None else base
    probabilities = np.empty((n, len(fitted.bias)), np.float32)
    vectors = np.empty((n, encoder.dimension), np.float32) if embeddings else None
    done = 0
    for batch, adapted in _passes(encoder, fitted, tokens, rows, n):
        known = base[own[batch]].astype(np.float32)
        z = _logits(fitted.recipe, fitted.weight, fitted.bias, adapted, known)
        probabilities[batch] = baseline.softmax(z / fitted.temperature)
        if vectors is not None:
            vectors[batch] = known if adapted is None else adapted
        done += len(batch)
        if progress:
            progress(done, n)
    return Predictions(probabilities, vectors, time.perf_counter() - started)


def _passes(
    encoder: Encoder, fitted: Fitted, tokens: Tokens, rows: NDArray[np.integer] | None, n: int
) -> Iterator[tuple[Labels, Floats | None]]:
    """(positions, their embeddings with LoRA) batch by batch; None in place of embeddings where LoRA has no part."""
    if fitted.frozen:
        for start in range(0, n, FROZEN_ROWS):
            yield np.arange(start, min(start + FROZEN_ROWS, n)), None
        return
    device = encoder.device.name
    lora = {name: (a.to(device), b.to(device)) for name, (a, b) in fitted.lora.items()}
    for batch, e in encoder.embeddings(tokens, rows, merged(encoder, lora, fitted.recipe)):
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


def merged(encoder: Encoder, lora: Mapping[str, tuple[Tensor, Tensor]], recipe: Recipe) -> dict[str, Tensor]:
    """Parameter name -> weight + alpha / rank · B·A (out, in), in the type the encoder runs in."""
    factor = recipe.alpha / recipe.rank
    return {
        f"{name}.weight": torch.addmm(encoder.linears[name], b, a, alpha=factor).to(encoder.device.dtype)
        for name, (a, b) in lora.items()
    }


def loss(logits: Tensor, labels: Tensor, weights: Tensor, smoothing: float) -> Tensor:
    """Mean over the batch of weight times cross-entropy: weights average 1 over the set, not over each batch."""
    each = cross_entropy(logits, labels, reduction="none", label_smoothing=smoothing)
    return (weights * each).mean()


def temperature(logits: Floats, labels: Labels, weights: Floats) -> float:
    """The divisor of `logits` (n, C) with the least weighted log loss (Guo et al., arXiv:1706.04599)."""
    if len(labels) < TEMPERATURE_ROWS:
        return 1.0
    found = minimize_scalar(
        lambda log_t: log_loss(baseline.softmax(logits / np.exp(log_t)), labels, weights),
        bounds=tuple(np.log(TEMPERATURES)),
        method="bounded",
    )
    return float(np.exp(found.x))


def log_loss(probabilities: Floats, labels: Labels, weights: Floats) -> float:
    """Weighted mean of -log of the right class's probability, none counted as less than 1e-6."""
    right = probabilities[np.arange(len(labels)), labels]
    return float(np.average(-np.log(np.maximum(right, 1e-6)), weights=weights))


@dataclass(frozen=True, eq=False)
class _Task:
    """What is learned from."""

    encoder: Encoder
    tokens: Tokens
    base: Floats
    """(n, d) embeddings of the encoder as it is."""
    labels: Labels
    weights: Floats
    """(n,), 1 on average."""
    classes: int
    recipe: Recipe


@dataclass(frozen=True, eq=False)
class _Model:
    """LoRA on the encoder's device, and a head (C, 2d), (C,); without LoRA the head's first half is zeros."""

    lora: dict[str, tuple[Tensor, Tensor]]
    weight: Floats
    bias: Floats


def _contest(
    task: _Task, folds: NDArray[np.int64], rng: np.random.Generator, step: Callable[[], None]
) -> tuple[dict[str, Any], dict[str, float]]:
    """(cross-validated metrics and which model is `chosen`, each model's temperature).

    Fold models have but a part of the labels, which costs LoRA more than logistic regression: so LoRA has its part
    unless that does clearly worse, by more than two standard errors of the paired difference in accuracy.
    """
    seen = np.unique(task.labels)
    # Rows of a class that the other folds lack say nothing about either model.
    parts = [(np.flatnonzero(folds != k), np.flatnonzero(folds == k)) for k in np.unique(folds)]
    parts = [(train, test[np.isin(task.labels[test], task.labels[train])]) for train, test in parts]
    rows = np.concatenate([test for _, test in parts])
    if len(seen) == 1 or not len(rows):
        return {"chosen": "linear", "rows": 0}, {"linear": 1.0}
    linear = [_linear(task, train) for train, _ in parts]
    held = {"linear": [_ask(task, model, test) for model, (_, test) in zip(linear, parts, strict=True)]}
    if len(rows) >= CONTEST_ROWS and len(task.labels) >= task.recipe.contest * len(seen):
        held["both"] = [
            _ask(task, _mean(_train(task, train, rng, step), model), test)
            for model, (train, test) in zip(linear, parts, strict=True)
        ]
    labels, weights = task.labels[rows], task.weights[rows]
    temperatures: dict[str, float] = {}
    metrics: dict[str, Any] = {"chosen": "linear", "rows": len(rows)}
    right: dict[str, Floats] = {}
    for name, each in held.items():
        z = np.concatenate(each)
        temperatures[name] = temperature(z, labels, weights)
        right[name] = (z.argmax(1) == labels).astype(np.float32)
        metrics[name] = {
            "accuracy": float(np.average(right[name], weights=weights)),
            "log_loss": log_loss(baseline.softmax(z / temperatures[name]), labels, weights),
        }
    if "both" in held:
        lost = right["linear"] - right["both"]
        mean = np.average(lost, weights=weights)
        error = np.sqrt((weights**2 * (lost - mean) ** 2).sum()) / weights.sum()
        metrics["chosen"] = "both" if mean <= 2 * error else "linear"
    return metrics, temperatures


def _ask(task: _Task, model: _Model, rows: Labels) -> Floats:
    """(len(rows), C) logits."""
    adapted = None
    if model.lora:
        weights = merged(task.encoder, model.lora, task.recipe)
        adapted = task.encoder.embed(task.tokens, rows, weights=weights)
    return _logits(task.recipe, model.weight, model.bias, adapted, task.base[rows])


def _logits(recipe: Recipe, weight: Floats, bias: Floats, adapted: Floats | None, base: Floats) -> Floats:
    """scale · (W·[e, f] + b); `adapted` None: e has no part."""
    half = weight.shape[1] // 2
    z = base @ weight[:, half:].T + bias
    if adapted is not None:
        z += adapted @ weight[:, :half].T
    scaled: Floats = recipe.scale * z
    return scaled


def _linear(task: _Task, rows: Labels) -> _Model:
    """Logistic regression on the encoder's own embeddings of `rows`."""
    weight, bias = baseline.fit(
        task.base[rows], task.labels[rows], task.weights[rows], task.classes, task.recipe.inverse_penalty
    )
    return _Model(
        {}, np.hstack([np.zeros_like(weight), weight]) / task.recipe.scale, bias / task.recipe.scale
    )


def _mean(lora: _Model, linear: _Model) -> _Model:
    """The model whose logits are the mean of both models' logits."""
    half = np.float32(0.5)
    return _Model(lora.lora, half * (lora.weight + linear.weight), half * (lora.bias + linear.bias))


def _train(task: _Task, rows: Labels, rng: np.random.Generator, step: Callable[[], None]) -> _Model:
    """LoRA and head trained on `rows`; `step` is called after each optimizer step."""
    encoder, recipe, device = task.encoder, task.recipe, task.encoder.device.name
    tokens = task.tokens.take(rows)
    seen, compact = np.unique(task.labels[rows], return_inverse=True)
    labels, weights = torch.from_numpy(compact).to(device), torch.from_numpy(task.weights[rows]).to(device)
    noise = torch.Generator().manual_seed(int(rng.integers(2**63)))

    lora = _lora(task, noise)
    weight = torch.randn(len(seen), encoder.dimension, generator=noise) * 0.02
    if len(rows) < recipe.prototypes * len(seen):
        means = [task.base[rows[compact == c]].mean(0) for c in range(len(seen))]
        weight = normalize(torch.from_numpy(np.stack(means)), dim=1)
    weight, bias = weight.to(device), torch.zeros(len(seen), device=device)
    parameters = [p.requires_grad_() for p in (*(p for pair in lora.values() for p in pair), weight, bias)]

    steps = recipe.steps(len(rows))
    optimizer = torch.optim.AdamW(parameters, lr=recipe.rate, weight_decay=recipe.decay)
    warm = max(1, round(recipe.warmup * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda k: min((k + 1) / warm, (steps - k) / max(1, steps - warm))
    )
    batches = shuffled(tokens.lengths, recipe.batch, rng)
    # Plain products instead of fused attention: faster backward on a CPU, and the same result every time on CUDA.
    with sdpa_kernel(SDPBackend.MATH):
        for _ in range(steps):
            batch = next(batches)
            e = encoder.forward(tokens, batch, merged(encoder, lora, recipe))
            at = torch.from_numpy(batch).to(device)
            optimizer.zero_grad()
            z = recipe.scale * (e @ weight.T + bias)
            torch.autograd.backward(loss(z, labels[at], weights[at], recipe.smoothing))
            torch.nn.utils.clip_grad_norm_(parameters, recipe.clip)
            optimizer.step()
            schedule.step()
            step()
    for parameter in parameters:
        parameter.requires_grad_(False)
    whole_weight = np.zeros((task.classes, 2 * encoder.dimension), np.float32)
    whole_bias = np.full(task.classes, baseline.ABSENT / recipe.scale, np.float32)
    whole_weight[seen, : encoder.dimension], whole_bias[seen] = weight.cpu().numpy(), bias.cpu().numpy()
    return _Model(lora, whole_weight, whole_bias)


def _lora(task: _Task, noise: torch.Generator) -> dict[str, tuple[Tensor, Tensor]]:
    """A of noise and B of zeros for each target, as PEFT begins."""
    lora, rank, device = {}, task.recipe.rank, task.encoder.device.name
    for name in targets(task.encoder, task.recipe.upper):
        out, wide = task.encoder.linears[name].shape
        a = (torch.rand(rank, wide, generator=noise) * 2 - 1) / wide**0.5
        lora[name] = (a.to(device), torch.zeros(out, rank, device=device))
    return lora


def _folds(labels: Labels, folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(n,) fold of each row: rows of one class are dealt out in turn, so every fold has its share of each."""
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(len(labels), np.int64)
    fold[order] = np.arange(len(labels)) % folds
    return fold


def targets(encoder: Encoder, upper: bool) -> list[str]:
    """Names of the layers LoRA adapts: all linear ones, or those of the upper half of the numbered blocks."""
    names = list(encoder.linears)
    numbers = {name: int(found[1]) for name in names if (found := re.search(r"\.(\d+)\.", name))}
    half = (max(numbers.values(), default=0) + 1) / 2
    return [name for name in names if not upper or numbers.get(name, -1) >= half] or names
