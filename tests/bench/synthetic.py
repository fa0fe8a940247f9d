"""Synthetic texts: do the filters find bad ones that are planted, and do perturbations help a model of few labels?

    make bench-synthetic DATA=folder [ARGS='--set banking77 --seeds 5 --labels 100,200 --lora']
    python -m tests.bench.synthetic folder

`folder` holds sets as for bench-labels, of one label a text. For each seed and number of labels, real texts that are
neither in the pool nor in the test set, nor repeat any there, stand for what a good generator writes; beside them stand
as many bad ones of each kind: a text of another label (any; or the one that the model finds likest after the right
one), words of the pool at random, the words of a text in random order, letters at random, a text of the test set or of
the pool with a word, the case, the punctuation or the order changed. All go through the filters as a few-shot
generator's drafts do.
Refused: the share of each kind that any filter refuses, which is recall for the bad ones, with its standard deviation
over the seeds. Precision: among as many bad as good ones, the share of what is refused that is bad.

Then models are trained on the labels alone, and with perturbations of them that the filters kept, and measured on the
same test set: paired differences over the seeds, with 95 % intervals (Student's t). --weight is that of all
perturbations of one text together.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from service.demo import encoder
from service.records import Place
from service.synthesis import VERDICTS
from tests.bench.labels import prepare
from tests.bench.near import KINDS, copy
from workers import device, learner
from workers.corpus import Corpus, concat, words
from workers.encoder import Encoder
from workers.learner import Fitted
from workers.near import Part
from workers.recipe import Recipe
from workers.synthesis import filters, perturbations
from workers.synthesis.drafts import Group, Seen

GOOD, POOL, TEST = 300, 4_000, 1_000
LETTERS = list("abcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True, eq=False)
class Case:
    """One seed's texts and labels, as a campaign has them."""

    base: Encoder
    names: list[str]
    pool: list[str]
    corpus: Corpus
    labels: NDArray[np.int64]
    """Of the first texts of the pool."""
    test: Corpus
    test_texts: list[str]
    test_labels: NDArray[np.int64]
    good: list[str]
    good_labels: NDArray[np.int64]
    rng: np.random.Generator

    @cached_property
    def apart(self) -> NDArray[np.float32]:
        """What models that did not learn from them say of the labeled texts."""
        ones = np.ones(len(self.labels), np.float32)
        return learner.opinions(self.corpus, self.rows, self.labels, ones, len(self.names), 0)

    @cached_property
    def parts(self) -> tuple[Part, Part]:
        """(the test set, the pool)"""
        return filters.part(self.test_texts, self.test.base), filters.part(self.pool, self.corpus.base)

    @property
    def rows(self) -> NDArray[np.int64]:
        return np.arange(len(self.labels))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--set", action="append", help="one or several; else banking77 and snips_nlu")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--labels", default="100,200")
    parser.add_argument("--per-label", type=int, default=10)
    parser.add_argument("--weight", default="0.5")
    parser.add_argument(
        "--each", action="store_true", help="the weight is each one's, not shared by those of one text"
    )
    parser.add_argument("--lora", action="store_true", help="LoRA too, where there are labels enough for it")
    parser.add_argument("--part", choices=["filters", "gain"], help="else both")
    parser.add_argument("--out", type=Path, default=Path(".postil/bench-synthetic"))
    arguments = parser.parse_args()
    base = Encoder.load(encoder.path(), *device.best())
    for name in arguments.set or ["banking77", "snips_nlu"]:
        files = prepare(arguments.folder / name, arguments.out / name)
        texts = [[json.loads(line) for line in file.read_text("utf-8").splitlines()] for file in files]
        read = [case(base, *texts, seed) for seed in range(arguments.seeds)]
        for count in map(int, arguments.labels.split(",")):
            print(f"\n{name}, {count} labels, {arguments.seeds} seeds", flush=True)
            cases = [
                replace(one, labels=one.labels[:count], rng=np.random.default_rng([seed, count]))
                for seed, one in enumerate(read)
            ]
            if arguments.part != "gain":
                judged(cases, arguments.lora)
            for weight in map(float, arguments.weight.split(",") if arguments.part != "filters" else ()):
                gained(cases, arguments.per_label, weight, arguments.lora, arguments.each)


def case(base: Encoder, train: list[dict[str, Any]], test: list[dict[str, Any]], seed: int) -> Case:
    rng = np.random.default_rng(seed)
    names = sorted({row["label"] for row in train})
    order = rng.permutation(len(train))
    size = min(POOL, len(train) - GOOD)
    own = [train[at] for at in order[: GOOD + size]]
    measured = [test[at] for at in rng.permutation(len(test))[:TEST]]
    good, pool = own[:GOOD], own[GOOD:]

    def read(texts: Sequence[str]) -> Corpus:
        tokens = base.tokenize(texts)
        return Corpus(tokens, base.embed(tokens))

    def coded(rows: Sequence[dict[str, Any]]) -> NDArray[np.int64]:
        return np.array([names.index(row["label"]) for row in rows])

    pool_texts = [row["text"] for row in pool]
    corpus = replace(read(pool_texts), names=read([words(name) for name in names]))
    test_texts = [row["text"] for row in measured]
    return Case(
        base, names, pool_texts, corpus, coded(pool), read(test_texts), test_texts, coded(measured),
        [row["text"] for row in good], coded(good), rng,
    )  # fmt: skip


