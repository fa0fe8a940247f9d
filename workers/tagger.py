"""Training and asking: a linear head on a resident encoder's tokens, with LoRA, for spans of a text.

A token's state is the encoder's last output for it, of length 1. Logits of its tags (`workers.alignment`) are
scale · (W·state + b), probabilities softmax(logits / temperature), and the spans of a text are those of its likeliest
valid tags. Head and LoRA are trained together by token cross-entropy.

No SQL, no files: arrays in and out (`workers.adapter` reads and writes what is fitted here).
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy, log_softmax, normalize

from service.errors import Invalid
from service.measure import spans as measure
from service.predictions import Spans
from workers import alignment, baseline, lora, objective
from workers.alignment import UNKNOWN, Aligned, Span, align
from workers.batches import Rows, by_length, shuffled
from workers.encoder import Encoder, Network, Progress
from workers.objective import OBJECTIVES, Floats
from workers.recipe import Recipe

RECIPE = Recipe(upper=False, rate=2e-3, batch=8, smoothing=0.0)
"""From the measurements in tests/bench/LOG.md."""
STATES = "none, tokens normalized"
"""What the head reads, in the manifest's words for pooling."""
TAGS = OBJECTIVES["single_label"]
"""A token has one tag."""
HELD_OUT = 3
"""One of so many parts of the texts is held out for the temperature."""
HELD_OUT_TEXTS = 10
"""With fewer held-out texts there is no looking, and the temperature is 1."""


@dataclass(frozen=True, eq=False)
class Tagger:
    """A trained adapter with its head, for the encoder with that `key`."""

    base: str
    key: str
    max_length: int
    lora: Mapping[str, tuple[Tensor, Tensor]]
    """Layer name -> (A (rank, in), B (out, rank)), float32 on the CPU; zeros where there was no span to learn from."""
    weight: Floats
    """(1 + 2C, d)"""
    bias: Floats
    """(1 + 2C,); far below zero for classes without a span."""
    temperature: float
    words: bool
    """Whether spans begin and end with words, as far as these can be told; see `Aligned.joined`."""
    recipe: Recipe
    seed: int
    metrics: Mapping[str, Any]
    """What `fit` saw. `dropped`: spans that tags cannot say; `held`: texts held out of a first training, and the
    micro `f1` of their spans and the `log_loss` of their tokens."""

    @property
    def classes(self) -> int:
        return len(self.bias) // 2


@dataclass(frozen=True, eq=False)
class Tagged:
    spans: Spans
    """By text and start; a span's confidence is CONFIDENCE."""
    token_uncertainty: NDArray[np.float32]
    """(n, 2), means over a text's tokens, 0 without any: of -ln of the likeliest tag's probability (MNLP; Shen et al.,
    ICLR 2018), and of the entropy of the tags in nats."""
    seconds: float

    @property
    def rate(self) -> float:
        """Texts per second."""
        return len(self.token_uncertainty) / max(self.seconds, 1e-9)


