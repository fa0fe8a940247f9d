import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from service.errors import Invalid
from service.measure import spans as measure
from tests.learner.conftest import FILLER, TOPICS
from workers import tagger
from workers.alignment import Span
from workers.encoder import Encoder
from workers.recipe import Recipe
from workers.tagger import Tagger, fit, predict

QUICK = replace(tagger.RECIPE, rate=1e-2)
"""For the tiny encoder, whose weights are noise."""
Answered = tuple[list[str], list[list[Span]]]


@pytest.fixture(scope="module")
def answered() -> Answered:
    """120 texts in which words of the first topic are spans of class 0, and pairs of the third's are of class 2."""
    rng = np.random.default_rng(0)
    texts, answers = [], []
    for _ in range(120):
        words, spans, at = [], [], 0
        for _ in range(rng.integers(1, 6)):
            kind = rng.integers(4)
            group = {0: TOPICS[0][:1], 2: list(rng.choice(TOPICS[2], 2))}.get(kind, [rng.choice(FILLER)])
            if kind == 0:
                group = [rng.choice(TOPICS[0])]
            length = len(" ".join(group))
            if kind in (0, 2):
                spans.append((at, at + length, int(kind)))
            words += group
            at += length + 1
        texts.append(" ".join(words))
        answers.append(spans)
    return texts, answers


def ones(n: int) -> NDArray[np.float32]:
    return np.ones(n, np.float32)


def f1(rows: NDArray[np.int32], answers: list[list[Span]]) -> float:
    truth = np.array([(at, *span) for at, spans in enumerate(answers) for span in spans], np.int64)
    hits, claimed, true = measure.counts(rows, truth, len(answers), 3).sum(axis=(0, 1))
    return float(2 * hits / (claimed + true))


@pytest.fixture(scope="module")
def fitted(tiny: Encoder, answered: Answered) -> Tagger:
    texts, answers = answered
    return fit(tiny, texts[:90], answers[:90], ones(90), 3, seed=0, recipe=QUICK)


def test_spans_are_learned_from_words(tiny: Encoder, answered: Answered, fitted: Tagger) -> None:
    texts, answers = answered
    found = predict(tiny, fitted, texts[90:])

    assert f1(found.spans.rows, answers[90:]) > 0.7
    assert found.spans.rows.dtype == np.int32
    assert found.spans.confidence.dtype == np.float32
    assert ((found.spans.confidence > 0) & (found.spans.confidence <= 1)).all()
    assert found.spans.rows.tolist() == sorted(found.spans.rows.tolist())
    assert set(found.spans.rows[:, 3]) == {0, 2}
    assert fitted.metrics["held"]["texts"] == 30
    assert fitted.metrics["held"]["f1"] > 0.5
    assert fitted.temperature != 1
    assert fitted.classes == 3
    assert fitted.words
    assert found.rate > 0


def test_the_same_seed_gives_the_same_tagger(tiny: Encoder, answered: Answered, fitted: Tagger) -> None:
    texts, answers = answered
    before = {name: value.clone() for name, value in tiny.model.state_dict().items()}
    again = fit(tiny, texts[:90], answers[:90], ones(90), 3, seed=0, recipe=QUICK)
    other = fit(tiny, texts[:90], answers[:90], ones(90), 3, seed=1, recipe=QUICK)

    assert again.weight.tolist() == fitted.weight.tolist()
    assert all(torch.equal(b, again.lora[name][1]) for name, (_, b) in fitted.lora.items())
    assert (again.temperature, again.metrics) == (fitted.temperature, fitted.metrics)
    assert other.weight.tolist() != fitted.weight.tolist()
    assert all(torch.equal(value, before[name]) for name, value in tiny.model.state_dict().items())


