"""Audits: the numbers by hand, and a whole one on a real store, real shards and a tiny encoder."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from transformers import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel

from service import audit
from service.audit import Audit
from service.cli.audit import lines
from service.measure import intervals
from service.records import Example
from service.rounds.advance import advance
from service.store import campaigns, jobs, labels
from service.store.campaigns import NewCampaign
from service.store.labels import Revision
from tests.filling import answer, fill, seal
from tests.learner.conftest import build_encoder
from workers import door, unlikely
from workers.context import Context

LABELS = ["money", "travel", "never seen"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_encoder(tmp_path_factory.mktemp("audit") / "model")


def work(context: Context) -> None:
    while door.work(context, "gpu") or door.work(context, "cpu"):
        pass


def made(context: Context, id_: str) -> Audit:
    with context.database.transaction() as connection:
        before = jobs.of_kind(connection, id_, "audit")
        jobs.add(connection, jobs.NewJob(id_, f"audit:{len(before)}", "audit", "gpu", slot="audit"))
    work(context)
    with context.database.reading() as connection:
        newest = jobs.of_kind(connection, id_, "audit")[-1]
    assert newest.state == "done", newest.error
    return msgspec.convert(newest.result, Audit)


def test_a_pool_before_a_single_label_and_with_some(context: Context, model: Path) -> None:
    """Given 60 English texts in two domains, one of them far longer, two in another language and three that repeat
    another, then all of these are found; with labels, of which some are in doubt and some disputed, so are those."""
    english = [
        f"please tell me what happened to the payment that I made on day {day} of this month"
        for day in range(28)
    ]
    english += [
        f"the train number {day} to the north of the country leaves late in the evening" for day in range(28)
    ]
    repeats = [f"{text.upper()} !" for text in english[:3]]
    strange = [
        "wann fährt denn bitte der nächste Zug in den Norden des Landes ab",
        "ich möchte gerne wissen, was mit meiner Überweisung geschehen ist",
    ]
    long = ["the money and the train and the day of the month and the payment " * 60]
    texts = [*english, *repeats, *strange, *long]
    with context.database.transaction() as connection:
        id_ = campaigns.create(connection, NewCampaign("one", LABELS, str(model), seed=3)).id
        campaigns.change(connection, id_, paused=True)
        pool = [Example(text, domain="bank" if at < 28 else "rail") for at, text in enumerate(texts)]
        fill(connection, context.files, id_, pool)
        seal(connection, context.files, id_)
        advance(connection, id_)
    work(context)

    first = made(context, id_)
    assert first.examples == len(texts)
    assert first.duplicates.near is not None
    assert first.duplicates.near.value >= 3 / len(texts)
    assert first.duplicates.clusters[0].examples >= 2
    assert (first.lengths.outliers, first.lengths.examples[0].value) == (1, len(long[0]))
    assert [group.name for group in first.languages.balance.groups] == ["en", "de"]
    assert sorted(one.text for one in first.languages.examples) == sorted(strange)
    assert [(one.name, one.examples) for one in first.domains.groups] == [("rail", 34), ("bank", 28)]
    assert first.likelihood.reason is not None
    assert "without a language-model head" in first.likelihood.reason
    assert (first.round, first.information, first.labels.noise) == (None, None, None)
    assert [one.what for one in first.advice] == ["label", "other texts", "sort by language"]

    with context.database.transaction() as connection:
        answer(connection, id_, {row: {1: "money", 2: "money" if row else "travel"} for row in range(10)})
        answer(connection, id_, {row: {1: "travel"} for row in range(30, 40)})
        known = {row.row: row.version for row in labels.current(connection, id_)}
        sure = [Revision(known[row], "money", 1.0, 1.0, "") for row in range(10)]
        doubt = [Revision(known[row], "travel", 0.3, 0.2, "") for row in range(30, 40)]
        labels.revise(connection, id_, sure + doubt)
    then = made(context, id_)
    assert then.labels.noise is not None
    assert then.labels.noise.value == pytest.approx(0.4)
    assert then.labels.suspects == 10
    assert {one.words for one in then.labels.examples[:10]} == {"travel"}
    assert then.labels.unseen == ["never seen"]
    assert then.labels.alpha is not None
    assert set(then.labels.per_class) == {"money", "travel"}
    assert then.information is not None
    signal = then.information.signal.value
    assert then.information.value.value == pytest.approx(20 * 0.6 * signal)
    assert then.information.value.low < then.information.value.value < then.information.value.high
    assert then.information.teacher.startswith("nobody")
    assert [one.what for one in then.advice][:2] == ["more labels of rare classes", "other texts"]
    for found, some in (
        (first, ["62 different texts", "Labels: none"]),
        (
            then,
            [
                "Labels: money 10, travel 10, never seen 0; evenness 0.63",
                "10 more probably wrong than right",
            ],
        ),
    ):
        said = "\n".join(lines(msgspec.to_builtins(found)))
        assert [words for words in some if words not in said] == [], said
        assert said.count("Advice: ") == len(found.advice)


def test_an_empty_campaign(context: Context, model: Path) -> None:
    with context.database.transaction() as connection:
        id_ = campaigns.create(connection, NewCampaign("one", LABELS, str(model))).id
    found = made(context, id_)
    assert (found.examples, found.lengths.quantiles, found.domains.groups) == (0, [], [])
    assert found.duplicates.exact is None


def test_balance_by_hand() -> None:
    """Shares 3/4 and 1/4 of three groups: (3/4 ln 4/3 + 1/4 ln 4) / ln 3."""
    found = audit.balance({"b": 1, "a": 3}, ["c"])
    assert [(one.name, one.examples) for one in found.groups] == [("a", 3), ("b", 1), ("c", 0)]
    assert found.evenness == pytest.approx((0.75 * np.log(4 / 3) + 0.25 * np.log(4)) / np.log(3))
    assert audit.balance({"a": 3}).evenness is None
    assert audit.balance({}, ["a"]).groups == []


def test_lengths_by_hand() -> None:
    """Quartiles 90 and 110: beyond 110 · (110 / 90)³ = 200.8 and below 90 · (90 / 110)³ = 49.3 a text is far out."""
    lengths = np.array([90] * 30 + [110] * 30 + [40, 200, 300, 50])
    quantiles, at = audit.far_out(lengths)
    assert quantiles[1:4] == [90, 100, 110]
    assert lengths[at].tolist() == [300, 40]
    assert audit.far_out(np.array([100] * 9 + [130, 140]))[1].tolist() == [10], (
        "all alike: a third more is far"
    )


def test_information_by_hand() -> None:
    """100 labels, wrong with .1 and .3, signals .5 and .7: 100 · .8 · .6."""
    rng = np.random.default_rng(0)
    found = audit.information(np.array([0.1, 0.3]), np.array([0.5, 0.7]), 100, "me", rng)
    assert found is not None
    assert found.value.value == pytest.approx(48)
    assert found.value.low == pytest.approx(100 * 0.7 * 0.5)
    assert found.value.high == pytest.approx(100 * 0.9 * 0.7)
    unknown = audit.information(np.empty(0), np.array([0.5]), 10, "me", rng)
    assert unknown is not None
    assert (unknown.noise, unknown.value.value) == (None, 5)
    assert audit.information(np.empty(0), np.array([0.5]), 0, "me", rng) is None


def plain(**changes: Any) -> dict[str, Any]:
    """What gives no advice."""
    values: dict[str, Any] = {
        "duplicates": audit.Duplicates(None, intervals.share(1, 100), []),
        "languages": audit.Languages(100, audit.balance({"en": 100}), []),
        "labels": audit.Labels(audit.balance({"a": 9}), [], None, {}, None, 0, []),
        "information": audit.information(np.empty(0), np.array([0.5]), 9, "me", np.random.default_rng(0)),
        "accuracies": [],
        "weighed": True,
        "outlook": None,
    }
    return values | changes


def test_advice_has_its_reason() -> None:
    assert audit.advise(**plain()) == []
    doubted = audit.mean(np.full(9, 0.4), np.random.default_rng(0))
    suspects = [audit.Text("1", "text", 0.1, "a")]
    noisy = audit.Labels(audit.balance({"a": 9}), [], None, {}, doubted, 3, suspects)
    (cleaner,) = audit.advise(**plain(labels=noisy))
    assert cleaner.what == "cleaner labels"
    assert "repairs 0.90 of a label, a new answer brings 0.60" in cleaner.why
    found = audit.advise(**plain(labels=noisy, accuracies=[0.9, 0.6], weighed=False))
    assert [one.what for one in found] == ["cleaner labels", "weights"]
    assert audit.advise(**plain(outlook=(0.012, 0.03)))[0].why == "100 more are expected to bring 1.2 points"
    (compute,) = audit.advise(**plain(outlook=(0.001, 0.03)))
    assert compute.what == "more compute"
    (strange,) = audit.advise(**plain(languages=audit.Languages(9, audit.balance({"en": 9, "de": 1}), [])))
    assert strange.what == "sort by language"


def test_pseudo_perplexity_by_hand(model: Path, tmp_path: Path) -> None:
    """Heads whose logits are the same for every token find each as likely: the vocabulary's size."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.add_special_tokens({"mask_token": "[MASK]"})
    size = len(tokenizer)
    masked = BertForMaskedLM(
        BertConfig(
            vocab_size=size, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
        )
    )
    causal = GPT2LMHeadModel(GPT2Config(vocab_size=size, n_positions=64, n_embd=8, n_layer=1, n_head=1))
    for name, network in (("masked", masked), ("causal", causal)):
        for parameter in network.parameters():
            parameter.data.zero_()
        network.save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
        found = unlikely.perplexities(str(tmp_path / name), ["the cat sat on the mat", ""])
        assert found[0] == pytest.approx(size, rel=1e-4)
        assert np.isnan(found[1])
    with pytest.raises(unlikely.NoHead, match="BertModel"):
        unlikely.perplexities(str(model), ["text"])
