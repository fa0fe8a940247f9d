"""Adapters on disk: PEFT's own format, and beside it the head and a manifest.

    adapter_config.json        PEFT: which layers, rank, alpha
    adapter_model.safetensors  PEFT: A and B of every layer
    head.safetensors           weight (C, 2d), bias (C,); for spans (1 + 2C, d), (1 + 2C,)
    postil.json                how they go together: pooling, scale, temperature, labels, metrics, lineage

The head reads the embedding with LoRA and the base model's own, one after the other (`workers.learner`); for spans it
reads the state of each token with LoRA, and postil.json names its `tags` (`workers.tagger`). Nothing here is needed to
use one: transformers, peft and safetensors are enough (tests/learner/test_adapter.py).
"""

import json
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from peft import LoraConfig, TaskType
from safetensors import SafetensorError
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file

from service.errors import Conflict, Invalid
from workers.encoder import POOLING, Encoder
from workers.learner import Fitted
from workers.recipe import Recipe
from workers.tagger import STATES, Tagger

FORMAT = 3
MANIFEST, HEAD, LORA = "postil.json", "head.safetensors", "adapter_model.safetensors"
PREFIX = "base_model.model."
PACKAGES = ("torch", "transformers", "peft", "safetensors", "numpy", "scikit-learn")


def save(
    fitted: Fitted | Tagger,
    folder: Path | str,
    labels: Sequence[str],
    lineage: Mapping[str, Any],
    metrics: Mapping[str, Any],
) -> None:
    """Write the adapter to `folder`, which appears there whole or not at all; it may exist only while empty.

    `labels` (C) names the classes in the head's order. `lineage` and `metrics` go into the manifest beside the
    base model, seed, packages and cross-validation that `fitted` knows of. Raises Conflict where `folder` has files.
    """
    classes = fitted.classes if isinstance(fitted, Tagger) else len(fitted.bias)
    if len(labels) != classes:
        raise Invalid(f"{len(labels)} labels for a head of {classes} classes: name each class once", "labels")
    kind: dict[str, Any]
    if isinstance(fitted, Tagger):
        tags = ["O", *(f"{prefix}-{label}" for label in labels for prefix in "BI")]
        kind = {"problem": "spans", "pooling": STATES, "tags": tags, "words": fitted.words}
    else:
        kind = {"problem": fitted.problem, "pooling": POOLING, "thresholds": fitted.thresholds}
    target = Path(folder)
    passing = target.with_name(f".{target.name}-{uuid.uuid4().hex}")
    passing.mkdir(parents=True)
    try:
        LoraConfig(
            task_type=TaskType.FEATURE_EXTRACTION,
            base_model_name_or_path=fitted.base,
            r=fitted.recipe.rank,
            lora_alpha=fitted.recipe.alpha,
            target_modules=list(fitted.lora),
            inference_mode=True,
        ).save_pretrained(passing)
        tensors = {}
        for name, (a, b) in fitted.lora.items():
            tensors[_key(name, "A")], tensors[_key(name, "B")] = a.contiguous(), b.contiguous()
        save_file(tensors, passing / LORA, metadata={"format": "pt"})
        save_arrays({"weight": fitted.weight, "bias": fitted.bias}, passing / HEAD)
        manifest = {
            "format": FORMAT,
            **kind,
            "max_length": fitted.max_length,
            "scale": fitted.recipe.scale,
            "labels": list(labels),
            "temperature": fitted.temperature,
            "recipe": asdict(fitted.recipe),
            "metrics": {**metrics, "training": dict(fitted.metrics)},
            "lineage": {
                **lineage,
                "base": {"model": fitted.base, "key": fitted.key},
                "seed": fitted.seed,
                "packages": {package: version(package) for package in PACKAGES},
            },
        }
        (passing / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", "utf-8")
        passing.rename(target)
    except OSError as error:
        if target.exists():
            raise Conflict(
                f"{target} exists already: an adapter is written once, under a new name"
            ) from error
        raise
    finally:
        shutil.rmtree(passing, ignore_errors=True)


def load(encoder: Encoder, folder: Path | str) -> tuple[Fitted | Tagger, dict[str, Any]]:
    """(the adapter, its manifest) of `folder`; raises Invalid where files are missing or do not fit the encoder."""
    folder = Path(folder)
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        tensors, head = load_file(folder / LORA), load_arrays(folder / HEAD)
    except (OSError, ValueError, SafetensorError) as error:
        raise Invalid(f"{folder} holds no whole adapter ({error}): train the round again") from error
    if manifest.get("format") != FORMAT:
        raise Invalid(f"{folder} has format {manifest.get('format')}, not {FORMAT}: another version wrote it")
    base = manifest["lineage"]["base"]
    if base["key"] != encoder.key:
        raise Invalid(
            f"the adapter in {folder} was trained on {base['model']} with key {base['key']}, and {encoder.name} "
            f"has key {encoder.key}: load the model it was trained on"
        )
    recipe = Recipe(**manifest["recipe"])
    classes, d, rank = len(manifest["labels"]), encoder.dimension, recipe.rank
    shape = (1 + 2 * classes, d) if manifest["problem"] == "spans" else (classes, 2 * d)
    names = sorted({key.removeprefix(PREFIX).rsplit(".lora_", 1)[0] for key in tensors})
    expected: dict[str, tuple[int, ...]] = {"head weight": shape, "head bias": shape[:1]}
    found = {f"head {name}": tuple(array.shape) for name, array in head.items()}
    for name in names:
        out, wide = encoder.linears[name].shape if name in encoder.linears else (0, 0)
        expected |= {_key(name, "A"): (rank, wide), _key(name, "B"): (out, rank)}
    found |= {key: tuple(tensor.shape) for key, tensor in tensors.items()}
    for what in sorted(expected.keys() | found.keys()):
        if expected.get(what) != found.get(what):
            raise Invalid(
                f"{what} in {folder} has shape {found.get(what)}, and {encoder.name} with {classes} labels needs "
                f"{expected.get(what)}: the adapter's files do not belong together, train the round again"
            )
    parts = {
        "base": encoder.name,
        "key": encoder.key,
        "max_length": encoder.max_length,
        "lora": {name: (tensors[_key(name, "A")], tensors[_key(name, "B")]) for name in names},
        "weight": head["weight"],
        "bias": head["bias"],
        "temperature": manifest["temperature"],
        "recipe": recipe,
        "seed": manifest["lineage"]["seed"],
        "metrics": manifest["metrics"]["training"],
    }
    if manifest["problem"] == "spans":
        return Tagger(**parts, words=manifest["words"]), manifest
    thresholds = manifest["thresholds"]
    return Fitted(
        **parts,
        problem=manifest["problem"],
        thresholds=None if thresholds is None else tuple(thresholds),
    ), manifest


def _key(layer: str, matrix: str) -> str:
    return f"{PREFIX}{layer}.lora_{matrix}.weight"