def test_uncertainty_and_confidence_by_hand(tiny: Encoder, fitted: Tagger) -> None:
    """A head that reads nothing: every token's probabilities are those of its bias."""
    probabilities = np.array([0.1, 0.5, 0.4])
    bias = np.log(probabilities) / tagger.RECIPE.scale * 2
    known = replace(
        fitted,
        weight=np.zeros((3, 32), np.float32),
        bias=bias.astype(np.float32),
        temperature=2.0,
        recipe=tagger.RECIPE,
    )
    found = predict(tiny, known, ["the cat", "", "fog"])

    # B B has .25 and is two spans; B I has .2 and O O .01.
    assert found.spans.rows.tolist() == [[0, 0, 3, 0], [0, 4, 7, 0], [2, 0, 3, 0]]
    assert found.spans.confidence == pytest.approx([0.5, 0.5, 0.5], rel=1e-5)
    entropy = -(0.1 * math.log(0.1) + 0.5 * math.log(0.5) + 0.4 * math.log(0.4))
    expected = np.array([[math.log(2), entropy], [0, 0], [math.log(2), entropy]])
    assert found.token_uncertainty == pytest.approx(expected, rel=1e-5)


def test_a_span_of_several_tokens_has_their_geometric_mean() -> None:
    logp = np.log(np.array([0.9, 0.5, 0.125, 0.25], np.float32))
    found = tagger._confidence(logp, np.array([[0, 1], [1, 4]]))

    assert found == pytest.approx([0.9, 0.25], rel=1e-5)


def test_a_head_trained_by_hand_on_two_tokens(tiny: Encoder) -> None:
    """Weights of texts and unknown tags: a text of weight 0 changes nothing."""
    texts, answers = ["the cat", "fog of sun", "old dog"], [[(4, 7, 0)], [(0, 3, 0)], [(4, 7, 0)]]
    weights = np.array([1, 0, 1], np.float32)
    some = fit(tiny, texts[::2], answers[::2], ones(2), 1, seed=0)

    assert fit(tiny, texts, answers, weights, 1, seed=0).weight.tolist() == some.weight.tolist()
    assert predict(tiny, some, texts[::2]).spans.rows.tolist() == [[0, 4, 7, 0], [1, 4, 7, 0]]


def test_texts_without_a_span(tiny: Encoder) -> None:
    told: list[tuple[int, int]] = []
    nothing = fit(
        tiny, ["the cat", "", "fog"], [[], [], []], ones(3), 2, 0, progress=lambda *at: told.append(at)
    )
    found = predict(tiny, nothing, ["the cat", ""])

    assert not nothing.weight[1:].any()
    assert all(not b.any() for _, b in nothing.lora.values())
    assert len(found.spans.rows) == 0
    assert found.spans.rows.shape == (0, 4)
    assert found.token_uncertainty == pytest.approx(np.zeros((2, 2)), abs=1e-6)
    assert told[-1][0] == told[-1][1]


@pytest.mark.parametrize("texts", [[""], ["   "], ["", "\n", "\u200b"]])
def test_texts_without_a_token(tiny: Encoder, texts: list[str]) -> None:
    nothing = fit(tiny, texts, [[] for _ in texts], ones(len(texts)), 1, 0)

    assert len(predict(tiny, nothing, texts).spans.rows) == 0


def test_one_answer(tiny: Encoder) -> None:
    one = fit(tiny, ["the cat was old"], [[(4, 7, 1)]], ones(1), 3, 0)

    assert predict(tiny, one, ["the cat was old"]).spans.rows.tolist() == [[0, 4, 7, 1]]
    assert one.temperature == 1


def test_a_label_without_a_span_is_never_found(tiny: Encoder, answered: Answered, fitted: Tagger) -> None:
    assert (fitted.bias[3:5] == -5).all()
    assert not fitted.weight[3:5].any()


def test_no_text_to_ask(tiny: Encoder, fitted: Tagger) -> None:
    found = predict(tiny, fitted, [])

    assert found.spans.rows.shape == (0, 4)
    assert found.spans.confidence.shape == (0,)
    assert found.token_uncertainty.shape == (0, 2)


