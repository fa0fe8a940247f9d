"""Adapters of random numbers for a tiny encoder, as a round leaves them behind."""

from typing import Any

import numpy as np
import torch
from sqlalchemy import Connection

from service.files import Files
from service.store import rounds
from workers import adapter, lora
from workers.encoder import Encoder
from workers.learner import Fitted
from workers.recipe import Recipe
from workers.tagger import Tagger

LABELS = ["animals", "numbers", "weather"]
TEXTS = ["the cat and the dog", "a root of a prime", "fog", "very old snow in the sun", ""]


def trained(encoder: Encoder, problem: str, seed: int = 0, frozen: bool = False) -> Fitted | Tagger:
    """An adapter of random numbers for LABELS."""
    rng, noise = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    recipe, d, classes = Recipe(), encoder.dimension, len(LABELS)
    matrices = {
        name: (a, torch.randn(b.shape, generator=noise))
        for name, (a, b) in lora.matrices(encoder, recipe, noise).items()
    }
    parts: dict[str, Any] = {
        "base": encoder.name,
        "key": encoder.key,
        "max_length": encoder.max_length,
        "lora": matrices,
        "temperature": 1.5,
        "recipe": recipe,
        "seed": seed,
        "metrics": {},
    }
    if problem == "spans":
        weight = rng.standard_normal((1 + 2 * classes, d)).astype(np.float32) / recipe.scale
        return Tagger(**parts, weight=weight, bias=np.zeros(1 + 2 * classes, np.float32), words=True)
    weight = rng.standard_normal((classes, 2 * d)).astype(np.float32) / recipe.scale
    if frozen:
        weight[:, :d] = 0
    thresholds = (0.4, 0.5, 0.6) if problem == "multi_label" else None
    bias = np.zeros(classes, np.float32)
    return Fitted(**parts, weight=weight, bias=bias, problem=problem, thresholds=thresholds)


def leave(connection: Connection, files: Files, campaign: str, number: int, fitted: Fitted | Tagger) -> None:
    """A round that was trained, with this adapter."""
    path = f"adapters/{campaign}/r{number}"
    with files.new(path) as folder:
        adapter.save(fitted, folder, LABELS, {}, {})
    rounds.start(connection, campaign, number, label_version=0, labels=0, shards=[], strategy="auto", seed=0)
    rounds.change(connection, campaign, number, state="done", adapter=path)
