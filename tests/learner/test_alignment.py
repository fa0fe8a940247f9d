from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tokenizers import ByteLevelBPETokenizer, Tokenizer, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from tests.learner.conftest import WORDS
from workers import alignment
from workers.alignment import UNKNOWN, Aligned, Dropped, align
from workers.encoder import Encoder

B0, I0, B1, I1 = 1, 2, 3, 4


class Reader:
    """Of an encoder, what `align` asks for."""

    max_length = 64

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.tokenizer = tokenizer


def pieces(aligned: Aligned, text: str) -> list[str]:
    return [text[start:end] for start, end in aligned.borders.tolist()]


def read_back(aligned: Aligned, spans: list[list[tuple[int, int, int]]]) -> list[list[int]]:
    tags, dropped = alignment.tags(aligned, spans)
    assert dropped == Dropped()
    return alignment.spans(tags, aligned.offsets, aligned.borders)[0].tolist()


def log(*rows: list[float]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        return np.log(np.array(rows))


def test_tokens_are_those_of_the_encoder_and_special_ones_have_no_place(tiny: Encoder) -> None:
    texts = ["the old  cat", "", "fog " * 40]
    aligned = align(tiny, texts)

    assert len(aligned) == 3
    assert aligned.tokens.ids.tolist() == tiny.tokenize(texts).ids.tolist()
    assert aligned.tokens.cut.tolist() == [False, False, True]
    assert aligned.offsets.tolist() == [0, 3, 3, 17]
    assert aligned.at[:4].tolist() == [1, 2, 3, 8]
    assert aligned.borders[:4].tolist() == [[0, 3], [4, 7], [9, 12], [0, 3]]
    assert not aligned.joined.any()


def test_some_of_the_texts(tiny: Encoder) -> None:
    texts = ["the old cat", "", "fog sun", "a b c"]
    whole, some = align(tiny, texts), align(tiny, [texts[row] for row in (2, 1, 0, 2)])
    taken = whole.take(np.array([2, 1, 0, 2]))

    assert whole.places(np.array([2, 0])).tolist() == [3, 4, 0, 1, 2]
    for name in ("at", "borders", "joined", "offsets"):
        assert getattr(taken, name).tolist() == getattr(some, name).tolist()
    assert taken.tokens.ids.tolist() == some.tokens.ids.tolist()
    assert len(whole.take(np.empty(0, np.int64))) == 0


def test_no_text_at_all(tiny: Encoder) -> None:
    aligned = align(tiny, [])
    tags, dropped = alignment.tags(aligned, [])

    assert (len(aligned), len(tags), dropped) == (0, 0, Dropped())
    assert alignment.decode(np.empty((0, 3)), aligned.offsets, aligned.joined).tolist() == []
    assert alignment.spans(tags, aligned.offsets, aligned.borders)[0].shape == (0, 4)


def test_spans_become_tags(tiny: Encoder) -> None:
    #                      0   4   8   12  16
    aligned = align(tiny, ["the old cat was of", "dog hen"])
    tags, dropped = alignment.tags(aligned, [[(4, 11, 1), (16, 18, 0)], [(0, 3, 0), (4, 7, 0)]])

    assert tags.tolist() == [0, B1, I1, 0, B0, B0, B0]
    assert dropped == Dropped()
    rows, tokens = alignment.spans(tags, aligned.offsets, aligned.borders)
    assert rows.tolist() == [[0, 4, 11, 1], [0, 16, 18, 0], [1, 0, 3, 0], [1, 4, 7, 0]]
    assert rows.dtype == np.int32
    assert tokens.tolist() == [[1, 3], [4, 5], [5, 6], [6, 7]]


def test_a_span_takes_the_whole_of_a_token_it_touches(tiny: Encoder) -> None:
    aligned = align(tiny, ["the old cat"])

    assert read_back(aligned, [[(5, 9, 0)]]) == [[0, 4, 11, 0]]
    assert read_back(aligned, [[(3, 8, 0)]]) == [[0, 4, 7, 0]]  # white space at both ends


def test_what_tags_cannot_say_is_counted(tiny: Encoder) -> None:
    aligned = align(tiny, ["the old cat  was"])
    tags, dropped = alignment.tags(
        aligned, [[(0, 7, 0), (4, 11, 1), (4, 11, 0), (8, 11, 0), (0, 3, 1), (11, 13, 1)]]
    )

    # All of seven characters come before the shorter ones; the first of them begins at 0 and shuts the others out.
    assert tags.tolist() == [B0, I0, B0, 0]
    assert dropped == Dropped(overlapping=3, empty=1)


def test_what_is_seen_of_a_cut_span_teaches_nothing(tiny: Encoder) -> None:
    text = "fog " * 40
    aligned = align(tiny, [text])  # 14 tokens, 0 to 55
    tags, dropped = alignment.tags(aligned, [[(0, 3, 0), (48, 70, 0), (80, 83, 1), (52, 55, 1)]])

    assert tags.tolist() == [B0] + [0] * 11 + [UNKNOWN] * 2
    assert dropped == Dropped(cut=2, overlapping=1)


def test_letters_of_other_scripts_and_emoji(tiny: Encoder) -> None:
    text = "🇩🇪 Köln cafe\u0301 👩‍👩‍👧 the cat"
    aligned = align(tiny, [text])

    assert pieces(aligned, text)[-2:] == ["the", "cat"]
    start = text.index("the")
    assert read_back(aligned, [[(start, start + 7, 0)]]) == [[0, start, len(text), 0]]


def test_the_real_encoder_joins_pieces_of_words(minilm: Encoder) -> None:
    text = "Hydroxychloroquine, for COVID-19; 東京都 cafe\u0301s"
    aligned = align(minilm, [text])

    found = pieces(aligned, text)
    words = "".join(
        ("" if joined else " ") + piece for piece, joined in zip(found, aligned.joined, strict=True)
    )
    assert words == " Hydroxychloroquine , for COVID - 19 ; 東 京 都 cafe\u0301s".replace(
        "東 京 都", "東 京 都"
    )
    assert len(found) > 10


def test_byte_level_tokens_leave_out_the_space_and_share_characters() -> None:
    tokenizer = ByteLevelBPETokenizer(add_prefix_space=False, trim_offsets=False)
    tokenizer.train_from_iterator(["the cat sat"] * 5, vocab_size=270, special_tokens=["<pad>"])
    reader = Reader(PreTrainedTokenizerFast(tokenizer_object=tokenizer._tokenizer, pad_token="<pad>"))
    text = "the  cat 👍!"
    aligned = align(reader, [text])  # type: ignore[arg-type]

    thumb = text.index("👍")
    assert (aligned.borders[:, 0] < aligned.borders[:, 1]).all()
    assert not any(piece != piece.strip() for piece in pieces(aligned, text))
    shared = np.flatnonzero((aligned.borders == [thumb, thumb + 1]).all(axis=1))
    assert len(shared) == 4
    assert aligned.joined[shared].tolist() == [False, True, True, True]
    assert aligned.loose().joined[shared].tolist() == [False, True, True, True]
    assert read_back(aligned, [[(thumb, thumb + 1, 1)]]) == [[0, thumb, thumb + 1, 1]]
    assert read_back(aligned, [[(3, 8, 0)]]) == [[0, 5, 8, 0]]


def test_sentencepiece_tokens_leave_out_the_space() -> None:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=20, special_tokens=["<pad>", "<unk>"], unk_token="<unk>")
    tokenizer.train_from_iterator(["the cat sat"] * 5, trainer)
    reader = Reader(PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>"))
    text = "the  cat sat"
    aligned = align(reader, [text])  # type: ignore[arg-type]

    # The mark before the first word counts as its first letter, once more: it is joined to it.
    assert pieces(aligned, text)[0] == "t"
    assert aligned.joined[:2].tolist() == [False, True]
    assert "".join(pieces(aligned, text)[1:]) == "thecatsat"
    assert read_back(aligned, [[(0, 3, 0)]]) == [[0, 0, 3, 0]]
    assert read_back(aligned, [[(5, 8, 0)]]) == [[0, 5, 8, 0]]


def test_whether_spans_keep_words_whole(minilm: Encoder) -> None:
    text = "unhappily, hydroxychloroquine"  # un ##ha ##pp ##ily , hydro …
    aligned = align(minilm, [text])

    def whole(*spans: tuple[int, int, int], often: int = 1) -> bool:
        several = align(minilm, [text] * (1 + often))
        answers = [list(spans), *[[(11, 29, 0)]] * often]
        return alignment.whole_words(several, alignment.tags(several, answers)[0])

    assert aligned.joined.tolist()[:5] == [False, True, True, True, False]
    assert not aligned.loose().joined.any()
    assert whole((0, 9, 0), (11, 29, 1))
    assert not whole((0, 2, 0))
    assert not whole((2, 9, 0))
    assert whole((2, 9, 0), often=19)
    assert whole()
    nothing = align(minilm, [""])
    assert alignment.whole_words(nothing, np.empty(0, np.int64))
    assert len(nothing.loose()) == 1


def test_decoding_takes_the_likeliest_tags_that_are_valid() -> None:
    offsets, free = np.array([0, 2]), np.zeros(2, bool)

    # Greedy tags are O, I-0. O, O has .6 · .3; B, I has .3 · .5: 0.18 > 0.15.
    assert alignment.decode(log([0.6, 0.3, 0.1], [0.3, 0.2, 0.5]), offsets, free).tolist() == [0, 0]
    # .5 · .2 < .4 · .6
    assert alignment.decode(log([0.5, 0.4, 0.1], [0.2, 0.2, 0.6]), offsets, free).tolist() == [B0, I0]
    # A first token is never inside; a span of one class does not go on in another's.
    assert alignment.decode(log([0.1, 0.2, 0.7]), np.array([0, 1]), free[:1]).tolist() == [B0]
    mixed = log([0.1, 0.8, 0.0, 0.1, 0.0], [0.1, 0.0, 0.2, 0.0, 0.7])
    assert alignment.decode(mixed, offsets, free).tolist() == [B0, I0]


def test_texts_are_decoded_apart_and_in_their_order() -> None:
    inside = [0.1, 0.2, 0.7]
    begin = [0.1, 0.8, 0.1]
    offsets = np.array([0, 1, 1, 4, 6])
    found = alignment.decode(
        log(begin, begin, inside, inside, [0.9, 0.1, 0.0], inside), offsets, np.zeros(6, bool)
    )

    # The last text: .9 · .2 > .1 · .7
    assert found.tolist() == [B0, B0, I0, I0, 0, B0]


def test_a_joined_token_goes_on_with_what_was_before() -> None:
    offsets, joined = np.array([0, 2]), np.array([False, True])

    # Apart: B, O with .8 · .7. Joined: B, I with .8 · .2 beats O, O with .1 · .7.
    table = log([0.1, 0.8, 0.1], [0.7, 0.1, 0.2])
    assert alignment.decode(table, offsets, ~joined & joined).tolist() == [B0, 0]
    assert alignment.decode(table, offsets, joined).tolist() == [B0, I0]
    # Nor does a span begin at it.
    table = log([0.6, 0.3, 0.1], [0.1, 0.8, 0.1])
    assert alignment.decode(table, offsets, joined).tolist() == [0, 0]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_spans_on_borders_of_tokens_come_back(tiny: Encoder, data: st.DataObject) -> None:
    texts = data.draw(st.lists(st.lists(st.sampled_from(WORDS[4:]), max_size=10).map(" ".join), max_size=5))
    aligned = align(tiny, texts)
    wanted: list[list[tuple[int, int, int]]] = []
    for row in range(len(texts)):
        borders = aligned.borders[slice(*aligned.offsets[row : row + 2])].tolist()
        cuts = sorted(data.draw(st.sets(st.integers(0, len(borders)))))
        chosen = [(pair, data.draw(st.integers(0, 2))) for pair in pairwise(cuts) if data.draw(st.booleans())]
        wanted.append([(borders[a][0], borders[b - 1][1], label) for (a, b), label in chosen])

    found = read_back(aligned, wanted)

    assert found == [[row, *span] for row, spans in enumerate(wanted) for span in spans]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 4), min_size=1, max_size=3), st.booleans())
