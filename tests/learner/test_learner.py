import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from service.errors import Invalid
from tests.learner.conftest import fit
from workers import baseline, learner, linear, lora
from workers.corpus import Corpus
from workers.device import Device
from workers.encoder import Encoder
from workers.learner import Fitted, predict
from workers.linear import Head, Lesson
from workers.objective import OBJECTIVES
from workers.recipe import Recipe
from workers.tokens import Tokens

Labeled = tuple[list[str], NDArray[np.int64]]


LORA = Recipe(rate=1e-2, batch=32)


def ones(n: int) -> NDArray[np.float32]:
    return np.ones(n, np.float32)


def checksum(encoder: Encoder) -> str:
    digest = hashlib.sha256()
    for tensor in [*encoder.model.state_dict().values(), *encoder.linears.values()]:
        digest.update(tensor.contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()


def accuracy(encoder: Encoder, fitted: Fitted, tokens: Tokens, labels: NDArray[np.int64]) -> float:
    return float((predict(encoder, fitted, tokens).probabilities.argmax(1) == labels).mean())


@pytest.fixture(scope="module")
def fitted(tiny: Encoder, labeled: Labeled) -> Fitted:
    texts, labels = labeled
    return fit(tiny, tiny.tokenize(texts[:60]), labels[:60], ones(60), 3, seed=0, recipe=LORA)


def test_lora_learns_topics_from_words(tiny: Encoder, labeled: Labeled, fitted: Fitted) -> None:
    texts, labels = labeled

    found = fitted.metrics["lora"]
    assert fitted.metrics["linear"]["rows"] == 60
    assert found["rows"] == 20
    assert found["share"] in learner.LORA_SHARES
    assert found["log_loss"]["with"] < found["log_loss"]["without"]
    assert any(bool(b.any()) for _, b in fitted.lora.values())
    assert accuracy(tiny, fitted, tiny.tokenize(texts[60:]), labels[60:]) >= 0.7


def test_the_same_seed_gives_the_same_weights(tiny: Encoder, labeled: Labeled, fitted: Fitted) -> None:
    texts, labels = labeled
    tokens = tiny.tokenize(texts[:60])
    again = fit(tiny, tokens, labels[:60], ones(60), 3, seed=0, recipe=LORA)
    other = fit(tiny, tokens, labels[:60], ones(60), 3, seed=1, recipe=LORA)

    assert again.weight.tolist() == fitted.weight.tolist()
    assert again.temperature == fitted.temperature
    assert again.metrics == fitted.metrics
    for name, (a, b) in fitted.lora.items():
        assert a.equal(again.lora[name][0])
        assert b.equal(again.lora[name][1])
    assert other.weight.tolist() != fitted.weight.tolist()


def test_a_curriculum_learns_as_well(tiny: Encoder, labeled: Labeled, fitted: Fitted) -> None:
    texts, labels = labeled
    easy = replace(LORA, curriculum=True)
    found = fit(tiny, tiny.tokenize(texts[:60]), labels[:60], ones(60), 3, seed=0, recipe=easy)

    assert found.metrics["lora"]["share"] > 0
    assert found.weight.tolist() != fitted.weight.tolist()
    assert accuracy(tiny, found, tiny.tokenize(texts[60:]), labels[60:]) >= 0.7


def test_lora_is_shown_trusted_and_easy_labels_first(
    tiny: Encoder, labeled: Labeled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wrong labels have the greater held-out loss, and doubted ones less weight: both come late."""
    texts, labels = labeled
    wrong, weights = labels[:60].copy(), ones(60)
    wrong[:6] = (wrong[:6] + 1) % 3
    weights[6:12] = 0.3
    orders = []
    train = lora.train
    monkeypatch.setattr(lora, "train", lambda *said: orders.append(said[-1]) or train(*said))
    fit(tiny, tiny.tokenize(texts[:60]), wrong, weights, 3, seed=0, recipe=replace(LORA, curriculum=True))

    whole = orders[-1].tolist()
    assert sorted(whole) == list(range(60))
    ranks = np.argsort(whole)
    assert ranks[:6].mean() > ranks[12:].mean() + 5
    assert ranks[6:12].mean() > ranks[12:].mean() + 5


def test_balance_gives_rare_classes_the_same_say(tiny: Encoder, labeled: Labeled) -> None:
    texts, labels = labeled
    at = np.concatenate([np.flatnonzero(labels == 0)[:20], np.flatnonzero(labels == 1)[:4]])
    plain, even = (
        fit(
            tiny,
            tiny.tokenize([texts[one] for one in at]),
            labels[at],
            ones(24),
            3,
            0,
            Recipe(contest=np.inf, balance=balance),
        )
        for balance in (0.0, 1.0)
    )
    tokens = tiny.tokenize(texts)
    rare = [predict(tiny, one, tokens).probabilities[:, 1].mean() for one in (plain, even)]

    assert rare[1] > rare[0] + 0.05


def test_balanced_weights_by_hand(tiny: Encoder, labeled: Labeled) -> None:
    """Three labels of one class and one of another, two a class in the mean: (2/3, 2/3, 2/3, 2), whose mean is 1."""
    corpus = Corpus(tiny.tokenize(labeled[0][:4]), np.zeros((4, 32), np.float16), None)
    lesson = Lesson(
        OBJECTIVES["single_label"],
        corpus,
        np.arange(4),
        np.array([0, 0, 0, 1]),
        ones(4),
        3,
        Recipe(balance=1.0),
    )

    assert learner._balanced(lesson).tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2])
    # Two texts with a, one of them with b, and two with neither: b, a, none, none of 1, 2, 2, 2 in 5 / 3 classes' mean.
    several = np.array([[1, 1], [1, 0], [0, 0], [0, 0]], np.bool_)
    lesson = replace(lesson, objective=OBJECTIVES["multi_label"], labels=several, classes=2)
    assert learner._balanced(lesson).tolist() == pytest.approx([1.6, 0.8, 0.8, 0.8])


def test_the_encoder_is_bitwise_unchanged(tiny: Encoder, labeled: Labeled) -> None:
    texts, labels = labeled
    tokens = tiny.tokenize(texts)
    before, embedded = checksum(tiny), tiny.embed(tokens)
    for seed in range(2):
        trained = fit(tiny, tokens, labels, ones(90), 3, seed, LORA)
        adapted = predict(tiny, trained, tokens, embeddings=True).embeddings

        assert adapted is not None
        assert not np.allclose(adapted, embedded, atol=0.05)
        assert checksum(tiny) == before
        assert tiny.embed(tokens).tolist() == embedded.tolist()


def test_bfloat16_trains_and_scores_like_float32(tiny: Encoder, labeled: Labeled) -> None:
    texts, labels = labeled
    rounded = Encoder.load(tiny.name, Device("cpu", torch.bfloat16, 2_048))
    tokens, before = tiny.tokenize(texts), checksum(rounded)
    trained = fit(rounded, tokens, labels, ones(90), 3, 0, LORA)

    assert checksum(rounded) == before
    assert trained.metrics["lora"]["share"] > 0
    assert accuracy(rounded, trained, tokens, labels) >= 0.7
    exact = predict(tiny, trained, tokens).probabilities
    assert np.abs(predict(rounded, trained, tokens).probabilities - exact).mean() < 0.02


def test_rows_and_embeddings_in_one_pass(tiny: Encoder, labeled: Labeled, fitted: Fitted) -> None:
    tokens = tiny.tokenize(labeled[0])
    seen: list[tuple[int, int]] = []
    every = predict(tiny, fitted, tokens, embeddings=True)
    some = predict(
        tiny,
        fitted,
        tokens,
        rows=np.array([80, 3, 5], np.int32),
        progress=lambda done, total: seen.append((done, total)),
    )

    assert every.probabilities.dtype == np.float32
    assert every.probabilities.sum(1) == pytest.approx(1)
    assert some.probabilities == pytest.approx(every.probabilities[[80, 3, 5]], abs=1e-5)
    assert some.embeddings is None
    assert seen == [(3, 3)]
    assert every.embeddings is not None
    both = np.hstack([every.embeddings, tiny.embed(tokens)])
    logits = fitted.recipe.scale * (both @ fitted.weight.T + fitted.bias)
    assert baseline.softmax(logits / fitted.temperature) == pytest.approx(every.probabilities, abs=1e-5)
    assert every.seconds > 0
    assert every.rate == pytest.approx(90 / every.seconds)


def test_progress_ends_at_its_total(tiny: Encoder, labeled: Labeled) -> None:
    texts, labels = labeled
    seen: list[tuple[int, int]] = []
    fit(
        tiny,
        tiny.tokenize(texts),
        labels,
        ones(90),
        3,
        0,
        progress=lambda done, total: seen.append((done, total)),
    )

    assert len({total for _, total in seen}) == 1
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1]


def test_the_rate_is_measured_on_a_sample(tiny: Encoder, labeled: Labeled, fitted: Fitted) -> None:
    tokens = tiny.tokenize(labeled[0])
    assert learner.measure_rate(tiny, fitted, tokens, tiny.embed(tokens), np.random.default_rng(0)) > 0


def test_without_lora_it_is_logistic_regression(tiny: Encoder, labeled: Labeled, fitted: Fitted) -> None:
    texts, labels = labeled
    tokens = tiny.tokenize(texts)
    alone = fit(tiny, tokens, labels, ones(90), 3, 0, Recipe(contest=1_000))
    frozen = tiny.embed(tokens)
    answer = predict(tiny, alone, tokens, embeddings=True)

    assert alone.metrics["lora"] == {"share": 0.0}
    assert alone.frozen
    assert not fitted.frozen
    assert answer.embeddings is not None
    assert answer.embeddings.tolist() == frozen.tolist()
    logits = np.log(answer.probabilities) * alone.temperature
    expected = baseline.fit_predict(frozen, labels, ones(90), frozen, 3)
    assert baseline.softmax(logits) == pytest.approx(expected, abs=1e-4)


def test_lora_that_does_clearly_worse_has_no_part(
    tiny: Encoder, labeled: Labeled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a LoRA whose head answers the opposite of logistic regression, then it is left out."""
    texts, labels = labeled

    def opposite(encoder: Encoder, lesson: Lesson, *_: object) -> lora.Adapted:
        head = linear.fit(lesson, np.random.default_rng(0)).head
        none = lora.matrices(encoder, lesson.recipe, torch.Generator())
        return lora.Adapted(none, Head(-9 * head.weight, -9 * head.bias))

    monkeypatch.setattr(lora, "train", opposite)
    trained = fit(tiny, tiny.tokenize(texts), labels, ones(90), 3, 0)
    found = trained.metrics["lora"]
    assert found["log_loss"]["with"] > found["log_loss"]["without"]
    assert found["share"] == 0
    assert trained.frozen


def test_what_an_earlier_fit_found_of_lora_holds_for_a_while(
    tiny: Encoder, labeled: Labeled, fitted: Fitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given what was found on 70 labels, then a fit on 90 trains LoRA once, to the same share and factor; on what was
    found on 60, with other classes or other layers, it measures again."""
    texts, labels = labeled
    tokens, sizes, train = tiny.tokenize(texts), [], lora.train

    def counted(encoder: Encoder, lesson: Lesson, *rest: Any) -> lora.Adapted:
        sizes.append(len(lesson.rows))
        return train(encoder, lesson, *rest)

    monkeypatch.setattr(lora, "train", counted)
    found = fitted.metrics["lora"] | {"labels": 70, "share": 0.25, "factor": 3.0}
    one = fit(tiny, tokens, labels, ones(90), 3, 0, LORA, earlier={"lora": found})
    assert sizes == [90]
    assert one.metrics["lora"] == found
    anew = fit(tiny, tokens, labels, ones(90), 3, 0, LORA)
    assert sizes == [90, 60, 90]
    assert one.temperature == pytest.approx(3 * anew.temperature / anew.metrics["lora"]["factor"])
    none = fit(tiny, tokens, labels, ones(90), 3, 0, LORA, earlier={"lora": found | {"share": 0.0}})
    assert none.frozen
    assert sizes == [90, 60, 90]
    for other in ({"labels": 60}, {"classes": 2}, {"upper": not found["upper"]}):
        fit(tiny, tokens, labels, ones(90), 3, 0, LORA, earlier={"lora": found | other})
    assert sizes == [90, 60, 90] + 3 * [60, 90]
    fit(tiny, tokens, labels, ones(90), 3, 0, LORA, earlier={"lora": {"share": 0.0}})
    assert len(sizes) == 11, "what was never tried is no finding"


def test_embeddings_that_are_there_already_save_a_pass(
    tiny: Encoder, labeled: Labeled, fitted: Fitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts, labels = labeled
    tokens, some = tiny.tokenize(texts), np.array([5, 80])
    base = tiny.embed(tokens)
    alone = fit(tiny, tokens, labels, ones(90), 3, 0, Recipe(contest=1_000))
    expected = predict(tiny, alone, tokens, rows=some).probabilities
    both = predict(tiny, fitted, tokens, rows=some).probabilities
    assert predict(tiny, fitted, tokens, base, some).probabilities == pytest.approx(both, abs=1e-5)

    def never(*_: object) -> None:
        raise AssertionError("a pass through the encoder")

    monkeypatch.setattr(Encoder, "forward", never)
    assert predict(tiny, alone, tokens, base, some).probabilities == pytest.approx(expected, abs=1e-5)


def test_an_adapter_of_another_encoder_is_refused(tiny: Encoder, fitted: Fitted) -> None:
    with pytest.raises(Invalid, match=r"trained on .* \(0000\), not on"):
        predict(tiny, replace(fitted, key="0000"), tiny.tokenize(["cat"]))


# Several labels


def test_several_labels_are_learned_apart(tiny: Encoder, labeled: Labeled) -> None:
    """Given a label for one topic, one for two of them, and one that nothing has, then each is told on its own."""
    texts, topics = labeled
    truth = np.stack([topics == 0, topics != 1, np.zeros(90, bool)], axis=1)
    tokens = tiny.tokenize(texts)
    corpus, rows = Corpus(tokens, tiny.embed(tokens)), np.arange(60)
    made = learner.fit(tiny, corpus, rows, truth[:60], ones(60), 3, 0, LORA, problem="multi_label")
    found = predict(tiny, made, tokens).probabilities

    assert made.thresholds is not None
    right = ((found >= np.array(made.thresholds)) == truth)[:, :2]
    assert right[:60].mean() >= 0.8
    assert right[60:].mean() >= 0.7  # two thirds without looking
    assert made.frozen
    assert found[:, 2].max() < 0.1
    assert found.sum(1).max() > 1.2
    assert made.metrics["linear"]["pseudo_labels"] == 0


# Few labels and odd ones


def test_one_label(tiny: Encoder) -> None:
    tokens = tiny.tokenize(["the cat"])
    one = fit(tiny, tokens, np.array([1]), ones(1), 3, 0)

    assert one.metrics["linear"] == {"names": False, "pseudo_labels": 0.0, "rows": 0}
    assert one.temperature == 1
    assert predict(tiny, one, tokens).probabilities[0] == pytest.approx([0, 1, 0], abs=1e-6)


def test_one_class(tiny: Encoder, labeled: Labeled) -> None:
    tokens = tiny.tokenize(labeled[0])
    one = fit(tiny, tokens, np.full(90, 2), ones(90), 3, 0)

    assert one.frozen
    assert predict(tiny, one, tokens).probabilities[:, 2] == pytest.approx(1)


def test_a_class_without_labels_is_never_predicted(tiny: Encoder, labeled: Labeled) -> None:
    texts, labels = labeled
    tokens = tiny.tokenize(texts)
    some = np.flatnonzero(labels != 1)
    two = fit(tiny, tokens.take(some), labels[some], ones(len(some)), 4, 0)

    probabilities = predict(tiny, two, tokens).probabilities
    assert probabilities.shape == (90, 4)
    assert probabilities[:, [1, 3]].max() < 1e-6
    assert (probabilities.argmax(1) == labels)[some].mean() >= 0.9


def test_more_classes_than_labels(tiny: Encoder) -> None:
    tokens = tiny.tokenize(["cat dog", "sum root", "rain snow"])
    few = fit(tiny, tokens, np.array([7, 40, 2]), ones(3), 50, 0)

    assert predict(tiny, few, tokens).probabilities.argmax(1).tolist() == [7, 40, 2]


def test_classes_of_one_label_each_cannot_be_compared(tiny: Encoder, labeled: Labeled) -> None:
    tokens = tiny.tokenize(labeled[0][:30])
    single = fit(tiny, tokens, np.arange(30), ones(30), 30, 0)

    assert single.metrics["linear"]["rows"] == 0
    assert single.frozen


def test_empty_and_long_texts_are_texts(tiny: Encoder, labeled: Labeled) -> None:
    texts, labels = labeled
    tokens = tiny.tokenize([*texts[:58], "", "cat " * 300])
    odd = fit(tiny, tokens, labels[:60], ones(60), 3, 0)

    assert np.isfinite(predict(tiny, odd, tiny.tokenize(["", "dog " * 300])).probabilities).all()


def test_weight_zero_is_as_if_absent(tiny: Encoder, labeled: Labeled) -> None:
    texts, labels = labeled
    weights = ones(60)
    weights[::4] = 0
    kept = np.flatnonzero(weights)
    tokens = tiny.tokenize(texts[:60])
    # The weightless are wrong on purpose.
    zeroed = fit(tiny, tokens, np.where(weights > 0, labels[:60], 0), weights, 3, 0)
    without = fit(tiny, tokens.take(kept), labels[kept], ones(len(kept)), 3, 0)

    assert zeroed.weight.tolist() == without.weight.tolist()
    with pytest.raises(Invalid, match="no label with a weight above zero"):
        fit(tiny, tokens, labels[:60], np.zeros(60, np.float32), 3, 0)
    with pytest.raises(Invalid, match="no label with a weight above zero"):
        fit(tiny, tokens.take(np.array([], int)), labels[:0], ones(0), 3, 0)


def test_weights_decide_between_contradictions(tiny: Encoder) -> None:
    tokens = tiny.tokenize(["the cat", "the log"] * 40)
    labels = np.array([0, 1] * 20 + [1, 0] * 20)
    weights = np.where(np.arange(80) < 40, 9, 1).astype(np.float32)
    first = fit(tiny, tokens, labels, weights, 2, 0)
    second = fit(tiny, tokens, labels, weights[::-1].copy(), 2, 0)

    assert predict(tiny, first, tokens.take(np.arange(2))).probabilities.argmax(1).tolist() == [0, 1]
    assert predict(tiny, second, tokens.take(np.arange(2))).probabilities.argmax(1).tolist() == [1, 0]


def test_labels_that_do_not_fit_are_named(tiny: Encoder) -> None:
    tokens = tiny.tokenize(["cat", "dog"])

    with pytest.raises(Invalid, match=r"2 texts, 1 labels and 2 weights"):
        fit(tiny, tokens, np.array([0]), ones(2), 2, 0)
    with pytest.raises(Invalid, match=r"labels run from 0 to 2, not within 0\.\.1"):
        fit(tiny, tokens, np.array([0, 2]), ones(2), 2, 0)


# Formulas


def test_logits_scale_the_whole_head() -> None:
    weight, bias = np.array([[1, 0, 2], [0, 1, 0]], np.float32), np.array([0.1, -0.1], np.float32)
    weight = np.hstack([weight, np.array([[0, 0, 3], [1, 0, 0]], np.float32)])
    adapted, own = np.array([[0.6, 0.8, 0.0]], np.float32), np.array([[0.0, 0.0, 1.0]], np.float32)

    assert learner._logits(Recipe(), weight, bias, adapted, own).tolist() == [pytest.approx([74, 14])]
    assert learner._logits(Recipe(), weight, bias, None, own).tolist() == [pytest.approx([62, -2])]


def test_merged_weights_add_alpha_over_rank_times_the_product(tiny: Encoder) -> None:
    name = next(iter(tiny.linears))
    a, b = torch.randn(8, 32), torch.randn(32, 8)

    found = lora.merged(tiny, {name: (a, b)}, Recipe(rank=8, alpha=16))
    assert list(found) == [f"{name}.weight"]
    assert found[f"{name}.weight"].numpy() == pytest.approx(
        (tiny.linears[name] + 2 * b @ a).numpy(), abs=1e-5
    )


def test_folds_share_out_each_class() -> None:
    labels = np.repeat([0, 1, 2], [10, 5, 1])
    folds = linear._folds(labels[:, None] == np.arange(3), 2, np.random.default_rng(0))

    counts = [np.bincount(labels[folds == k], minlength=3).tolist() for k in range(2)]
    assert [sum(pair) for pair in zip(*counts, strict=True)] == [10, 5, 1]
    assert counts[0][0] == counts[1][0] == 5
    assert {counts[0][1], counts[1][1]} == {2, 3}


@pytest.mark.parametrize(("everywhere", "upper"), [(20, False), (21, True)])
def test_all_layers_from_so_many_labels_per_class_on(
    tiny: Encoder, labeled: Labeled, everywhere: float, upper: bool
) -> None:
    """60 labels of 3 classes."""
    texts, labels = labeled
    recipe = Recipe(everywhere=everywhere)
    made = fit(tiny, tiny.tokenize(texts[:60]), labels[:60], ones(60), 3, 0, recipe)
    assert made.recipe.upper is upper
    assert set(made.lora) == set(lora.targets(tiny, upper))


def test_the_upper_half_of_the_layers(tiny: Encoder) -> None:
    assert lora.targets(tiny, upper=False) == list(tiny.linears)
    assert lora.targets(tiny, upper=True) == [name for name in tiny.linears if ".layer.1." in name]


def test_steps_grow_with_the_labels_within_bounds() -> None:
    assert [Recipe().steps(n, pseudo=False) for n in (1, 200, 1_000, 10_000)] == [40, 60, 300, 1_000]
    assert [Recipe().steps(n, pseudo=True) for n in (1, 200, 1_000, 10_000)] == [40, 80, 240, 1_000]
