"""Several devices; here each of them is the CPU."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.learner.conftest import fit
from workers import lora, tagger
from workers.device import Device
from workers.encoder import Encoder
from workers.learner import predict
from workers.recipe import Recipe

RECIPE = Recipe(rate=1e-2, batch=32)
SMALL = Device("cpu", torch.float32, 32)


@pytest.fixture
def three(tiny: Encoder, monkeypatch: pytest.MonkeyPatch) -> Encoder:
    """Three devices, of which each takes its share of a batch however small."""
    monkeypatch.setattr(lora, "SHARE_TOKENS", 1)
    return Encoder.load(tiny.name, SMALL, SMALL, SMALL)


@pytest.fixture
def trained_on(three: Encoder) -> Iterator[Counter[int]]:
    """Device -> texts that its model was given for training."""
    texts: Counter[int] = Counter()

    def count(at: int) -> torch.utils.hooks.RemovableHandle:
        def counted(_: torch.nn.Module, args: object, kwargs: dict[str, torch.Tensor]) -> None:
            texts[at] += len(kwargs["input_ids"])

        return three.everywhere[at].model.register_forward_pre_hook(counted, with_kwargs=True)

    hooks = [count(at) for at in range(3)]
    yield texts
    for hook in hooks:
        hook.remove()


def ones(n: int) -> NDArray[np.float32]:
    return np.ones(n, np.float32)


def test_batches_go_round_the_devices_and_come_in_order(three: Encoder) -> None:
    assert [on.device for on in three.everywhere] == [SMALL] * 3
    assert len({id(on.model) for on in three.everywhere}) == 3
    begun: list[int] = []

    def one(on: Encoder, rows: NDArray[np.int64], _: object) -> tuple[Encoder, bool]:
        begun.append(int(rows[0]))
        return on, torch.is_inference_mode_enabled()

    given = []
    for rows, (on, free) in three.over([np.array([at]) for at in range(7)], one):
        given.append((int(rows[0]), next(at for at in range(3) if three.everywhere[at] is on)))
        assert free
        assert len(begun) == min(7, len(given) + 2)
    assert given == [(0, 0), (1, 1), (2, 2), (3, 0), (4, 1), (5, 2), (6, 0)]


def test_embeddings_and_probabilities_are_those_of_one(
    tiny: Encoder, three: Encoder, labeled: tuple[list[str], NDArray[np.int64]]
) -> None:
    texts, labels = labeled
    tokens = tiny.tokenize(texts)
    one = Encoder.load(tiny.name, SMALL)
    assert three.key == one.key
    assert three.embed(tokens).tolist() == one.embed(tokens).tolist()
    fitted = fit(one, tokens, labels, ones(len(texts)), 3, 0, RECIPE)
    assert not fitted.frozen
    assert (
        predict(three, fitted, tokens).probabilities.tolist()
        == predict(one, fitted, tokens).probabilities.tolist()
    )


def test_gradients_are_those_of_one(tiny: Encoder, three: Encoder, trained_on: Counter[int]) -> None:
    tokens = tiny.tokenize(
        ["the cat", "snow", "root of the cube and log", "fog and rain", "a vote", "tax", "the law"]
    )

    def gradients(encoder: Encoder) -> list[torch.Tensor]:
        matrices = lora.matrices(encoder, RECIPE, torch.Generator().manual_seed(0))
        parameters = [p.requires_grad_() for pair in matrices.values() for p in pair]
        with torch.no_grad():
            for _, b in matrices.values():
                b += 0.1
        e = lora.spread(encoder, matrices, RECIPE, tokens.lengths, lambda on, rows: on.forward(tokens, rows))
        assert e.shape == (7, encoder.dimension)
        (e * torch.arange(7.0)[:, None]).square().sum().backward()
        return [parameter.grad for parameter in parameters if parameter.grad is not None]

    expected, found = gradients(tiny), gradients(three)
    assert len(expected) == len(found) > 0
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5)
    assert trained_on == {0: 3, 1: 2, 2: 2}


def test_training_on_three_is_training_on_one(
    tiny: Encoder, three: Encoder, trained_on: Counter[int], labeled: tuple[list[str], NDArray[np.int64]]
) -> None:
    texts, labels = labeled
    tokens = tiny.tokenize(texts)
    one, other = (fit(encoder, tokens, labels, ones(len(texts)), 3, 0, RECIPE) for encoder in (tiny, three))
    assert one.metrics["lora"]["share"] == other.metrics["lora"]["share"] > 0
    found = predict(tiny, other, tokens).probabilities
    assert found == pytest.approx(predict(tiny, one, tokens).probabilities, abs=0.02)
    assert set(trained_on) == {0, 1, 2}
    assert max(trained_on.values()) < 0.4 * trained_on.total()


def test_a_tagger_trains_on_three(tiny: Encoder, three: Encoder, trained_on: Counter[int]) -> None:
    texts = [
        "the cat sat",
        "a dog ran",
        "fog",
        "the cat and the dog",
        "cat",
        "snow and rain",
        "dog",
        "log",
    ] * 6
    spans = [[(t.index(w), t.index(w) + 3, k) for k, w in enumerate(("cat", "dog")) if w in t] for t in texts]
    one, other = (tagger.fit(encoder, texts, spans, ones(len(texts)), 2, 0) for encoder in (tiny, three))
    assert other.metrics["held"]["texts"] == one.metrics["held"]["texts"] > 0
    expected, found = tagger.predict(tiny, one, texts), tagger.predict(three, other, texts)
    assert len(expected.spans.rows) > 0
    assert found.spans.rows.tolist() == expected.spans.rows.tolist()
    assert found.token_uncertainty == pytest.approx(expected.token_uncertainty, abs=0.05)
    assert set(trained_on) == {0, 1, 2}


def test_a_short_batch_stays_on_one(tiny: Encoder) -> None:
    encoder = Encoder.load(tiny.name, SMALL, SMALL)
    lengths = np.full(8, lora.SHARE_TOKENS // 8)
    matrices = lora.matrices(encoder, RECIPE, torch.Generator())
    seen: list[Encoder] = []

    def one(on: Encoder, rows: NDArray[np.int64]) -> torch.Tensor:
        seen.append(on)
        return torch.from_numpy(rows)

    assert lora.spread(encoder, matrices, RECIPE, lengths, one).tolist() == list(range(8))
    assert lora.spread(encoder, matrices, RECIPE, 2 * lengths, one).tolist() == list(range(8))
    assert seen == [encoder, *encoder.everywhere]