def fit(
    case: Case, lora: bool, more: Corpus | None = None, labels: Any = (), weights: Any = (), of: Any = ()
) -> Fitted:
    """On the case's labels, and on `more` texts with `labels` and `weights`, made `of` those."""
    corpus, n, whole = case.corpus, len(case.labels), len(case.corpus)
    rows, known, groups, weighs = case.rows, case.labels, None, np.ones(n, np.float32)
    if more is not None:
        corpus = replace(concat(corpus, more), names=corpus.names)
        rows = np.concatenate([rows, whole + np.arange(len(more))])
        known = np.concatenate([known, labels])
        weighs = np.concatenate([weighs, weights.astype(np.float32)])
        groups = np.concatenate([case.rows, of])
    recipe = Recipe() if lora else replace(Recipe(), contest=1_000_000)
    return learner.fit(
        case.base,
        corpus,
        rows,
        known,
        weighs,
        len(case.names),
        int(case.rng.integers(2**31)),
        recipe,
        groups=groups,
    )


def new(case: Case) -> Case:
    """Without the good texts that repeat one of the pool or of the test set: real ones do, and are rightly refused."""
    own = filters.part(case.good, case.base.embed(case.base.tokenize(case.good)))
    kin, nothing = np.arange(len(case.pool)), [frozenset[int]()] * len(case.good)
    found = filters.repeats([case.parts[0]], [case.parts[1]], kin, own, nothing, np.random.default_rng(0))
    kept = np.flatnonzero((found.measured < 0) & (found.others < 0))
    print(f"  {1 - len(kept) / len(case.good):.3f} of the good texts repeat another", flush=True)
    return replace(case, good=[case.good[at] for at in kept], good_labels=case.good_labels[kept])


def planted(case: Case, fitted: Fitted) -> dict[str, tuple[list[str], NDArray[np.int64]]]:
    """Texts and the labels they are passed off with."""
    rng, good, labels, n = case.rng, case.good, case.good_labels, len(case.names)
    other = (labels + rng.integers(1, n, len(labels))) % n
    read = case.base.tokenize(good)
    p = learner.predict(case.base, fitted, read).probabilities.copy()
    p[np.arange(len(p)), labels] = -1
    vocabulary = [word for text in case.pool for word in text.split()]
    lengths = [len(text.split()) for text in good]
    tests = rng.integers(len(case.test_texts), size=len(good))
    pool = rng.integers(len(case.pool), size=len(good))
    known = learner.predict(case.base, fitted, case.corpus.tokens, case.corpus.base).probabilities.argmax(
        axis=1
    )
    return {
        "good": (good, labels),
        "another label": (good, other),
        "the likest other label": (good, p.argmax(axis=1)),
        "words at random": ([" ".join(rng.choice(vocabulary, size)) for size in lengths], labels),
        "words in random order": ([" ".join(rng.permutation(text.split())) for text in good], labels),
        "letters at random": ([" ".join(gibberish(rng) for _ in range(size)) for size in lengths], labels),
        "near a test text": (
            [copy(case.test_texts, at, KINDS[one % 4], rng) for one, at in enumerate(tests.tolist())],
            case.test_labels[tests],
        ),
        "near a pool text": (
            [copy(case.pool, at, KINDS[one % 4], rng) for one, at in enumerate(pool.tolist())],
            known[pool],
        ),
    }


def gibberish(rng: np.random.Generator) -> str:
    return "".join(rng.choice(LETTERS, rng.integers(2, 9)))


def verdicts(
    case: Case,
    fitted: Fitted,
    texts: Sequence[str],
    labels: NDArray[np.int64],
    sources: Sequence[frozenset[int]],
) -> list[str]:
    """What the filters say, as a worker asks them."""
    tokens = case.base.tokenize(texts)
    embeddings, rng = case.base.embed(tokens), np.random.default_rng(0)
    own = filters.part(texts, embeddings)
    found = filters.repeats(
        [case.parts[0]],
        [case.parts[1]],
        np.arange(len(case.pool)),
        own,
        sources,
        rng,
    )
    said = learner.predict(case.base, fitted, tokens, embeddings).probabilities
    of, real = filters.consistency(said, labels), filters.consistency(case.apart, case.labels)
    vocabulary = len(case.base.tokenizer)
    unlikely, usual = filters.bigram_perplexities(tokens, case.corpus.tokens, vocabulary, rng)
    some = rng.choice(len(case.corpus), min(filters.DISTANCE_ROWS, len(case.corpus)), replace=False)
    far = filters.distances(embeddings, case.corpus.base)
    typical = filters.distances(case.corpus.base[some], case.corpus.base, some)
    return list(
        filters.verdicts(
            found.measured >= 0,
            np.zeros(len(texts), np.bool_),
            found.others >= 0,
            filters.p_values(-of, -real),
            filters.p_values(unlikely, usual),
            filters.p_values(far, typical),
        )
    )


