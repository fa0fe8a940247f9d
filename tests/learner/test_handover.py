"""Other forms of an adapter: used without this project and without PEFT, and refused where they say something else."""

import json
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from service import model_card, standalone
from service.errors import Invalid, PostilError
from service.standalone import Form
from tests.conftest import missing
from tests.learner.alone import LABELS, TEXTS, assert_postils, by_postil, run, trained
from workers import adapter, handover, lora, tagger, whole
from workers.encoder import Encoder
from workers.learner import Fitted
from workers.recipe import Recipe
from workers.tagger import Tagger

Models = dict[str, Fitted | Tagger]
FORMS = {"merged": handover.merged, "onnx": handover.onnx}


@pytest.fixture(scope="module")
def models(tiny: Encoder, labeled: tuple[list[str], NDArray[np.int64]]) -> Models:
    return trained(tiny, labeled)


def write(models: Mapping[str, Fitted | Tagger], folder: Path, form: Form) -> dict[str, str]:
    """Each in `folder`/<problem>/<form>; what was said of it."""
    said = {}
    for problem, fitted in models.items():
        source, out = folder / problem / "adapter", folder / problem / form
        adapter.save(fitted, source, LABELS, {}, {})
        (source / model_card.NAME).write_text(
            f"library_name: peft\n```python\n{standalone.use(problem)}```\n"
        )
        out.mkdir()
        said[problem] = FORMS[form](source, out)
    return said


def test_a_merged_model_says_what_postil_says(tiny: Encoder, models: Models, tmp_path: Path) -> None:
    said = write(models, tmp_path, "merged")
    assert said["single_label"].startswith(f"Beside it the base model {tiny.name} is needed")
    assert said["spans"].startswith("The base model is not needed")
    assert said["multi_label"].startswith("The base model is not needed")
    assert (
        "AutoModel.from_pretrained(card"
        not in (tmp_path / "multi_label" / "merged" / "README.md").read_text()
    )
    assert sorted(path.name for path in (tmp_path / "spans" / "merged").iterdir()) == [
        "README.md",
        "config.json",
        "head.safetensors",
        "model.safetensors",
        "postil.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    card = (tmp_path / "spans" / "merged" / "README.md").read_text()
    assert card == f"library_name: transformers\n```python\n{standalone.use('spans', 'merged')}```\n"
    assert_postils(tiny, models, run(tmp_path, TEXTS, [*models], "merged", barred=("peft",)))


def test_a_graph_says_what_postil_says(tiny: Encoder, models: Models, tmp_path: Path) -> None:
    if find_spec("onnxscript") is None:
        missing("there is no exporter of graphs: pip install 'postil[onnx]'")
    some = {problem: models[problem] for problem in ("single_label", "spans")}
    said = write(some, tmp_path, "onnx")
    assert said["single_label"].startswith("The graph makes two passes, with LoRA and without, of a text")
    assert said["spans"].startswith("The graph makes one pass of a text")
    for problem in some:
        told = json.loads((tmp_path / problem / "onnx" / "postil.json").read_text())["export"]
        assert 0 <= told["max_difference"] < 1e-5
        assert (told["form"], told["tolerance"]) == ("onnx", whole.TOLERANCE)
        assert len(told["batches"]) == len(whole.SIZES)
    single = {"single_label": models["single_label"]}
    barred = ("peft", "safetensors", "torch")
    assert_postils(tiny, single, run(tmp_path, TEXTS, ["single_label"], "onnx", barred))
    spans = models["spans"]
    assert isinstance(spans, Tagger)
    assert run(tmp_path, TEXTS, ["spans"], "onnx", ("peft", "safetensors"))["spans"][0] == by_postil(
        tiny, spans, TEXTS
    )


def test_what_graphs_are_made_of_says_what_postil_says(tiny: Encoder, models: Models) -> None:
    """Of every problem; LoRA has no part where there are several labels, and the base model is read once."""
    for problem, fitted in models.items():
        module = whole.Whole(tiny, fitted).eval()
        assert (module.base is None) == (problem != "single_label")
        if problem == "single_label":
            assert module.base is not None
            shared = {id(value) for value in module.base.parameters()}
            assert 0 < sum(id(value) not in shared for value in module.merged.parameters()) < len(shared) / 2

        def ask(batch: whole.Batch, module: whole.Whole = module) -> whole.Floats:
            said: whole.Floats = module(*map(torch.from_numpy, batch)).numpy()
            return said

        assert whole.check(tiny, fitted, ask, "it") < 1e-5


def test_other_architectures_are_merged_too(other: Encoder, tmp_path: Path) -> None:
    untaught = tagger.fit(other, ["a text"], [[]], np.ones(1, np.float32), 3, 0)
    noise = torch.Generator().manual_seed(0)
    noisy = replace(
        untaught,
        lora={
            name: tuple(torch.randn(matrix.shape, generator=noise) / 5 for matrix in pair)
            for name, pair in untaught.lora.items()
        },
        weight=np.random.default_rng(0).normal(size=untaught.weight.shape).astype(np.float32),
        bias=np.zeros_like(untaught.bias),
    )
    assert "Probabilities are Postil's own to within" in write({"spans": noisy}, tmp_path, "merged")["spans"]


def test_what_says_something_else_is_refused(
    models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given LoRA that is merged twice as strongly as it should be, then nothing is left that one could take for it."""

    def wrong(encoder: Encoder, pairs: lora.Matrices, recipe: Recipe) -> dict[str, Tensor]:
        return lora.merged(encoder, {name: (a, 2 * b) for name, (a, b) in pairs.items()}, recipe)

    monkeypatch.setattr(handover, "lora", SimpleNamespace(merged=wrong))
    source, out = tmp_path / "adapter", tmp_path / "merged"
    adapter.save(models["spans"], source, LABELS, {}, {})
    out.mkdir()
    with pytest.raises(
        PostilError, match=r"the merged model says something else than the adapter: .*1e-04|0\.0001"
    ):
        handover.merged(source, out)
    assert not (out / "postil.json").exists()


def test_no_number_is_no_agreement(tiny: Encoder, models: Models) -> None:
    fitted = models["single_label"]
    with pytest.raises(PostilError, match="differ by up to inf"):
        whole.check(tiny, fitted, lambda batch: np.full((len(batch[0]), 3), np.nan, np.float32), "it")


def test_a_folder_without_an_adapter(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(Invalid, match="holds no whole adapter"):
        handover.merged(tmp_path, tmp_path / "out")
