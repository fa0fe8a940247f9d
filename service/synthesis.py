"""Synthetic texts: where they come from, and what is known of each of them for ever."""

from typing import Literal, get_args

import msgspec

Verdict = Literal["kept", "measures", "duplicate", "near-duplicate", "inconsistent", "unlikely", "outlier"]
"""What became of a text: it trains; it is like one that measures; like one that is there already; its label is not what
the adapter sees; no such text would be written here; it is far from every text of the pool."""
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
STRATEGY = "synthetic"
"""Of selections that have people check a synthetic text, in place of a strategy's name."""
META = "synthetic"
"""Of an example's `meta`: where its `Provenance` is."""
MOST = 20_000
"""Texts of one synthesis."""


class Perturb(msgspec.Struct, frozen=True, tag_field="kind", tag="perturb", forbid_unknown_fields=True):
    """Labeled texts, slightly changed: no model is needed."""


class Endpoint(msgspec.Struct, frozen=True, tag_field="kind", tag="endpoint", forbid_unknown_fields=True):
    """A model behind an OpenAI-compatible API, below a prefix in POSTIL_GENERATORS: POST {url}/chat/completions."""

    url: str
    model: str


class Local(msgspec.Struct, frozen=True, tag_field="kind", tag="local", forbid_unknown_fields=True):
    """A causal language model in Hugging Face's format, by name or folder, which a GPU worker loads."""

    model: str


Generator = Perturb | Endpoint | Local


class Provenance(msgspec.Struct, frozen=True):
    """Of one synthetic text, kept in its shard. Each filter's figure stands beside its p-value: the share of real
    texts that look at least as odd; None where nothing could be said."""

    synthesis: int
    generator: Generator
    seed: int
    how: str
    """The perturbation, or "few-shot"."""
    sources: list[str]
    """Labeled examples that it was made from."""
    verdict: Verdict
    probability: float | None = None
    """What the adapter gives the label it was made for; of several labels, of the least sure one."""
    probability_p: float | None = None
    perplexity: float | None = None
    """By the base model's language-model head, else by a bigram model of the pool."""
    perplexity_p: float | None = None
    distance: float | None = None
    """1 - cosine to the nearest texts of the pool, in the mean."""
    distance_p: float | None = None
    likeness: float | None = None
    """Cosine to the likest text that it was compared with."""
    like: str | None = None
    """The example that it repeats."""


def name(generator: Generator) -> str:
    """What made a text, in short words."""
    match generator:
        case Perturb():
            return "perturbation"
        case Endpoint(url, model):
            return f"{model} at {url}"
        case Local(model):
            return model


def ext_id(synthesis: int, row: int) -> str:
    """What exports call a synthetic text."""
    return f"synthetic-{synthesis}-{row}"