def fit(
    encoder: Encoder,
    texts: Sequence[str],
    spans: Sequence[Sequence[Span]],
    weights: Floats,
    classes: int,
    seed: int,
    recipe: Recipe | None = None,
    progress: Progress | None = None,
) -> Tagger:
    """Train on `texts` (n) with their `spans`, (start, end, class in 0..classes - 1), and `weights` (n,).

    A text without spans teaches too. The temperature comes from texts that were held out of a first training. Same
    seed, machine and thread count: same result.

    Raises Invalid where the arguments do not fit together or no text has a weight above zero.
    """
    recipe = recipe or RECIPE
    if not len(texts) == len(spans) == len(weights):
        raise Invalid(
            f"{len(texts)} texts, {len(spans)} answers and {len(weights)} weights: one of each is needed"
        )
    for text, answer in zip(texts, spans, strict=True):
        for start, end, label in answer:
            if not (0 <= start < end <= len(text) and 0 <= label < classes):
                raise Invalid(
                    f"there is no span {(start, end, label)} in a text of {len(text)} characters and with "
                    f"{classes} labels",
                    "spans",
                )
    kept = np.flatnonzero(weights > 0)
    if not len(kept):
        raise Invalid("there is no label with a weight above zero to learn from", "labels")
    aligned = align(encoder, [texts[row] for row in kept])
    tags, dropped = alignment.tags(aligned, [spans[row] for row in kept])
    words = alignment.whole_words(aligned, tags)
    if not words:
        aligned = aligned.loose()
    lesson = _Lesson(aligned, tags, (weights[kept] / weights[kept].mean()).astype(np.float32), classes)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(kept))
    test, train = np.sort(order[: len(order) // HELD_OUT]), np.sort(order[len(order) // HELD_OUT :])
    look = len(test) >= HELD_OUT_TEXTS and bool((lesson.part(train).tags > 0).any())
    # Half of the steps are enough for a look: the temperature comes out lower, and spans as well calibrated.
    steps = _steps(len(kept)), _steps(len(train)) // 2 if look else 0
    total, done = sum(steps), 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress and done < total:
            progress(done, total)

    held, temperature = {"texts": 0}, 1.0
    if look:
        part = _train(encoder, lesson.part(train), recipe, steps[1], rng, step)
        held, temperature = _look(encoder, part, lesson.part(test), recipe)
    final = _train(encoder, lesson, recipe, steps[0], rng, step)
    if progress:
        progress(total, total)
    return Tagger(
        base=encoder.name,
        key=encoder.key,
        max_length=encoder.max_length,
        lora={name: (a.cpu(), b.cpu()) for name, (a, b) in final.matrices.items()},
        weight=final.weight.cpu().numpy(),
        bias=final.bias.cpu().numpy(),
        temperature=temperature,
        words=words,
        recipe=recipe,
        seed=seed,
        metrics={"dropped": vars(dropped), "held": held},
    )


def predict(
    encoder: Encoder,
    tagger: Tagger,
    texts: Sequence[str],
    progress: Progress | None = None,
    network: Network | None = None,
) -> Tagged:
    """The spans of `texts` (n), and how unsure the tagger is of each text. `network`: as in `learner.predict`."""
    if tagger.key != encoder.key:
        raise Invalid(
            f"the adapter was trained on {tagger.base} ({tagger.key}), not on {encoder.name} ({encoder.key})"
        )
    started = time.perf_counter()
    device = encoder.device.name
    aligned = align(encoder, texts) if tagger.words else align(encoder, texts).loose()
    model = _Model(
        {name: (a.to(device), b.to(device)) for name, (a, b) in tagger.lora.items()},
        torch.from_numpy(tagger.weight).to(device),
        torch.from_numpy(tagger.bias).to(device),
    )
    uncertainty = np.zeros((len(texts), 2), np.float32)
    rows: list[NDArray[np.int32]] = [np.empty((0, 4), np.int32)]
    confidence: list[Floats] = [np.empty(0, np.float32)]
    done = 0
    for batch, part, z in _passes(encoder, model, aligned, tagger.recipe, network):
        logp = log_softmax(z / tagger.temperature, dim=1).cpu().numpy()
        tags = alignment.decode(logp, part.offsets, part.joined)
        found, places = alignment.spans(tags, part.offsets, part.borders)
        found[:, 0] = batch[found[:, 0]]
        rows.append(found)
        confidence.append(_confidence(logp[np.arange(len(tags)), tags], places))
        unsure = np.stack([-logp.max(axis=1), -(np.exp(logp) * logp).sum(axis=1)], axis=1)
        uncertainty[batch] = _means(unsure, part.offsets)
        done += len(batch)
        if progress:
            progress(done, len(texts))
    table, sure = np.concatenate(rows), np.concatenate(confidence)
    order = np.lexsort((table[:, 1], table[:, 0]))
    return Tagged(Spans(table[order], sure[order]), uncertainty, time.perf_counter() - started)


@dataclass(frozen=True, eq=False)
class _Lesson:
    """Texts to learn from, `tags` (m,) of their tokens, and `weights` (n,), 1 on average."""

    aligned: Aligned
    tags: NDArray[np.int64]
    weights: Floats
    classes: int

    def part(self, rows: Rows) -> "_Lesson":
        return _Lesson(
            self.aligned.take(rows), self.tags[self.aligned.places(rows)], self.weights[rows], self.classes
        )


@dataclass(frozen=True, eq=False)
class _Model:
    """On the encoder's device: logits of tags (m, 1 + 2C) are scale · (states · weight.T + bias)."""

    matrices: lora.Matrices
    weight: Tensor
    bias: Tensor


def _steps(texts: int) -> int:
    """Optimizer steps for so many labeled texts."""
    return min(1_000, 150 + round(0.4 * texts))


def _train(
    encoder: Encoder,
    lesson: _Lesson,
    recipe: Recipe,
    steps: int,
    rng: np.random.Generator,
    step: Callable[[], None],
) -> _Model:
    """`step` is called after each of `steps`."""
    aligned, device = lesson.aligned, encoder.device.name
    noise = torch.Generator().manual_seed(int(rng.integers(2**63)))
    matrices = lora.matrices(encoder, recipe, noise)
    present = np.unique((lesson.tags[lesson.tags > 0] - 1) // 2)
    # Tags of classes without a span take no part: nothing is known of them.
    seen = np.concatenate([[0], np.sort([*(1 + 2 * present), *(2 + 2 * present)])]).astype(np.int64)
    compact = np.where(lesson.tags == UNKNOWN, UNKNOWN, np.searchsorted(seen, lesson.tags))
    weight = (torch.randn(len(seen), encoder.dimension, generator=noise) * 0.02).to(device)
    bias = torch.zeros(len(seen), device=device)
    parameters = [
        p.requires_grad_() for p in (*(p for pair in matrices.values() for p in pair), weight, bias)
    ]
    optimizer = torch.optim.AdamW(parameters, lr=recipe.rate, weight_decay=recipe.decay, fused=True)
    warm = max(1, round(recipe.warmup * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda k: min((k + 1) / warm, (steps - k) / max(1, steps - warm))
    )
    batches = shuffled([aligned.tokens.lengths], recipe.batch, rng)
    # Plain products instead of fused attention: see `lora.train`.
    with sdpa_kernel(SDPBackend.MATH):
        for _ in range(steps if len(present) else 0):
            (rows,) = next(batches)
            part = aligned.take(rows)
            labels = torch.from_numpy(compact[aligned.places(rows)]).to(device)
            shares = np.repeat(lesson.weights[rows], np.diff(part.offsets))
            optimizer.zero_grad()
            states = lora.spread(encoder, matrices, recipe, part.tokens.lengths, partial(_states, part))
            z = recipe.scale * (states @ weight.T + bias)
            each = cross_entropy(
                z, labels, ignore_index=UNKNOWN, reduction="none", label_smoothing=recipe.smoothing
            )
            # Weights average 1 over the texts, not over each batch.
            torch.autograd.backward((torch.from_numpy(shares).to(device) * each).sum() / max(1, len(labels)))
            torch.nn.utils.clip_grad_norm_(parameters, recipe.clip)
            optimizer.step()
            schedule.step()
            step()
    for parameter in parameters:
        parameter.requires_grad_(False)
    whole = torch.zeros(1 + 2 * lesson.classes, encoder.dimension, device=device)
    absent = torch.full((len(whole),), baseline.ABSENT / recipe.scale, device=device)
    whole[seen], absent[seen] = weight, bias
    return _Model(matrices, whole, absent)


def _states(aligned: Aligned, encoder: Encoder, rows: Rows, network: Network | None = None) -> Tensor:
    """(m, d) float32, of length 1: the outputs for the tokens of `rows` that have a tag, of one padded batch."""
    part = aligned.take(rows)
    states, mask = encoder.states(part.tokens, np.arange(len(part)), network)
    return normalize(states[mask][torch.from_numpy(part.at).to(states.device)], dim=1)


def _passes(
    encoder: Encoder, model: _Model, aligned: Aligned, recipe: Recipe, network: Network | None = None
) -> Iterator[tuple[Rows, Aligned, Tensor]]:
    """(rows, their tokens, logits of these) batch by batch, sorted by length."""
    weights = None if network is not None else lora.merged(encoder, model.matrices, recipe)
    batches = by_length(aligned.tokens.lengths, encoder.device.budget)
    for batch, states in encoder.over(batches, partial(_states, aligned), weights, network):
        logits = states.to(encoder.device.name) @ model.weight.T + model.bias
        yield batch, aligned.take(batch), recipe.scale * logits


def _look(encoder: Encoder, model: _Model, test: _Lesson, recipe: Recipe) -> tuple[dict[str, Any], float]:
    """(what the model does on texts it did not learn from, the best temperature for it)."""
    aligned, n = test.aligned, len(test.aligned)
    logits = np.empty((len(test.tags), len(model.bias)), np.float32)
    for batch, _, z in _passes(encoder, model, aligned, recipe):
        logits[aligned.places(batch)] = z.cpu().numpy()
    # A class without a span in the other part says nothing about the model.
    known = (test.tags != UNKNOWN) & (
        model.bias.cpu().numpy()[test.tags] > baseline.ABSENT / recipe.scale / 2
    )
    weights = np.repeat(test.weights, np.diff(aligned.offsets))
    temperature = objective.temperature(TAGS, logits[known], test.tags[known], weights[known])
    logp = log_softmax(torch.from_numpy(logits) / temperature, dim=1).numpy()
    found, true = (
        alignment.spans(tags, aligned.offsets, aligned.borders)[0]
        for tags in (
            alignment.decode(logp, aligned.offsets, aligned.joined),
            np.maximum(test.tags, alignment.OUTSIDE),
        )
    )
    hits, claimed, right = measure.counts(found, true, n, test.classes).sum(axis=(0, 1))
    return {
        "texts": n,
        "f1": float(2 * hits / max(1, claimed + right)),
        "log_loss": objective.log_loss(TAGS, np.exp(logp[known]), test.tags[known], weights[known]),
    }, temperature


def _confidence(logp: Floats, places: NDArray[np.int64]) -> NDArray[np.float32]:
    """(k,) the geometric mean of the probabilities of each span's tags, from the `logp` (m,) of all tags."""
    sums = np.concatenate([np.zeros(1), np.cumsum(logp, dtype=np.float64)])
    starts, ends = places.T
    mean: Floats = np.exp((sums[ends] - sums[starts]) / (ends - starts)).astype(np.float32)
    return mean


def _means(values: Floats, offsets: NDArray[np.int64]) -> Floats:
    """(m, 2) -> (n, 2): the mean of each text's rows, 0 where it has none."""
    sums = np.zeros((len(offsets) - 1, values.shape[1]), np.float64)
    lengths = np.diff(offsets)
    np.add.at(sums, np.repeat(np.arange(len(lengths)), lengths), values)
    means: Floats = (sums / np.maximum(1, lengths)[:, None]).astype(np.float32)
    return means
