"""LoRA on a resident encoder: training it, and the weights it makes.

LoRA (Hu et al., arXiv:2106.09685) replaces a linear layer's weight by weight + alpha / rank · B·A. Scoring puts that
sum, computed in float32, in the weight's place for the length of one call; training adds alpha / rank · B·A·x to what
the layer gives for x, which spares the gradient of the whole weight. The encoder itself stays as it was loaded.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import repeat

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import linear, log_softmax, normalize

from workers import baseline
from workers.batches import paced, shuffled
from workers.encoder import Encoder, Network
from workers.linear import Head, Lesson
from workers.objective import Floats
from workers.recipe import Recipe
from workers.tokens import Tokens, concat

Matrices = dict[str, tuple[Tensor, Tensor]]
"""Layer name -> A (rank, in), B (out, rank)."""
SHARE_TOKENS = 512
"""With less to do a GPU waits for its next kernel, and a second one with it. An estimate: no machine with two GPUs was
at hand to measure it."""


@dataclass(frozen=True, eq=False)
class Adapted:
    """Matrices on the encoder's device, and the head that was trained on their embeddings."""

    matrices: Matrices
    head: Head


def train(
    encoder: Encoder,
    lesson: Lesson,
    names: bool,
    pseudo: tuple[NDArray[np.int64], NDArray[np.int64]],
    share: float,
    rng: np.random.Generator,
    step: Callable[[], None],
    order: NDArray[np.int64] | None = None,
) -> Adapted:
    """Train on the lesson's labels, of which a text has one, and, with `names`, on the labels' names.

    `step` is called after each step.

    `pseudo`: (rows of the corpus, their classes), trained on in batches of their own beside the others, with weight
    2 · `share`, at most 1.

    `order`: positions in the lesson from easy to hard, where easy ones come first; names are the easiest.
    """
    corpus, recipe, device, aim = lesson.corpus, lesson.recipe, encoder.device.name, lesson.objective
    tokens, members = corpus.tokens.take(lesson.rows), lesson.members
    points, weights = lesson.points(np.arange(len(members))), lesson.weights
    if names and corpus.names is not None:
        tokens = concat([tokens, corpus.names.tokens])
        members = np.concatenate([members, np.eye(lesson.classes, dtype=np.bool_)])
        points = np.concatenate([points, corpus.names.base.astype(np.float32)])
        weights = np.concatenate([weights, np.ones(lesson.classes, np.float32)])
    seen: NDArray[np.bool_] = np.asarray(members.any(axis=0))
    noise = torch.Generator().manual_seed(int(rng.integers(2**63)))
    lora = matrices(encoder, recipe, noise)
    weight = torch.randn(lesson.classes, encoder.dimension, generator=noise) * 0.02
    if len(lesson.rows) < recipe.prototypes * seen.sum():
        sums = members.T.astype(np.float32) @ points
        weight[torch.from_numpy(seen)] = normalize(torch.from_numpy(sums[seen]), dim=1)
    weight, bias = weight.to(device), torch.zeros(lesson.classes, device=device)
    parameters = [p.requires_grad_() for p in (*(p for pair in lora.values() for p in pair), weight, bias)]
    # A class that never occurs is never predicted.
    absent = torch.from_numpy(np.where(seen, 0.0, baseline.ABSENT).astype(np.float32)).to(device)

    known = seen[pseudo[1]] if share else np.zeros(len(pseudo[1]), np.bool_)
    steps = recipe.steps(len(lesson.rows), bool(known.any()))
    optimizer = torch.optim.AdamW(parameters, lr=recipe.rate, weight_decay=recipe.decay, fused=True)
    warm = max(1, round(recipe.warmup * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda k: min((k + 1) / warm, (steps - k) / max(1, steps - warm))
    )
    sources = [_Source(tokens, smoothed(members, recipe.smoothing), weights, device)]
    if known.any():
        targets = smoothed(aim.members(pseudo[1][known], lesson.classes), recipe.smoothing)
        its = np.full(len(targets), min(1.0, 2 * share), np.float32)
        sources.append(_Source(corpus.tokens.take(pseudo[0][known]), targets, its, device))
    if order is not None:
        order = np.concatenate([np.arange(len(order), len(tokens)), order])
    batches = _batches(sources, recipe.batch, steps, order, rng)
    # Plain products instead of fused attention: faster backward on a CPU, and the same result every time on CUDA.
    with sdpa_kernel(SDPBackend.MATH):
        for _ in range(steps):
            optimizer.zero_grad()
            parts = [source.take(rows) for source, rows in zip(sources, next(batches), strict=True)]
            texts, wanted, shares = zip(*parts, strict=True)
            together = concat(texts)
            e = spread(encoder, lora, recipe, together.lengths, partial(_embed, together))
            z = recipe.scale * (e @ weight.T + bias) + absent
            torch.autograd.backward(cross_entropy(z, torch.cat(wanted), torch.cat(shares)))
            torch.nn.utils.clip_grad_norm_(parameters, recipe.clip)
            optimizer.step()
            schedule.step()
            step()
    for parameter in parameters:
        parameter.requires_grad_(False)
    scale = recipe.scale * torch.from_numpy(seen).to(device)
    head = Head((scale[:, None] * weight).cpu().numpy(), (scale * bias + absent).cpu().numpy())
    return Adapted(lora, head)


def smoothed(members: NDArray[np.bool_], smoothing: float) -> Floats:
    """(n, C) what logits are trained towards: smoothing goes to the classes that occur, others are never predicted."""
    seen = members.any(axis=0)
    made: Floats = ((1 - smoothing) * members + smoothing / seen.sum() * seen).astype(np.float32)
    return made


def cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Sum of weight times loss."""
    return -(weights[:, None] * targets * log_softmax(logits, dim=1)).sum()


class _Source:
    """Texts to train on, with their targets and weights."""

    def __init__(self, tokens: Tokens, targets: Floats, weights: Floats, device: str) -> None:
        self.tokens = tokens
        self.targets = torch.from_numpy(targets).to(device)
        self.weights = torch.from_numpy(weights).to(device)

    def take(self, rows: NDArray[np.int64]) -> tuple[Tokens, Tensor, Tensor]:
        """Tokens, targets and shares of the loss: weights average 1 over the set, not over each batch."""
        at = torch.from_numpy(rows).to(self.weights.device)
        return self.tokens.take(rows), self.targets[at], self.weights[at] / len(rows)


def _batches(
    sources: list[_Source],
    size: int,
    steps: int,
    order: NDArray[np.int64] | None,
    rng: np.random.Generator,
) -> Iterator[tuple[NDArray[np.int64], ...]]:
    """Positions in each source, for each step; of the first from easy to hard where there is an `order`."""
    lengths = [source.tokens.lengths for source in sources]
    if order is None:
        yield from shuffled(lengths, size, rng)
        return
    others = shuffled(lengths[1:], size, rng) if lengths[1:] else repeat(())
    for rows, its in zip(paced(len(order), size, steps, rng), others, strict=False):
        yield order[rows], *its


def _embed(tokens: Tokens, encoder: Encoder, rows: NDArray[np.int64]) -> Tensor:
    return encoder.forward(tokens, rows)


def spread(
    encoder: Encoder,
    lora: Matrices,
    recipe: Recipe,
    lengths: NDArray[np.int64],
    one: Callable[[Encoder, NDArray[np.int64]], Tensor],
) -> Tensor:
    """What `one` makes of a batch's texts, of `lengths` (n,) in tokens, with LoRA beside the layers, for gradients.

    Each of the encoder's devices takes a share of the texts, as many devices as have SHARE_TOKENS to do; autograd
    copies A and B there, brings the outputs back to the first device, and sums the gradients. Batch and result are
    those of one device, but for rounding.
    """
    parts = min(len(encoder.everywhere), len(lengths), max(1, int(lengths.sum()) // SHARE_TOKENS))
    outputs = []
    for on, rows in zip(encoder.everywhere, np.array_split(np.arange(len(lengths)), parts), strict=False):
        there = {name: (a.to(on.device.name), b.to(on.device.name)) for name, (a, b) in lora.items()}
        with _beside(on, there, recipe):
            outputs.append(one(on, rows).to(encoder.device.name))
    return torch.cat(outputs)


@contextmanager
def _beside(encoder: Encoder, lora: Mapping[str, tuple[Tensor, Tensor]], recipe: Recipe) -> Iterator[None]:
    """The encoder's layers with LoRA while this lasts, for gradients of A and B."""
    factor = recipe.alpha / recipe.rank

    def adapted(a: Tensor, b: Tensor) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
        def added(_: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> Tensor:
            low = linear(given[0].flatten(0, -2), a.to(out.dtype))
            return torch.addmm(out.flatten(0, -2), low, b.to(out.dtype).T, alpha=factor).view_as(out)

        return added

    hooks = [
        layer.register_forward_hook(adapted(*lora[name]))
        for name, layer in encoder.model.named_modules()
        if name in lora
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def merged(encoder: Encoder, lora: Mapping[str, tuple[Tensor, Tensor]], recipe: Recipe) -> dict[str, Tensor]:
    """Parameter name -> weight + alpha / rank · B·A (out, in), in the type the encoder runs in."""
    factor = recipe.alpha / recipe.rank
    return {
        f"{name}.weight": torch.addmm(encoder.linears[name], b, a, alpha=factor).to(encoder.device.dtype)
        for name, (a, b) in lora.items()
    }


def of(encoder: Encoder, lora: Mapping[str, tuple[Tensor, Tensor]], recipe: Recipe) -> dict[str, Tensor]:
    """`merged`, of matrices on whatever device."""
    device = encoder.device.name
    return merged(encoder, {name: (a.to(device), b.to(device)) for name, (a, b) in lora.items()}, recipe)


def network(encoder: Encoder, lora: Mapping[str, tuple[Tensor, Tensor]], recipe: Recipe) -> Network:
    """The encoder with these matrices, ready to score, to be kept; it has the merged layers' weights of its own."""
    return encoder.scorer(of(encoder, lora, recipe))


def matrices(encoder: Encoder, recipe: Recipe, noise: torch.Generator) -> Matrices:
    """A of noise and B of zeros for each target, as PEFT begins."""
    lora, device = {}, encoder.device.name
    for name in targets(encoder, recipe.upper):
        out, wide = encoder.linears[name].shape
        a = (torch.rand(recipe.rank, wide, generator=noise) * 2 - 1) / wide**0.5
        lora[name] = (a.to(device), torch.zeros(out, recipe.rank, device=device))
    return lora


def targets(encoder: Encoder, upper: bool) -> list[str]:
    """Names of the layers LoRA adapts: all linear ones, or those of the upper half of the numbered blocks."""
    names = list(encoder.linears)
    numbers = {name: int(found[1]) for name in names if (found := re.search(r"\.(\d+)\.", name))}
    half = (max(numbers.values(), default=0) + 1) / 2
    return [name for name in names if not upper or numbers.get(name, -1) >= half] or names
