"""Near-duplicates: by hand, and planted."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from workers import near
from workers.near import Bags, Part, leaders

TEXT = "where can i find the code that i need for a top up"  # 13 words


def turned(cosine: float) -> list[float]:
    """A unit vector at that cosine to (1, 0, 0)."""
    return [cosine, float(np.sqrt(1 - cosine**2)), 0]


def part(texts: Sequence[str], embeddings: Sequence[Sequence[float]] | NDArray[np.floating]) -> Part:
    points = np.asarray(embeddings, np.float16)
    return Part(Bags.of(texts), points)


def others(count: int, dimension: int) -> Part:
    """Texts that have nothing in common with any."""
    points = np.random.default_rng(0).normal(size=(count, dimension))
    points[:, :3] = 0
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return part([f"{chr(97 + at % 26)}x{chr(97 + at // 26)}" for at in range(count)], points)


def found(*parts: Part) -> tuple[list[int], NDArray[np.float32]]:
    """As `leaders`, of a pool that has other texts before these; positions count from these."""
    wide = [
        Part(
            one.bags,
            np.pad(one.embeddings, ((0, 0), (0, 29))),
            one.leaders if one.leaders is None else 100 + one.leaders,
        )
        for one in parts
    ]
    before = others(100, wide[0].embeddings.shape[1])
    before = Part(before.bags, before.embeddings, np.arange(100))
    leader, likeness = leaders([before, *wide], np.random.default_rng(0))
    return (leader - 100).tolist(), likeness


def two(first: str, second: str, cosine: float) -> bool:
    """Whether the second is a near-duplicate of the first."""
    (one, other), likeness = found(part([first, second], [turned(1), turned(cosine)]))
    assert one == 0
    assert likeness == pytest.approx([0, max(0, cosine)], abs=2e-3)
    return other == 0


def test_a_key_is_the_sum_of_the_words_and_further_ones_leave_some_out() -> None:
    bags = Bags.of(["a b c d", "D, c! B a?", "a b c", "e a b c d", "x"])
    keys, rows, left_out = bags.keys()
    shared: set[frozenset[tuple[int, int]]] = set()
    for key in np.unique(keys):
        at = keys == key
        if at.sum() > 1:
            shared.add(frozenset(zip(rows[at].tolist(), left_out[at].tolist(), strict=True)))
    assert bags.sizes.tolist() == [4, 4, 3, 5, 1]
    assert bags.totals[0] == bags.totals[1] != bags.totals[2]
    # abcd is the fourth without e, and abc is abcd without d.
    assert {frozenset({(0, 0), (1, 0), (3, 1)}), frozenset({(0, 1), (1, 1), (2, 0)})} < shared
    assert frozenset({(0, 1), (1, 1), (3, 2)}) in shared, "bcd is the fourth without its first two"
    assert (rows == 0).sum() == 1 + 4 + 3


@pytest.mark.parametrize(
    "other",
    [TEXT.upper(), TEXT.replace(" ", ", ") + "!!", " ".join(reversed(TEXT.split())), f"¿{TEXT}?"],
    ids=["case", "punctuation", "order", "marks"],
)
def test_the_same_words_are_the_same_whatever_the_embeddings_say(other: str) -> None:
    assert two(TEXT, other, 0.1)


def test_numbers_differ_in_their_value_alone() -> None:
    assert two("track 12 of 14 please", "Track 3 of 9, please", 0.2)


@pytest.mark.parametrize(
    ("words", "cosine", "near"),
    [
        (5, 0.91, True),
        (5, 0.89, False),
        (6, 0.81, True),
        (7, 0.79, False),
        (8, 0.71, True),
        (9, 0.69, False),
        (10, 0.2, True),
        (3, 0.94, False),
    ],
)
def test_a_changed_word_needs_likeness_where_there_are_few(words: int, cosine: float, near: bool) -> None:
    first = TEXT.split()[:words]
    changed = ["bananas", *first[1:]]
    assert two(" ".join(first), " ".join(changed), cosine) is near
    assert two(" ".join(changed), " ".join(first), cosine) is near


@pytest.mark.parametrize(
    ("words", "cosine", "near"),
    [
        (9, 0.91, True),
        (9, 0.89, False),
        (10, 0.86, True),
        (12, 0.84, False),
        (13, 0.71, True),
        (13, 0.69, False),
    ],
)
def test_two_neighbours_changed_need_more_of_it(words: int, cosine: float, near: bool) -> None:
    first = TEXT.split()[:words]
    assert two(" ".join(first), " ".join(["ripe", "bananas", *first[2:]]), cosine) is near
    assert two(" ".join(first), " ".join(["bananas", *first[2:]]), cosine) is near


def test_words_changed_here_and_there_are_found_by_embedding_alone() -> None:
    other = TEXT.replace("find", "get").replace("need", "want")
    assert not two(TEXT, other, 0.94)
    assert two(TEXT, other, 0.96)


def test_an_encoder_that_reads_neither_does_not_make_them_alike() -> None:
    assert not two("정말 재밌는 영화", "최악의 작품", 1.0)


def test_characters_are_words_where_there_are_no_spaces() -> None:
    assert two("我想知道我的卡在哪里现在", "我想知道我的卡在那里现在", 0.85)
    assert not two("我想知道我的卡在哪里现在", "今天天气很好", 0.97)


def test_who_is_like_a_follower_alone_leads() -> None:
    """Given c like b, b like a, but c not like a, then c is none of a's."""
    texts = ["one", "one two", "one two three"]
    angles = [0.0, 0.3, 0.6]  # cosines .955 between neighbours, .825 between the ends
    leader, _ = found(part(texts, [[np.cos(a), np.sin(a), 0] for a in angles]))
    assert leader == [0, 0, 2]


