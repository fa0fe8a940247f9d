"""A resident Hugging Face encoder: texts to tokens, tokens to embeddings. It is never changed once loaded.

Where there are several GPUs each has a copy. Kernels are queued on one while another computes, so that one thread
keeps all of them at work.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import normalize
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

from service.errors import Invalid
from workers import bert
from workers.batches import Rows, by_length, padded
from workers.device import CPU, Device
from workers.tokens import Tokens, concat, pack

MAX_LENGTH = 256
POOLING = "mean, normalized"

Network = Callable[[Tensor, Tensor], Tensor]
"""(ids (n, longest), mask true on tokens) -> outputs (n, longest, d)."""
Progress = Callable[[int, int], None]
"""Called with (done, total)."""
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Encoder:
    """An encoder on its device. An adapter's merged weights are handed to `forward` and never written into it."""

    name: str
    """Hub name or path it was loaded from."""
    key: str
    """Hash of what decides tokens and embeddings: weights, tokenizer, length, pooling."""
    device: Device
    model: nn.Module
    tokenizer: Any
    dimension: int
    max_length: int
    linears: Mapping[str, Tensor]
    """Name -> weight (out, in), float32, of every linear layer below the pooling: what LoRA can adapt."""
    copies: "tuple[Encoder, ...]" = ()
    """The same encoder on further devices."""

    @classmethod
    def load(cls, model: str, device: Device = CPU, *further: Device) -> "Encoder":
        """Load `model`, a hub name or a folder, from safetensors and without remote code, onto each device.

        Raises Invalid where it cannot be had or is no encoder with a fast tokenizer.
        """
        transformers_logging.disable_progress_bar()
        try:
            tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
            network, report = AutoModel.from_pretrained(
                model,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
        except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise Invalid(
                f"the model {model!r} cannot be loaded ({reason}): name a folder with "
                "config.json, model.safetensors and tokenizer.json, or a hub's model that this machine can reach",
                "model",
            ) from error
        if not getattr(tokenizer, "is_fast", False):
            raise Invalid(
                f"the model {model!r} has no fast tokenizer (tokenizer.json): choose another", "model"
            )
        # The pooler, which many checkpoints lack, has no part in mean pooling.
        missing = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
        if missing:
            raise Invalid(
                f"the model {model!r} lacks weights ({missing[0]}, …): its file is not whole", "model"
            )
        if getattr(network, "pooler", None) is not None:
            network.pooler = None
        network.eval().requires_grad_(False)
        linears = {name: m.weight.data for name, m in network.named_modules() if isinstance(m, nn.Linear)}
        if not linears or network.config.is_encoder_decoder:
            raise Invalid(f"the model {model!r} is not an encoder of linear layers: choose another", "model")
        positions = getattr(network.config, "max_position_embeddings", None) or MAX_LENGTH
        max_length = min(MAX_LENGTH, positions, tokenizer.model_max_length)
        loaded = cls(
            name=model,
            key=_key(network, tokenizer, max_length),
            device=device,
            model=network,
            tokenizer=tokenizer,
            dimension=network.config.hidden_size,
            max_length=max_length,
            linears=linears,
        )
        copies = tuple(replace(loaded, model=deepcopy(network))._to(other) for other in further)
        return replace(loaded._to(device), copies=copies)

    def _to(self, device: Device) -> "Encoder":
        return replace(
            self,
            device=device,
            model=self.model.to(device.name, device.dtype),
            # Where the model runs in bfloat16 these are kept aside: adding LoRA to rounded weights would drift.
            linears={name: weight.to(device.name) for name, weight in self.linears.items()},
        )

    @property
    def everywhere(self) -> "tuple[Encoder, ...]":
        """On each device, this one first."""
        return self, *self.copies

    @property
    def padding(self) -> int:
        return int(self.tokenizer.pad_token_id or 0)

    def tokenize(self, texts: Sequence[str], progress: Progress | None = None) -> Tokens:
        """Tokens of `texts`, special ones included, cut at `max_length`."""
        vocabulary, unknown = len(self.tokenizer), self.tokenizer.unk_token_id
        parts = [pack([], [], vocabulary)]
        for start in range(0, len(texts), 1_024):
            part = list(texts[start : start + 1_024])
            batch = self.tokenizer(part, truncation=True, max_length=self.max_length)
            cut = [bool(encoding.overflowing) for encoding in batch.encodings]
            parts.append(pack(batch["input_ids"], cut, vocabulary, unknown))
            if progress:
                progress(start + len(part), len(texts))
        return concat(parts)

    def states(self, tokens: Tokens, rows: Rows, network: Network | None = None) -> tuple[Tensor, Tensor]:
        """(float32 outputs (len(rows), longest, d) on the device, mask true on tokens) of one padded batch.

        By `network`, which `scorer` made, or else by the model itself, for training.
        """
        ids, mask = (torch.from_numpy(a).to(self.device.name) for a in padded(tokens, rows, self.padding))
        return (network or partial(_outputs, self.model, {}))(ids, mask).float(), mask

    def forward(self, tokens: Tokens, rows: Rows, network: Network | None = None) -> Tensor:
        """(len(rows), d) float32 embeddings of length 1 on the device, of one padded batch; see `states`."""
        states, mask = self.states(tokens, rows, network)
        part = mask.unsqueeze(-1)
        summed = (states * part).sum(1)
        return normalize(summed / part.sum(1), dim=-1)

    def scorer(self, weights: Mapping[str, Tensor] | None = None) -> Network:
        """The model without gradients; `weights` stand in for its parameters of the same names.

        Written out and packed where that is faster, which takes milliseconds.
        """
        if self.device.name == "cpu" and bert.fits(self.model):
            return bert.Bert.of(self.model, weights)
        return partial(_outputs, self.model, dict(weights or {}))

    def embeddings(
        self,
        tokens: Tokens,
        rows: NDArray[np.integer] | None = None,
        weights: Mapping[str, Tensor] | None = None,
        network: Network | None = None,
    ) -> Iterator[tuple[Rows, Tensor]]:
        """(positions in `rows`, their embeddings) batch by batch, sorted by length; `rows` None: all of them."""
        every = np.arange(len(tokens)) if rows is None else np.asarray(rows, np.int64)
        batches = by_length(tokens.lengths[every], self.device.budget)
        return self.over(
            batches, lambda on, batch, by: on.forward(tokens, every[batch], by), weights, network
        )

    def over(
        self,
        batches: Iterable[Rows],
        one: "Callable[[Encoder, Rows, Network], T]",
        weights: Mapping[str, Tensor] | None = None,
        network: Network | None = None,
    ) -> Iterator[tuple[Rows, T]]:
        """(batch, what `one` makes of it without gradients) in order, the devices by turns, each with a batch.

        `network`: what `scorer` made for this device alone, where one is kept; it stands for `weights`.
        """
        hands = (
            [(self, network)]
            if network is not None
            else [
                (on, on.scorer({name: weight.to(on.device.name) for name, weight in (weights or {}).items()}))
                for on in self.everywhere
            ]
        )
        ahead: deque[tuple[Rows, T]] = deque()
        for batch, (on, network) in zip(batches, cycle(hands), strict=False):
            with torch.inference_mode():
                ahead.append((batch, one(on, batch, network)))
            if len(ahead) == len(hands):
                yield ahead.popleft()
        yield from ahead

    def embed(
        self,
        tokens: Tokens,
        rows: NDArray[np.integer] | None = None,
        progress: Progress | None = None,
        weights: Mapping[str, Tensor] | None = None,
        network: Network | None = None,
    ) -> NDArray[np.float32]:
        """(n, d) embeddings of length 1 in the order of `rows` (None: all), of the base model or with `weights`.

        `network`: as in `over`.
        """
        out = np.empty((len(tokens) if rows is None else len(rows), self.dimension), np.float32)
        done = 0
        for batch, embeddings in self.embeddings(tokens, rows, weights, network):
            out[batch] = embeddings.cpu().numpy()
            done += len(batch)
            if progress:
                progress(done, len(out))
        return out


def _outputs(model: nn.Module, weights: dict[str, Tensor], ids: Tensor, mask: Tensor) -> Tensor:
    inputs = {"input_ids": ids, "attention_mask": mask.long()}
    output: Tensor = functional_call(model, weights, kwargs=inputs).last_hidden_state
    return output


def _key(network: nn.Module, tokenizer: Any, max_length: int) -> str:
    digest = hashlib.sha256(f"{POOLING}\n{max_length}\n".encode())
    digest.update(tokenizer.backend_tokenizer.to_str().encode())
    for name, value in sorted(network.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)}\n".encode())
        digest.update(value.contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()[:16]