def test_decoding_beats_every_other_valid_sequence(seed: int, lengths: list[int], join: bool) -> None:
    rng = np.random.default_rng(seed)
    offsets = np.cumsum([0, *lengths])
    table = np.log(rng.dirichlet(np.ones(5), offsets[-1]))
    joined = rng.random(offsets[-1]) < 0.4 if join else np.zeros(offsets[-1], bool)
    joined[offsets[:-1][np.array(lengths) > 0]] = False

    found = alignment.decode(table, offsets, joined)

    for start, end in pairwise(offsets):
        best = max(
            (
                sum(table[start + t, tag] for t, tag in enumerate(tags))
                for tags in np.ndindex(*[5] * int(end - start))
                if valid(tags, joined[start:end])
            ),
            default=0,
        )
        assert valid(tuple(found[start:end].tolist()), joined[start:end])
        assert sum(table[t, found[t]] for t in range(start, end)) == pytest.approx(best)


def valid(tags: tuple[int, ...], joined: NDArray[np.bool_]) -> bool:
    before = 0
    for tag, tied in zip(tags, joined, strict=True):
        inside = tag > 0 and tag % 2 == 0
        if inside and before not in (tag, tag - 1):
            return False
        if tied and not inside and (tag or before):
            return False
        before = tag
    return True


def test_every_architecture_has_places(other: Encoder, tmp_path: Path) -> None:
    assert align(other, ["the cat"]).borders.tolist() == [[0, 3], [4, 7]]
