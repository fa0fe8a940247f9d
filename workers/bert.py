"""BERT's forward pass written out, to score on a CPU; without gradients.

Weights are packed for oneDNN, query, key and value are one product, GELU and residuals are part of theirs. Parameters
are transformers' own, found by their names, and so are the outputs, but for rounding (tests/learner/test_bert.py):
BERT (Devlin et al., arXiv:1810.04805) and RoBERTa, which differ in what the first position is called.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, layer_norm, pad, scaled_dot_product_attention

KINDS = ("bert", "roberta", "xlm-roberta", "camembert")
SHORT = 64
"""Tokens below which attention is computed here; the fused one is slow there: it works head by head."""
GRAIN = 256
"""Products are made of a multiple of so many tokens. oneDNN compiles each shape that it meets for the first time, for
10 to 30 ms, many times what the product takes: without this nearly every batch has a shape of its own."""
FEW = 32
"""The same below GRAIN, where somebody waits for one text: a handful of shapes, each met once."""


def fits(model: nn.Module) -> bool:
    """Whether `model` is one whose forward pass is written out here."""
    config: Any = model.config
    return bool(
        config.model_type in KINDS
        and config.hidden_act == "gelu"
        and not config.is_decoder
        and getattr(config, "position_embedding_type", None) in (None, "absolute")
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    )


@dataclass(frozen=True, eq=False)
class _Product:
    """x -> x · weight.T + bias, with the weight packed."""

    weight: Tensor
    bias: Tensor

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor) -> "_Product":
        return cls(torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), 8 * GRAIN), bias)

    def __call__(self, x: Tensor, then: str = "none") -> Tensor:
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, then, [], "none")
        return out

    def plus(self, x: Tensor, y: Tensor) -> Tensor:
        out: Tensor = torch.ops.mkldnn._linear_pointwise.binary(x, y, self.weight, self.bias, "add")
        return out


@dataclass(frozen=True, eq=False)
class _Norm:
    weight: Tensor
    bias: Tensor
    epsilon: float

    def __call__(self, x: Tensor) -> Tensor:
        return layer_norm(x, x.shape[-1:], self.weight, self.bias, self.epsilon)


@dataclass(frozen=True, eq=False)
class _Layer:
    asked: _Product
    """Query, key and value."""
    attended: _Product
    attended_norm: _Norm
    wide: _Product
    narrow: _Product
    norm: _Norm


@dataclass(frozen=True, eq=False)
class Bert:
    """The packed weights of a model, or of one with some of its parameters replaced."""

    words: Tensor
    places: Tensor
    """Position embeddings, from the first token's on, with those of the only token type added."""
    norm: _Norm
    layers: tuple[_Layer, ...]
    heads: int

    @classmethod
    def of(cls, model: nn.Module, weights: Mapping[str, Tensor] | None = None) -> "Bert":
        """Of a `model` that `fits`; `weights` stand in for its parameters of the same names."""
        config: Any = model.config
        found: dict[str, Tensor] = dict(model.named_parameters()) | dict(weights or {})

        def product(*names: str) -> _Product:
            weight, bias = (torch.cat([found[f"{n}.{part}"] for n in names]) for part in ("weight", "bias"))
            return _Product.of(weight, bias)

        def norm(name: str) -> _Norm:
            return _Norm(found[f"{name}.weight"], found[f"{name}.bias"], config.layer_norm_eps)

        layers = []
        for at in (f"encoder.layer.{number}" for number in range(config.num_hidden_layers)):
            layers.append(
                _Layer(
                    product(*(f"{at}.attention.self.{name}" for name in ("query", "key", "value"))),
                    product(f"{at}.attention.output.dense"),
                    norm(f"{at}.attention.output.LayerNorm"),
                    product(f"{at}.intermediate.dense"),
                    product(f"{at}.output.dense"),
                    norm(f"{at}.output.LayerNorm"),
                )
            )
        first = 0 if config.model_type == "bert" else config.pad_token_id + 1
        places = found["embeddings.position_embeddings.weight"][first:]
        return cls(
            found["embeddings.word_embeddings.weight"],
            places + found["embeddings.token_type_embeddings.weight"][0],
            norm("embeddings.LayerNorm"),
            tuple(layers),
            config.num_attention_heads,
        )

    def __call__(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(n, longest, d) outputs for `ids` (n, longest), of which `mask` is true on tokens, all of them leftmost.

        Zeros in place of padding.
        """
        n, longest = ids.shape
        # Only attention sees padding; all else is done for tokens alone.
        at = mask.flatten().nonzero()[:, 0]
        filling = (0, 0, 0, -len(at) % (GRAIN if len(at) > GRAIN else FEW))
        x = self.norm(embedding(ids.flatten()[at], self.words) + self.places[at % longest])
        x = pad(x, filling)
        # Added to scores: nothing to a token, so much to padding that its part in the softmax is zero.
        hidden = None if len(at) == n * longest else (~mask).to(x.dtype).mul_(-30_000.0)

        def spread(y: Tensor) -> Tensor:
            y = y[: len(at)]
            return y if hidden is None else y.new_zeros(n * longest, y.shape[1]).index_copy(0, at, y)

        for layer in self.layers:
            mixed = self._attention(spread(layer.asked(x)).view(n, longest, 3, self.heads, -1), hidden)
            mixed = pad(mixed if hidden is None else mixed[at], filling)
            x = layer.attended_norm(layer.attended.plus(mixed, x))
            x = layer.norm(layer.narrow.plus(layer.wide(x, "gelu"), x))
        return spread(x).view(n, longest, -1)

    def _attention(self, asked: Tensor, hidden: Tensor | None) -> Tensor:
        """(n · longest, d) out of `asked` (n, longest, 3, heads, d / heads)."""
        n, longest, _, heads, wide = asked.shape
        query, key, value = asked.permute(2, 0, 3, 1, 4).contiguous()
        if longest < SHORT:
            # Softmax without taking off the row's maximum: one pass over all scores, whatever their shape. Where it
            # leaves what exp can take, sums are infinite or zero, and the fused one, which does take it off, follows.
            keys = key.flatten(0, 1).transpose(1, 2)
            if hidden is None:
                padding, beta = keys.new_zeros(1), 0
            else:
                padding, beta = hidden[:, None].expand(n, heads, longest).reshape(n * heads, 1, longest), 1
            scores = torch.baddbmm(padding, query.flatten(0, 1), keys, beta=beta, alpha=wide**-0.5).exp_()
            sums = (scores.view(-1, longest) @ scores.new_ones(longest, 1)).view(n, heads, longest, 1)
            if sums.amin() > 0 and sums.amax() < torch.inf:
                mixed = torch.bmm(scores, value.flatten(0, 1)).view(n, heads, longest, wide)
                out = asked.new_empty(n, longest, heads, wide)
                torch.div(mixed, sums, out=out.transpose(1, 2))
                return out.view(n * longest, heads * wide)
        shown = None if hidden is None else hidden[:, None, None]
        mixed = scaled_dot_product_attention(query, key, value, attn_mask=shown)
        return mixed.transpose(1, 2).reshape(n * longest, heads * wide)
