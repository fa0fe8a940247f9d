"""Spans of characters as tags of tokens, and back.

Offsets count code points, the end excluded. Tags are IOB2 (Ramshaw, Marcus, cmp-lg/9505040; Tjong Kim Sang, Veenstra,
cs/9907006) over C classes: 0 outside, 1 + 2c at the first token of a span of class c, 2 + 2c at its others. A text has
one tag a token, so of spans that overlap only the longest can be said.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from workers.encoder import Encoder, Progress
from workers.tokens import Tokens, concat, pack

Span = tuple[int, int, int]
"""(start, end, class)"""
OUTSIDE, UNKNOWN = 0, -1
"""Tags: no span here; and not to be learned from."""


@dataclass(frozen=True, eq=False)
class Aligned:
    """Tokens of n texts, and where in its text each of the m tokens lies that has a tag.

    Special tokens and those of white space alone have none. Row i's are `offsets[i]:offsets[i + 1]`.
    """

    tokens: Tokens
    at: NDArray[np.int64]
    """(m,) position in `tokens.ids`, ascending."""
    borders: NDArray[np.int32]
    """(m, 2) start and end, without white space at the ends."""
    joined: NDArray[np.bool_]
    """(m,) whether the token cannot be parted from the one before: both lie in one word, or in one character."""
    offsets: NDArray[np.int64]
    """(n + 1,), starting at 0."""

    def __len__(self) -> int:
        return len(self.tokens)

    def loose(self) -> "Aligned":
        """The same with words that may be parted, but no characters."""
        shared = np.concatenate([[False], self.borders[1:, 0] < self.borders[:-1, 1]])[: len(self.at)]
        return replace(self, joined=self.joined & shared)

    def places(self, rows: NDArray[np.integer]) -> NDArray[np.int64]:
        """Which of the m tokens are those of `rows` (k,), in that order."""
        lengths = np.diff(self.offsets)[rows]
        shift = np.repeat(self.offsets[rows] - np.cumsum(lengths) + lengths, lengths)
        found: NDArray[np.int64] = shift + np.arange(len(shift))
        return found

    def take(self, rows: NDArray[np.integer]) -> "Aligned":
        """Those of `rows` (k,), in that order."""
        places, tokens, lengths = self.places(rows), self.tokens.take(rows), np.diff(self.offsets)[rows]
        shift = np.repeat(tokens.offsets[:-1] - self.tokens.offsets[rows], lengths)
        return Aligned(
            tokens,
            self.at[places] + shift,
            self.borders[places],
            self.joined[places],
            np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]),
        )


@dataclass(frozen=True)
class Dropped:
    """Spans that tags cannot say."""

    overlapping: int = 0
    """A longer one has some of its tokens."""
    cut: int = 0
    """They reach beyond what the encoder reads."""
    empty: int = 0
    """They touch no token."""


def align(encoder: Encoder, texts: Sequence[str], progress: Progress | None = None) -> Aligned:
    """Tokens of `texts` as `encoder.tokenize` gives them, and their places in the texts."""
    vocabulary, unknown = len(encoder.tokenizer), encoder.tokenizer.unk_token_id
    parts = [pack([], [], vocabulary)]
    at: list[int] = []
    borders: list[tuple[int, int]] = []
    joined: list[bool] = []
    offsets, before = [0], 0
    for begin in range(0, len(texts), 1_024):
        part = list(texts[begin : begin + 1_024])
        batch = encoder.tokenizer(
            part, truncation=True, max_length=encoder.max_length, return_offsets_mapping=True
        )
        cut = [bool(encoding.overflowing) for encoding in batch.encodings]
        parts.append(pack(batch["input_ids"], cut, vocabulary, unknown))
        for text, found in zip(part, batch["offset_mapping"], strict=True):
            last = 0
            for position, (start, end) in enumerate(found, before):
                # Some tokenizers count the white space before a word to its first token.
                start += len(text[start:end]) - len(text[start:end].lstrip())
                end -= len(text[start:end]) - len(text[start:end].rstrip())
                if start >= end:
                    continue
                at.append(position)
                borders.append((start, end))
                joined.append(start < last or (0 < start == last and _inside(text, start)))
                last = end
            before += len(found)
            offsets.append(len(at))
        if progress:
            progress(begin + len(part), len(texts))
    return Aligned(
        concat(parts),
        np.array(at, np.int64),
        np.array(borders, np.int32).reshape(-1, 2),
        np.array(joined, bool),
        np.array(offsets, np.int64),
    )


def tags(aligned: Aligned, spans: Sequence[Sequence[Span]]) -> tuple[NDArray[np.int64], Dropped]:
    """((m,) the tag of each token, what no tag says) of each text's `spans`, in any order.

    A token that a span touches belongs to it whole. Of overlapping spans the longest stays, then the first. What can
    be seen of a span that was cut is UNKNOWN.
    """
    found = np.full(len(aligned.at), OUTSIDE, np.int64)
    overlapping = cut = empty = 0
    for row, wanted in enumerate(spans):
        own = slice(*aligned.offsets[row : row + 2])
        starts, ends = aligned.borders[own].T
        beyond = int(ends[-1]) if aligned.tokens.cut[row] and len(ends) else None
        free = np.ones(len(starts), bool)
        for start, end, label in sorted(wanted, key=lambda span: (span[0] - span[1], *span)):
            touched = np.flatnonzero((starts < end) & (ends > start))
            if beyond is not None and end > beyond:
                cut += 1
                found[own][touched[free[touched]]] = UNKNOWN
                free[touched] = False
            elif not len(touched):
                empty += 1
            elif not free[touched].all():
                overlapping += 1
            else:
                found[own][touched] = 2 + 2 * label
                found[own][touched[0]] = 1 + 2 * label
                free[touched] = False
    return found, Dropped(overlapping, cut, empty)


def whole_words(aligned: Aligned, tags: NDArray[np.int64]) -> bool:
    """Whether the spans that `tags` (m,) say begin and end with a word, but for one in twenty."""
    begins = (tags > OUTSIDE) & (tags % 2 == 1)
    ends = np.concatenate([[False], tags[:-1] > OUTSIDE])[: len(tags)] & (tags == OUTSIDE)
    parted = aligned.loose().joined != aligned.joined
    return bool(20 * (parted & (begins | ends)).sum() <= begins.sum())


def decode(
    log_probabilities: NDArray[np.floating], offsets: NDArray[np.int64], joined: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """(m,) the likeliest tags of each text in which 2 + 2c follows 1 + 2c or 2 + 2c alone (Viterbi).

    `log_probabilities` (m, 1 + 2C); row i's tokens are `offsets[i]:offsets[i + 1]`. A token that is `joined` (m,) has
    no border before it: it goes on with what the one before is in.
    """
    size, lengths = log_probabilities.shape[1], np.diff(offsets)
    n, longest = len(lengths), int(lengths.max(initial=0))
    if not longest:
        return np.empty(0, np.int64)
    begin, inside = np.arange(1, size, 2), np.arange(2, size, 2)
    # All texts at once, filled up to the longest: text by text would be a loop over all tokens.
    real = np.arange(longest) < lengths[:, None]
    logp, tied = np.zeros((n, longest, size)), np.zeros((n, longest), bool)
    logp[real], tied[real] = log_probabilities, joined
    logp[:, :1, inside] = -np.inf
    logp[:, :, begin] -= np.where(tied, np.inf, 0)[:, :, None]
    # The best tag before each, and for what is filled up the same one.
    back = np.broadcast_to(np.arange(size), logp.shape).copy()
    score = logp[:, 0]
    for t in range(1, longest):
        before = np.repeat(score.argmax(axis=1)[:, None], size, axis=1)
        before[:, inside] = np.where(score[:, inside] > score[:, begin], inside, begin)
        before[tied[:, t], OUTSIDE] = OUTSIDE
        back[:, t] = np.where(real[:, t, None], before, back[:, t])
        score = logp[:, t] + np.take_along_axis(score, back[:, t], axis=1)
    tags = np.empty((n, longest), np.int64)
    last = score.argmax(axis=1)
    for t in reversed(range(longest)):
        tags[:, t] = last
        last = back[np.arange(n), t, last]
    found: NDArray[np.int64] = tags[real]
    return found


def spans(
    tags: NDArray[np.integer], offsets: NDArray[np.int64], borders: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """((k, 4) text, start, end, class of the spans that valid `tags` (m,) say; (k, 2) their tokens, end excluded)."""
    starts = np.flatnonzero(tags % 2 == 1)
    # A span ends where a token is not inside it, or with its text.
    stops = np.append(np.flatnonzero((tags % 2 == 1) | (tags == OUTSIDE)), len(tags))
    stops = np.unique(np.concatenate([stops, offsets]))
    ends = stops[np.searchsorted(stops, starts, side="right")]
    rows = np.searchsorted(offsets, starts, side="right") - 1
    table = [rows, borders[starts, 0], borders[ends - 1, 1], (tags[starts] - 1) // 2]
    return np.stack(table, axis=1).astype(np.int32), np.stack([starts, ends], axis=1)


def _inside(text: str, at: int) -> bool:
    """Whether there is a word on both sides, in a script that has cases: others may write words without a gap."""
    return all(c.isdigit() or c.lower() != c.upper() for c in text[at - 1 : at + 1])
