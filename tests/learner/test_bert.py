from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, CamembertConfig, PretrainedConfig, RobertaConfig, XLMRobertaConfig

from tests.learner.conftest import SIZES, build_encoder
from workers import bert
from workers.bert import SHORT, Bert
from workers.device import Device
from workers.encoder import Encoder

LONG = {**SIZES, "max_position_embeddings": 2 * SHORT + 2}
KINDS: dict[str, PretrainedConfig] = {
    "bert": BertConfig(**LONG),
    "roberta": RobertaConfig(**LONG, type_vocab_size=1),
    "xlm-roberta": XLMRobertaConfig(**LONG, type_vocab_size=1),
    "camembert": CamembertConfig(**LONG, type_vocab_size=1),
}


@pytest.fixture(scope="module", params=KINDS)
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    folder = tmp_path_factory.mktemp(request.param)
    return Encoder.load(str(build_encoder(folder, KINDS[request.param])))


def batch(*lengths: int) -> tuple[Tensor, Tensor]:
    """(ids, mask) of texts with so many tokens."""
    longest = max(lengths)
    mask = torch.arange(longest) < torch.tensor(lengths)[:, None]
    ids = torch.randint(4, SIZES["vocab_size"], mask.shape, generator=torch.Generator().manual_seed(0))
    return ids.where(mask, torch.tensor(0)), mask


def by_transformers(model: nn.Module, ids: Tensor, mask: Tensor) -> Tensor:
    found: Tensor = model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
    return found


@pytest.mark.parametrize("lengths", [(7, 7, 7), (9, 8, 3, 1), (SHORT, SHORT - 1, 2), (2 * SHORT, 5)])
def test_outputs_are_those_of_transformers(encoder: Encoder, lengths: tuple[int, ...]) -> None:
    ids, mask = batch(*lengths)

    assert bert.fits(encoder.model)
    with torch.inference_mode():
        expected, found = by_transformers(encoder.model, ids, mask), Bert.of(encoder.model)(ids, mask)
    assert found.shape == expected.shape
    torch.testing.assert_close(found[mask], expected[mask], atol=2e-5, rtol=0)


@pytest.mark.parametrize("times", [1e3, 1e5])
def test_scores_beyond_what_exp_can_take(encoder: Encoder, times: float) -> None:
    """Without its row's maximum taken off, exp is infinite of some and zero of all others."""
    ids, mask = batch(9, 8, 3)
    name = "encoder.layer.0.attention.self.query.weight"
    weights = {name: times * encoder.model.get_parameter(name)}

    with torch.inference_mode():
        found = Bert.of(encoder.model, weights)(ids, mask)
        kept = encoder.model.get_parameter(name).clone()
        encoder.model.get_parameter(name).copy_(weights[name])
        expected = by_transformers(encoder.model, ids, mask)
        encoder.model.get_parameter(name).copy_(kept)
        as_it_was = by_transformers(encoder.model, ids, mask)
    torch.testing.assert_close(found[mask], expected[mask], atol=1e-4, rtol=0)
    assert (found - as_it_was)[mask].abs().max() > 0.01


def test_bfloat16_is_rounded_as_by_transformers(encoder: Encoder) -> None:
    rounded = Encoder.load(encoder.name, Device("cpu", torch.bfloat16, 2_048))
    ids, mask = batch(9, 8, 3)

    with torch.inference_mode():
        exact = by_transformers(encoder.model, ids, mask)[mask]
        found = Bert.of(rounded.model)(ids, mask)[mask]
        theirs = by_transformers(rounded.model, ids, mask)[mask]
    assert found.dtype == torch.bfloat16
    assert (found - exact).abs().mean() < 1.5 * (theirs - exact).abs().mean()


def test_what_differs_from_bert_is_left_to_transformers(other: Encoder, tmp_path: Path) -> None:
    config = BertConfig(**SIZES, hidden_act="relu")
    relu = Encoder.load(str(build_encoder(tmp_path, config)))

    assert bert.fits(other.model) == (other.model.config.model_type == "roberta")
    assert not bert.fits(relu.model)
    for encoder in (other, relu):
        ids, mask = batch(9, 3)
        with torch.inference_mode():
            expected, found = by_transformers(encoder.model, ids, mask), encoder.scorer()(ids, mask)
        torch.testing.assert_close(found[mask], expected[mask], atol=2e-5, rtol=0)
