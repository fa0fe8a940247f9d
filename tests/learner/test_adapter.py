import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from peft import PeftModel
from safetensors.numpy import load_file, save_file
from transformers import AutoModel, AutoTokenizer

from service.errors import Conflict, Invalid
from tests.learner.conftest import fit
from workers import adapter, alignment, tagger
from workers.encoder import Encoder
from workers.learner import Fitted, predict
from workers.recipe import Recipe

# PEFT asks transformers for a property that it renames.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")

LORA = Recipe(rate=1e-2, batch=32)
LABELS = ["animals", "numbers", "weather"]
LINEAGE = {"campaign": "c1", "round": 3, "label_version": 17}
METRICS = {"holdout": {"accuracy": 0.9}}


@pytest.fixture(scope="module")
def fitted(tiny: Encoder, labeled: tuple[list[str], NDArray[np.int64]]) -> Fitted:
    texts, labels = labeled
    return fit(tiny, tiny.tokenize(texts), labels, np.ones(90, np.float32), 3, seed=4, recipe=LORA)


@pytest.fixture
def folder(fitted: Fitted, tmp_path: Path) -> Path:
    adapter.save(fitted, tmp_path / "adapter", LABELS, LINEAGE, METRICS)
    return tmp_path / "adapter"


def plain_probabilities(folder: Path, texts: list[str]) -> NDArray[np.float32]:
    """How anybody uses an adapter: transformers, peft and safetensors, nothing of this project."""
    card = json.loads((folder / "postil.json").read_text())
    head = {name: torch.from_numpy(array) for name, array in load_file(folder / "head.safetensors").items()}
    base = card["lineage"]["base"]["model"]
    model = PeftModel.from_pretrained(AutoModel.from_pretrained(base), folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(base)
    batch = tokenizer(
        texts, truncation=True, max_length=card["max_length"], padding=True, return_tensors="pt"
    )
    mask = batch["attention_mask"].unsqueeze(-1)

    def embed() -> torch.Tensor:
        pooled = (model(**batch).last_hidden_state * mask).sum(1) / mask.sum(1)
        return torch.nn.functional.normalize(pooled, dim=1)

    with torch.no_grad():
        adapted = embed()
        with model.disable_adapter():
            both = torch.cat([adapted, embed()], dim=1)
        logits = card["scale"] * (both @ head["weight"].T + head["bias"])
        return torch.softmax(logits / card["temperature"], dim=1).numpy()


def test_plain_transformers_and_peft_reproduce_the_probabilities(
    tiny: Encoder, fitted: Fitted, folder: Path
) -> None:
    texts = ["the old cat", "", "log of the prime root", "snow " * 40]
    expected = predict(tiny, fitted, tiny.tokenize(texts)).probabilities

    assert plain_probabilities(folder, texts) == pytest.approx(expected, abs=1e-5)
    assert np.ptp(expected) > 0.5


def test_the_same_with_other_architectures(
    other: Encoder, labeled: tuple[list[str], NDArray[np.int64]], tmp_path: Path
) -> None:
    texts, labels = labeled
    trained = fit(other, other.tokenize(texts[:60]), labels[:60], np.ones(60, np.float32), 3, 0, LORA)
    adapter.save(trained, tmp_path / "adapter", LABELS, LINEAGE, METRICS)

    assert trained.metrics["lora"]["rows"] > 0
    expected = predict(other, trained, other.tokenize(texts[60:70])).probabilities
    assert plain_probabilities(tmp_path / "adapter", texts[60:70]) == pytest.approx(expected, abs=1e-4)
    loaded, _ = adapter.load(other, tmp_path / "adapter")
    again = predict(other, loaded, other.tokenize(texts[60:70])).probabilities
    assert again == pytest.approx(expected, abs=1e-6)


def test_the_same_with_a_real_encoder(minilm: Encoder, tmp_path: Path) -> None:
    texts = ["my card was stolen", "where is my parcel", "the app crashes at start, and then once more"]
    tokens = minilm.tokenize(texts)
    linear = fit(minilm, tokens, np.arange(3), np.ones(3, np.float32), 3, seed=0)
    noise = torch.Generator().manual_seed(0)
    lora = {
        name: tuple(torch.randn(matrix.shape, generator=noise) / 20 for matrix in pair)
        for name, pair in linear.lora.items()
    }
    weight = linear.weight.copy()
    weight[:, : minilm.dimension] = weight[:, minilm.dimension :]
    adapted = replace(linear, lora=lora, weight=weight)
    adapter.save(adapted, tmp_path / "adapter", LABELS, LINEAGE, METRICS)

    expected = predict(minilm, adapted, tokens).probabilities
    assert np.abs(expected - predict(minilm, linear, tokens).probabilities).max() > 0.01
    assert plain_probabilities(tmp_path / "adapter", texts) == pytest.approx(expected, abs=1e-4)


def plain_spans(folder: Path, text: str) -> list[tuple[int, int, str]]:
    """The same for spans: each token has its likeliest tag, and one that goes on with nothing begins a span."""
    card = json.loads((folder / "postil.json").read_text())
    head = {name: torch.from_numpy(array) for name, array in load_file(folder / "head.safetensors").items()}
    base = card["lineage"]["base"]["model"]
    model = PeftModel.from_pretrained(AutoModel.from_pretrained(base), folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(base)
    batch = tokenizer(
        text,
        truncation=True,
        max_length=card["max_length"],
        return_tensors="pt",
        return_offsets_mapping=True,
    )
    offsets = batch.pop("offset_mapping")[0].tolist()
    with torch.no_grad():
        states = torch.nn.functional.normalize(model(**batch).last_hidden_state[0], dim=1)
    tags = (states @ head["weight"].T + head["bias"]).argmax(dim=1).tolist()
    spans: list[tuple[int, int, str]] = []
    before = "O"
    for (start, end), number in zip(offsets, tags, strict=True):
        tag = card["tags"][number] if end > start else "O"
        if tag.startswith("I-") and before[2:] == tag[2:]:
            spans[-1] = (spans[-1][0], end, tag[2:])
        elif tag != "O":
            spans.append((start, end, tag[2:]))
        before = tag
    return spans


SPANS = Recipe(upper=False, rate=1e-2, batch=8)


@pytest.fixture(scope="module")
def spans() -> tuple[list[str], list[list[alignment.Span]]]:
    """Animals are spans; so are kinds of weather, with the word after them."""
    words = ["cat", "dog", "cow", "hen"]
    texts = [f"the old {word} was in a {wind} of" for word in words for wind in ("rain", "fog", "sun")]
    answers = [[(8, 11, 0), (text.index(" a ") + 3, len(text), 2)] for text in texts]
    return texts, answers


def test_plain_transformers_and_peft_find_the_spans(
    other: Encoder, spans: tuple[list[str], list[list[alignment.Span]]], tmp_path: Path
) -> None:
    texts, answers = spans
    trained = tagger.fit(other, texts, answers, np.ones(len(texts), np.float32), 3, seed=0, recipe=SPANS)
    adapter.save(trained, tmp_path / "adapter", LABELS, LINEAGE, METRICS)
    loaded, manifest = adapter.load(other, tmp_path / "adapter")

    asked = [texts[0], "", texts[7]]
    found = tagger.predict(other, trained, asked).spans
    expected = [
        [(start, end, LABELS[label]) for row, start, end, label in found.rows.tolist() if row == at]
        for at in range(len(asked))
    ]
    assert [plain_spans(tmp_path / "adapter", text) for text in asked] == expected
    assert expected[2] == [(8, 11, "animals"), (21, 27, "weather")]
    assert tagger.predict(other, loaded, asked).spans.rows.tolist() == found.rows.tolist()
    assert manifest["problem"] == "spans"
    assert manifest["tags"][:4] == ["O", "B-animals", "I-animals", "B-numbers"]


def test_a_tagger_that_was_saved_comes_back(
    tiny: Encoder, spans: tuple[list[str], list[list[alignment.Span]]], tmp_path: Path
) -> None:
    texts, answers = spans
    trained = tagger.fit(tiny, texts, answers, np.ones(len(texts), np.float32), 3, seed=5)
    adapter.save(trained, tmp_path / "adapter", LABELS, LINEAGE, METRICS)
    loaded, manifest = adapter.load(tiny, tmp_path / "adapter")

    assert loaded.weight.tolist() == trained.weight.tolist()
    assert loaded.bias.tolist() == trained.bias.tolist()
    assert all(
        a.equal(loaded.lora[n][0]) and b.equal(loaded.lora[n][1]) for n, (a, b) in trained.lora.items()
    )
    assert (loaded.temperature, loaded.recipe, loaded.seed) == (trained.temperature, trained.recipe, 5)
    assert loaded.words
    assert loaded.metrics == trained.metrics == manifest["metrics"]["training"]
    with pytest.raises(Invalid, match="2 labels for a head of 3 classes"):
        adapter.save(trained, tmp_path / "other", LABELS[:2], {}, {})


def test_what_was_saved_comes_back(tiny: Encoder, fitted: Fitted, folder: Path) -> None:
    loaded, manifest = adapter.load(tiny, folder)

    assert loaded.weight.tolist() == fitted.weight.tolist()
    assert loaded.bias.tolist() == fitted.bias.tolist()
    assert loaded.lora.keys() == fitted.lora.keys()
    assert all(a.equal(loaded.lora[n][0]) and b.equal(loaded.lora[n][1]) for n, (a, b) in fitted.lora.items())
    assert (loaded.temperature, loaded.recipe, loaded.seed) == (fitted.temperature, fitted.recipe, 4)
    assert loaded.metrics == fitted.metrics
    assert manifest["labels"] == LABELS
    assert manifest["metrics"] == {**METRICS, "training": fitted.metrics}
    assert manifest["lineage"]["label_version"] == 17
    assert manifest["lineage"]["base"] == {"model": tiny.name, "key": tiny.key}
    assert manifest["lineage"]["packages"].keys() >= {"torch", "transformers", "peft"}


def test_the_folder_holds_safetensors_and_json_alone(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "head.safetensors",
        "postil.json",
    ]
    assert [path.name for path in folder.parent.iterdir()] == ["adapter"]


def test_an_adapter_is_written_once(fitted: Fitted, folder: Path, tmp_path: Path) -> None:
    before = (folder / "postil.json").read_bytes()

    with pytest.raises(Conflict, match="exists already"):
        adapter.save(fitted, folder, LABELS, {}, {})
    assert (folder / "postil.json").read_bytes() == before
    (tmp_path / "empty").mkdir()
    adapter.save(fitted, tmp_path / "empty", LABELS, {}, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "empty"]


def test_labels_are_named_once_each(fitted: Fitted, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="2 labels for a head of 3 classes"):
        adapter.save(fitted, tmp_path / "adapter", LABELS[:2], {}, {})


def test_another_base_is_refused(tiny: Encoder, folder: Path) -> None:
    manifest = json.loads((folder / "postil.json").read_text())
    manifest["lineage"]["base"] = {"model": "somebody/else", "key": "0123"}
    (folder / "postil.json").write_text(json.dumps(manifest))

    with pytest.raises(Invalid, match="trained on somebody/else with key 0123"):
        adapter.load(tiny, folder)


def test_another_format_is_refused(tiny: Encoder, folder: Path) -> None:
    (folder / "postil.json").write_text('{"format": 99}')

    with pytest.raises(Invalid, match="has format 99, not 3"):
        adapter.load(tiny, folder)


@pytest.mark.parametrize("file", ["postil.json", "head.safetensors", "adapter_model.safetensors"])
def test_a_missing_or_broken_file_is_named(tiny: Encoder, folder: Path, file: str) -> None:
    (folder / file).write_bytes(b"no")
    with pytest.raises(Invalid, match="holds no whole adapter"):
        adapter.load(tiny, folder)

    (folder / file).unlink()
    with pytest.raises(Invalid, match="holds no whole adapter"):
        adapter.load(tiny, folder)


def test_a_head_of_other_labels_is_refused(tiny: Encoder, folder: Path) -> None:
    save_file(
        {"weight": np.zeros((2, 64), np.float32), "bias": np.zeros(2, np.float32)},
        folder / "head.safetensors",
    )

    with pytest.raises(Invalid, match=r"head bias in .* has shape \(2,\), and .* with 3 labels needs \(3,\)"):
        adapter.load(tiny, folder)


def test_lora_of_another_shape_is_refused(tiny: Encoder, folder: Path) -> None:
    tensors = load_file(folder / "adapter_model.safetensors")
    name = next(name for name in tensors if name.endswith("lora_A.weight"))
    save_file({**tensors, name: np.zeros((4, 32), np.float32)}, folder / "adapter_model.safetensors")

    with pytest.raises(Invalid, match=r"lora_A.weight in .* has shape \(4, 32\)"):
        adapter.load(tiny, folder)
