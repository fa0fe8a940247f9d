"""An adapter, its base model and its head as one PyTorch module, and whether what was made of it says the same."""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from service.errors import PostilError
from workers import learner, lora
from workers.encoder import Encoder
from workers.learner import Fitted
from workers.tagger import Tagger
from workers.tokens import pack

SIZES = ((1, 3), (2, 8), (7, 5), (3, 64), (5, 256))
"""Texts and tokens of the batches that are tried."""
TOLERANCE = 1e-4
"""Probabilities may differ by so much: more is no rounding."""

Floats = NDArray[np.float32]
Batch = tuple[NDArray[np.int64], NDArray[np.int64]]
"""ids (n, longest), and their mask, 1 on tokens."""


class Whole(nn.Module):
    """ids and mask (n, longest), int64, to probabilities: (n, C), or for spans of tags (n, longest, 1 + 2C).

    For whole texts the encoder reads each twice, with LoRA merged into it and as it is; parameters that LoRA leaves
    alone are the same tensors in both. Where LoRA has no part, and for spans, once.
    """

    def __init__(self, encoder: Encoder, fitted: Fitted | Tagger) -> None:
        super().__init__()
        self.problem = "spans" if isinstance(fitted, Tagger) else fitted.problem
        self.merged = merged(encoder, fitted)
        self.base = None if isinstance(fitted, Tagger) or fitted.frozen else encoder.model
        scale = np.float32(fitted.recipe.scale / fitted.temperature)
        weight = fitted.weight
        if isinstance(fitted, Fitted) and self.base is None:
            weight = weight[:, encoder.dimension :]
        self.weight = nn.Parameter(torch.from_numpy(weight * scale), requires_grad=False)
        self.bias = nn.Parameter(torch.from_numpy(fitted.bias * scale), requires_grad=False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        part = attention_mask.unsqueeze(2).float()

        def states(network: nn.Module) -> Tensor:
            found: Tensor = network(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            return found

        def embed(network: nn.Module) -> Tensor:
            return normalize((states(network) * part).sum(1) / part.sum(1), dim=-1)

        if self.problem == "spans":
            read = normalize(states(self.merged), dim=-1)
        elif self.base is None:
            read = embed(self.merged)
        else:
            read = torch.cat([embed(self.merged), embed(self.base)], dim=1)
        z = read @ self.weight.T + self.bias
        return z.sigmoid() if self.problem == "multi_label" else z.softmax(dim=-1)


def merged(encoder: Encoder, fitted: Fitted | Tagger) -> nn.Module:
    """The encoder with LoRA merged into it; the parameters that LoRA leaves alone are the encoder's own tensors."""
    weights = lora.merged(encoder, fitted.lora, fitted.recipe)
    kept: dict[int, object] = {
        id(value): value for name, value in encoder.model.named_parameters() if name not in weights
    }
    network = deepcopy(encoder.model, kept)
    own: Mapping[str, Tensor] = dict(network.named_parameters())
    for name, value in weights.items():
        own[name].data.copy_(value)
    return network


def batches(encoder: Encoder, seed: int) -> Iterator[Batch]:
    """Random tokens, each row of a batch of another length."""
    rng = np.random.default_rng(seed)
    words = np.setdiff1d(np.arange(len(encoder.tokenizer)), [encoder.padding])
    for texts, longest in SIZES:
        # Some number their positions from two on, and have so many fewer.
        longest = min(longest, encoder.max_length - 2)
        ids = rng.choice(words, (texts, longest))
        lengths = longest - np.arange(texts) % longest
        mask = (np.arange(longest) < lengths[:, None]).astype(np.int64)
        yield np.where(mask, ids, encoder.padding), mask


def check(encoder: Encoder, fitted: Fitted | Tagger, ask: Callable[[Batch], Floats], what: str) -> float:
    """The greatest difference of what `ask` says from what Postil says, over batches of many sizes.

    Raises PostilError where it is more than TOLERANCE.
    """
    worst, whole = 0.0, Whole(encoder, fitted).eval()
    for ids, mask in batches(encoder, fitted.seed):
        with torch.inference_mode():
            expected: Floats = whole(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
        said, tokens = ask((ids, mask)), mask.astype(np.bool_)
        if isinstance(fitted, Fitted):
            rows = [row[real].tolist() for row, real in zip(ids, tokens, strict=True)]
            packed = pack(rows, [False] * len(rows), len(encoder.tokenizer))
            own = learner.predict(encoder, fitted, packed).probabilities
            worst = max(worst, float(np.abs(said - own).max()))
        else:
            said, expected = said[tokens], expected[tokens]
        # Compared so that a NaN is found, too.
        worst = max(worst, float(np.nan_to_num(np.abs(said - expected), nan=np.inf).max()))
    if worst > TOLERANCE:
        raise PostilError(
            f"{what} says something else than the adapter: probabilities differ by up to {worst:.2g}, and "
            f"{TOLERANCE:g} is allowed; nothing was written"
        )
    return worst