def test_long_and_strange_texts(tiny: Encoder, fitted: Tagger) -> None:
    texts = ["cat " * 100, "", "🇩🇪 cafe\u0301 cat", "\x00\ud7ff", "cat"]
    found = predict(tiny, fitted, texts)

    assert {0, 2, 4} <= set(found.spans.rows[:, 0])
    for row, start, end, _ in found.spans.rows.tolist():
        assert texts[row][start:end].strip() == texts[row][start:end] != ""
    long = fit(tiny, ["cat " * 100], [[(0, 3, 0), (396, 399, 0), (0, 7, 0)]], ones(1), 1, 0)
    assert long.metrics["dropped"] == {"overlapping": 1, "cut": 1, "empty": 0}


def test_progress_is_told_to_the_end(tiny: Encoder, answered: Answered) -> None:
    texts, answers = answered
    told: list[tuple[int, int]] = []
    trained = fit(tiny, texts[:40], answers[:40], ones(40), 3, 0, progress=lambda *at: told.append(at))
    asked: list[tuple[int, int]] = []
    predict(tiny, trained, texts, progress=lambda *at: asked.append(at))

    assert [done for done, _ in told] == list(range(1, told[-1][1] + 1))
    assert len({total for _, total in told}) == 1
    assert asked[-1] == (120, 120)


def test_other_architectures_learn_too(other: Encoder, answered: Answered) -> None:
    texts, answers = answered
    trained = fit(other, texts[:60], answers[:60], ones(60), 3, 0, Recipe(upper=False, rate=1e-2, batch=8))

    assert f1(predict(other, trained, texts[90:]).spans.rows, answers[90:]) > 0.5


def test_the_real_encoder_marks_whole_words(minilm: Encoder) -> None:
    drugs = ["hydroxychloroquine", "acetaminophen", "ibuprofen", "metformin"]
    texts = [f"He took {drug} after the operation." for drug in drugs]
    answers = [[(8, 8 + len(drug), 0)] for drug in drugs]
    trained = fit(minilm, texts, answers, ones(4), 1, 0)

    text = "She was given omeprazole, twice."
    found = [text[start:end] for _, start, end, _ in predict(minilm, trained, [text]).spans.rows.tolist()]
    assert len(minilm.tokenizer.tokenize("omeprazole")) > 2
    assert "omeprazole" in " ".join(found).split()
    assert set(" ".join(found).split()) <= set(text.replace(",", " ,").replace(".", " .").split())


def test_parts_of_words_are_found_where_answers_have_them(minilm: Encoder) -> None:
    texts = [f"She was {word} then." for word in ("unhappily", "unwashed", "ungrateful", "unloved")]
    trained = fit(minilm, texts, [[(8, 10, 0)] for _ in texts], ones(4), 1, 0)

    assert not trained.words
    assert predict(minilm, trained, texts[:1]).spans.rows.tolist() == [[0, 8, 10, 0]]


def test_what_does_not_fit_is_refused(tiny: Encoder, minilm: Encoder, fitted: Tagger) -> None:
    with pytest.raises(Invalid, match="1 texts, 2 answers and 1 weights"):
        fit(tiny, ["a"], [[], []], ones(1), 1, 0)
    with pytest.raises(Invalid, match="no label with a weight above zero"):
        fit(tiny, ["a"], [[]], np.zeros(1, np.float32), 1, 0)
    with pytest.raises(Invalid, match="no label with a weight above zero"):
        fit(tiny, [], [], ones(0), 1, 0)
    for span in [(0, 0, 0), (-1, 1, 0), (0, 2, 0), (0, 1, 1)]:
        with pytest.raises(Invalid, match="there is no span"):
            fit(tiny, ["a"], [[span]], ones(1), 1, 0)
    with pytest.raises(Invalid, match="the adapter was trained on"):
        predict(minilm, fitted, ["a"])