def test_the_same_words_follow_whom_their_twin_follows() -> None:
    """Given c with the words of b, which follows a, then c follows a, though it is not like it."""
    texts = [TEXT.replace("find", "get"), TEXT, " ".join(reversed(TEXT.split()))]
    leader, _ = found(part(texts, [[1, 0, 0], turned(0.9), [0, 0, 1]]))
    assert leader == [0, 0, 0]


def test_apostrophes_belong_to_words() -> None:
    assert two("it doesn't work at all", "It does work at all", 0.91)
    assert two("it doesn’t work at all", "it doesnt work at all!", 0.1)


def test_of_several_leaders_the_likest_is_followed() -> None:
    texts = ["red one", "red one two three four", "red one two three"]
    leader, _ = found(part(texts, [[1, 0, 0], turned(0.9), turned(0.96)]))
    assert leader == [0, 1, 1]


def test_what_came_before_leads_and_positions_count_through() -> None:
    first = part(["a b c d", "e f", "D c b a"], [[1, 0, 0], [0, 1, 0], [1, 0, 0]])
    leader, _ = found(first)
    assert leader == [0, 1, 0]
    first = Part(first.bags, first.embeddings, np.array([0, 1, 0]))
    second = part(["x y z w", "F, E", "a b c d!", "w z y x"], [[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 1]])
    leader, likeness = found(first, second)
    assert leader == [3, 1, 0, 3]
    assert likeness == pytest.approx([0, 1, 1, 1], abs=1e-3)


def test_a_flood_of_the_same_words_is_not_compared_pair_by_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def share(one: frozenset[int], _: frozenset[int]) -> float:
        compared.append(one)
        return 1.0

    monkeypatch.setattr(near, "_share", share)
    flood = [TEXT, *([f"{TEXT}!"] * 1_000), "another"]
    leader, likeness = found(part(flood, [[1, 0, 0]] * 1_002))
    assert leader == [0] * 1_001 + [0]
    assert likeness[1:] == pytest.approx(1, abs=1e-3)
    assert len(compared) == 1, "the other text with the one that leads"


def test_a_flood_of_one_text_has_one_leader() -> None:
    flood = [f"{TEXT} {word}" for word in ("now", "then", "here", "there")] * 500
    leader, _ = found(part(flood, [[1, 0, 0]] * 2_000))
    assert set(leader) == {0}


def test_texts_without_a_word() -> None:
    leader, _ = found(part(["'", "’’", "?!", "a"], [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]))
    assert leader == [0, 0, 2, 3]


def test_one_alone() -> None:
    assert found(part(["alone"], [[1, 0, 0]]))[0] == [0]


def test_planted_ones_are_found_among_many_and_lists_lose_none() -> None:
    """Of 3,000 random texts a third is repeated with noise; what all pairs would show is found."""
    rng = np.random.default_rng(1)
    vocabulary = [f"w{chr(97 + a)}{chr(97 + b)}" for a in range(26) for b in range(26)]
    texts = [" ".join(rng.choice(vocabulary, 12)) for _ in range(3_000)]
    points = rng.normal(size=(3_000, 32))
    copies = rng.choice(3_000, 1_000, replace=False)
    texts += [" ".join(rng.permutation(texts[at].split())) for at in copies]
    points = np.concatenate([points, points[copies] + 0.1 * rng.normal(size=(1_000, 32))])
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    leader, likeness = leaders([part(texts, points)], rng)
    leader = leader.tolist()
    assert leader[3_000:] == copies.tolist()
    assert leader[:3_000] == list(range(3_000))
    cosines = np.tril(points @ points.T, -1)
    assert likeness[3_000:] == pytest.approx(cosines[3_000:].max(axis=1), abs=2e-3)


def test_where_all_texts_look_alike_more_likeness_is_asked_for() -> None:
    """Given an encoder to which random texts have a cosine of .86, a fifth of the distance to 1 is left."""
    rng = np.random.default_rng(2)
    points = rng.normal(size=(400, 32)) + 14 / np.sqrt(32) * np.ones(32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    assert np.median(points[:200] @ points[200:].T) == pytest.approx(0.86, abs=0.02)
    texts = [f"one {chr(97 + at % 26)}{chr(97 + at // 26)}" for at in range(400)]
    noise = rng.normal(size=(3, 32))
    copies = points[:3] + np.array([[0.002], [0.05], [0.1]]) * noise
    copies /= np.linalg.norm(copies, axis=1, keepdims=True)
    cosines = (copies * points[:3]).sum(axis=1)
    assert cosines[0] > 0.99 > cosines[1] > 0.95 > cosines[2] > 0.8
    leader, _ = leaders(
        [part([*texts, *(f"{text} two" for text in texts[:3])], np.vstack([points, copies]))], rng
    )
    assert leader[400:].tolist() == [0, 401, 402]


def test_progress_and_the_same_again() -> None:
    told: list[tuple[int, int]] = []
    one = part(["a", "b"], [[1, 0, 0], [0, 1, 0]])
    near.leaders([one], np.random.default_rng(0), lambda *at: told.append(at))
    assert told == [(0, 1)]