def judged(cases: Sequence[Case], lora: bool) -> None:
    """A table: for each kind the share that each filter refuses, and all of them."""
    shares: dict[str, list[list[float]]] = {}
    precision: dict[str, list[float]] = {}
    for one in map(new, cases):
        fitted = fit(one, lora)
        kept: dict[str, float] = {}
        for kind, (texts, labels) in planted(one, fitted).items():
            # Kind by kind: the good ones come again among the bad ones of other labels.
            found = verdicts(one, fitted, texts, labels, [frozenset()] * len(texts))
            shares.setdefault(kind, []).append([found.count(verdict) / len(found) for verdict in VERDICTS])
            kept[kind] = found.count("kept") / len(found)
        for kind in kept:
            bad, good = 1 - kept[kind], 1 - kept["good"]
            precision.setdefault(kind, []).append(bad / max(1e-9, bad + good))
    names = [verdict for verdict in VERDICTS if verdict not in ("kept", "duplicate")]
    print(f"{'':<24}{'refused':>16}{'precision':>11}" + "".join(f"{name:>16}" for name in names))
    for kind, rows in shares.items():
        table = np.array(rows)
        refused, means = 1 - table[:, 0], table.mean(axis=0)
        sure = "" if kind == "good" else f"{np.mean(precision[kind]):.3f}"
        columns = "".join(f"{means[VERDICTS.index(name)]:>16.3f}" for name in names)
        print(f"{kind:<24}{refused.mean():>8.3f} ±{refused.std(ddof=1):.3f}{sure:>11}{columns}", flush=True)


def perturbed(
    case: Case, fitted: Fitted, per_label: int
) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64], float]:
    """(texts that the filters kept, their labels, what each was made of, the share kept)."""
    drafts = []
    for label, name in enumerate(case.names):
        seen = [
            Seen(Place(0, at), case.pool[at], name) for at in np.flatnonzero(case.labels == label).tolist()
        ]
        drafts += list(perturbations.drafts(Group(name, name, seen), per_label, case.rng))
    texts = [one.text for one in drafts]
    of = np.array([one.sources[0].row for one in drafts])
    found = verdicts(case, fitted, texts, case.labels[of], [frozenset({at}) for at in of.tolist()])
    kept = [at for at, verdict in enumerate(found) if verdict == "kept"]
    return [texts[at] for at in kept], case.labels[of[kept]], of[kept], len(kept) / len(texts)


def gained(cases: Sequence[Case], per_label: int, weight: float, lora: bool, each: bool) -> None:
    """Accuracy and log loss without and with perturbations."""
    scores: list[list[tuple[float, float]]] = []
    shares, numbers = [], []
    for one in cases:
        alone = fit(one, lora)
        texts, labels, of, share = perturbed(one, alone, per_label)
        shares.append(share)
        numbers.append(len(texts))
        tokens = one.base.tokenize(texts)
        more = Corpus(tokens, one.base.embed(tokens))
        weights = np.full(len(texts), weight) / (1 if each else np.bincount(of)[of])
        both = [alone, fit(one, lora, more, labels, weights, of)]
        scores.append([score(one, model) for model in both])
        print(f"  {scores[-1]}", flush=True)
    table = np.array(scores)  # (seeds, models, 2)
    print(
        f"{np.mean(numbers):.0f} perturbations ({np.mean(shares):.0%} kept) of weight {weight}, LoRA {lora}:"
    )
    for at, name in enumerate(("accuracy", "log loss")):
        change = table[:, 1, at] - table[:, 0, at]
        half = stats.t.ppf(0.975, len(change) - 1) * change.std(ddof=1) / np.sqrt(len(change))
        mean = change.mean()
        print(
            f"  {name}: {table[:, 0, at].mean():.4f} alone, {mean:+.4f} [{mean - half:+.4f}, {mean + half:+.4f}]",
            flush=True,
        )


def score(case: Case, fitted: Fitted) -> tuple[float, float]:
    p = learner.predict(case.base, fitted, case.test.tokens, case.test.base).probabilities
    own = p[np.arange(len(p)), case.test_labels]
    return float((p.argmax(axis=1) == case.test_labels).mean()), float(-np.log(np.maximum(own, 1e-6)).mean())


if __name__ == "__main__":
    main()
