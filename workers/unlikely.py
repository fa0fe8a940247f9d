"""How unlikely a language model finds texts: pseudo-perplexity, by the base model's own language-model head."""

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

TOKENS = 64
"""Of a text; the masked model reads it once for each."""
ROWS = 64


class NoHead(Exception):
    """The model has no language-model head; says why."""


def perplexities(model: str, texts: list[str]) -> NDArray[np.float64]:
    """(n,) exp of the mean negative log-likelihood of each text's tokens, NaN for texts without any.

    A masked model is asked for each token with that one masked (Salazar et al.: Masked Language Model Scoring, ACL
    2020); a causal one for each token after those before it. Raises NoHead.
    """
    names = AutoConfig.from_pretrained(model, trust_remote_code=False).architectures or []
    masked = any(name.endswith("ForMaskedLM") for name in names)
    if not masked and not any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in names):
        kind_of = ", ".join(names) or "nothing that it names"
        raise NoHead(f"{model} was saved as {kind_of}, without a language-model head")
    tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
    if masked and tokenizer.mask_token_id is None:
        raise NoHead(f"the tokenizer of {model} has no token for what is masked")
    kind = AutoModelForMaskedLM if masked else AutoModelForCausalLM
    network = kind.from_pretrained(model, use_safetensors=True, trust_remote_code=False).eval()
    found = np.full(len(texts), np.nan)
    with torch.inference_mode():
        for at, text in enumerate(texts):
            encoded = tokenizer(text, truncation=True, max_length=TOKENS, return_special_tokens_mask=True)
            ids = torch.tensor(encoded["input_ids"])
            own = torch.tensor(encoded["special_tokens_mask"]) == 0
            losses = (_masked if masked else _causal)(network, tokenizer, ids, own)
            if len(losses):
                found[at] = float(losses.mean().exp())
    return found


def _masked(
    network: torch.nn.Module, tokenizer: object, ids: torch.Tensor, own: torch.Tensor
) -> torch.Tensor:
    at = own.nonzero()[:, 0]
    losses = []
    for some in torch.split(at, ROWS) if len(at) else ():
        rows = ids.repeat(len(some), 1)
        rows[torch.arange(len(some)), some] = tokenizer.mask_token_id  # type: ignore[attr-defined]
        logits = network(input_ids=rows).logits[torch.arange(len(some)), some].float()
        losses.append(-logits.log_softmax(-1)[torch.arange(len(some)), ids[some]])
    return torch.cat(losses) if losses else torch.empty(0)


def _causal(
    network: torch.nn.Module, tokenizer: object, ids: torch.Tensor, own: torch.Tensor
) -> torch.Tensor:
    if len(ids) < 2:
        return torch.empty(0)
    logits = network(input_ids=ids[None]).logits[0, :-1].float()
    losses: torch.Tensor = -logits.log_softmax(-1)[torch.arange(len(ids) - 1), ids[1:]]
    return losses[own[1:]]
