import random
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from service.demo.docstrings import (
    NEAR,
    SHORTEST_CHARACTERS,
    TOPICS,
    Corpus,
    Example,
    corpus,
    distinct,
    examples,
    opening,
)
from service.errors import Invalid


@pytest.fixture(scope="module")
def whole() -> Corpus:
    return corpus()


def example(text: str, label: str = "numbers", id: str | None = None) -> Example:
    return Example(id or f"module:{text}", text, label, "module")


def test_the_corpus_is_large_and_has_every_topic(whole: Corpus) -> None:
    assert len(whole.gold) == 1000
    assert len(whole.pool) >= 2000
    assert whole.labels == list(TOPICS)
    counts = Counter(example.label for example in [*whole.pool, *whole.gold])
    assert set(counts) == set(TOPICS)
    assert min(counts.values()) >= 50
    assert max(counts.values()) < len(whole.pool + whole.gold) / 2


def test_every_example_says_where_it_stands(whole: Corpus) -> None:
    everything = [*whole.pool, *whole.gold]

    assert len({example.id for example in everything}) == len(everything)
    assert all(example.id.split(":")[0] == example.domain for example in everything)
    by_id = {example.id: example for example in everything}
    pmf = by_id["statistics:NormalDist.pdf"]
    assert pmf.label == "numbers"
    assert pmf.text.startswith("Probability density function.")


def test_texts_are_prose_on_one_line(whole: Corpus) -> None:
    for example in [*whole.pool, *whole.gold]:
        assert example.text == " ".join(example.text.split())
        assert SHORTEST_CHARACTERS <= len(example.text) <= 600


def test_no_text_of_the_pool_is_near_a_gold_one(whole: Corpus) -> None:
    """Jaccard by plain counting, for a sample of the gold part against the whole pool."""

    def shingles(text: str) -> set[tuple[str, ...]]:
        words = re.findall(r"[^\W_]+", text.lower())
        return {*((word,) for word in words), *pairwise(words)}

    pool = [shingles(example.text) for example in whole.pool]
    for gold in random.Random(0).sample(whole.gold, 100):
        mine = shingles(gold.text)
        assert max(len(mine & other) / len(mine | other) for other in pool) < NEAR


def test_the_seed_makes_the_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    letters = "abcdefghijklmnopqrstuvwxyzäöüß0123456789"
    functions = [
        f'def f{n}():\n    """{" ".join(f"stem{letter}{ending}" for ending in letters[:6])}"""\n'
        for n, letter in enumerate(letters)
    ]
    (tmp_path / "random.py").write_text("".join(functions))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    first = corpus(seed=0, gold=10)

    assert (len(first.pool), len(first.gold)) == (30, 10)
    assert corpus(seed=0, gold=10) == first
    assert corpus(seed=1, gold=10).gold != first.gold
    assert corpus(seed=0, gold=4).gold == first.gold[:4]
    assert {example.id for example in corpus(seed=1, gold=0).pool} == {
        example.id for example in [*first.pool, *first.gold]
    }
    with pytest.raises(Invalid, match=r"gold is 21, and .* holds 40 usable docstrings"):
        corpus(gold=21)


def test_a_library_is_parsed_and_never_run(tmp_path: Path) -> None:
    (tmp_path / "random.py").write_text(
        '"""Draw numbers from many kinds of distributions."""\n'
        "raise SystemExit\n"
        "class Die:\n"
        '    """A die with six faces, fair unless told otherwise."""\n'
        "    if True:\n"
        "        async def roll(self):\n"
        '            """Roll once and give the number that lies on top."""\n'
        "    def short(self):\n"
        '        """Too short."""\n'
    )
    tests = tmp_path / "email" / "test"
    tests.mkdir(parents=True)
    (tests / "test_email.py").write_text('"""Nothing of a folder of tests is ever taken."""\n')
    (tmp_path / "email" / "__init__.py").write_text('"""Messages are read and written in this package."""\n')
    (tmp_path / "secret_plugin.py").write_text('"""A module that is in no topic is not looked at."""\n')

    assert list(examples(tmp_path)) == [
        Example("email", "Messages are read and written in this package.", "networking and mail", "email"),
        Example("random", "Draw numbers from many kinds of distributions.", "numbers", "random"),
        Example("random:Die", "A die with six faces, fair unless told otherwise.", "numbers", "random"),
        Example("random:Die.roll", "Roll once and give the number that lies on top.", "numbers", "random"),
    ]


def test_an_empty_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))

    with pytest.raises(Invalid, match=r"holds 0 usable docstrings.*sources of its standard library"):
        corpus()


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("Return the name.\n\nIt is\n  unique.", "Return the name. It is unique."),
        (f"{'long ' * 16}enough.\n\nNot this.", f"{'long ' * 16}enough."),
        ("Add two numbers.\n\n>>> add(1, 2)\n3\n\nNot this.", "Add two numbers."),
        ("Heading\n=======\n\nText.", "Heading Text."),
        ("word " * 300, f"{'word ' * 119}…"),
    ],
)
def test_opening(docstring: str, expected: str) -> None:
    assert opening(docstring) == expected


def test_distinct_keeps_the_first_of_near_duplicates() -> None:
    first = example("Return the x coordinate of the pointer on the root window.")
    near = example("Return the y coordinate of the pointer on the root window.")
    same = example("return THE x-coordinate of the pointer, on the root window", id="elsewhere")
    far = example("Return the date of the first Sunday of the month.")

    assert distinct([first, near, same, far]) == [first, far]


def test_near_is_measured_in_words_and_word_pairs() -> None:
    # 5 words and 4 pairs each; shared: 4 words and 3 pairs, of 11: .636. With one less: 3 and 2, of 13.
    assert len(distinct([example("one two three four five"), example("one two three four six")])) == 1
    assert len(distinct([example("one two three four five"), example("one two three six seven")])) == 2


def test_distinct_drops_a_text_with_two_topics() -> None:
    numbers = example("Close it and forget everything about it.", "numbers", "a")
    dates = example("Close it and forget everything about it!", "dates", "b")

    assert distinct([numbers, dates]) == []


def test_distinct_keeps_one_example_of_an_id() -> None:
    getter = example("The size of the window as it is shown.", id="tkinter:Window.size")
    setter = example("Changes how large everything will be.", id="tkinter:Window.size")

    assert distinct([getter, setter]) == [getter]
