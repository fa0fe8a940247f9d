"""Perturbations: labeled texts, slightly changed, which keep their label.

What Wei and Zou (EDA, arXiv:1901.11196) found to help on few labels, without the synonyms, which would need a thesaurus
of each language: words left out and words swapped, a tenth of them; and slips of people who type: a neighbouring key, a
letter left out, two of them swapped, other case, a space left out.
"""

from collections.abc import Callable, Iterator

import numpy as np

from workers.synthesis.drafts import Draft, Group

SHARE = 0.1
"""Of a text's words that are changed, at least one (EDA's alpha)."""
TRIES = 10
"""To find a change that changes something."""
ROWS = "qwertyuiop", "asdfghjkl", "zxcvbnm"
NEIGHBOURS = {
    key: "".join(
        other
        for there, its in enumerate(ROWS)
        for at, other in enumerate(its)
        if other != key and abs(there - here) <= 1 and abs(at - place) <= 1
    )
    for here, row in enumerate(ROWS)
    for place, key in enumerate(row)
}
Generator = np.random.Generator


def drafts(group: Group, count: int, rng: Generator) -> Iterator[Draft]:
    """Up to `count` of one label, from its texts in turn, none twice; fewer where they are too short to be changed."""
    made = {one.text for one in group.seen}
    names = tuple(PERTURBATIONS)
    order = rng.permutation(len(group.seen)).tolist()
    for at in range(count if order else 0):
        source = group.seen[order[at % len(order)]]
        for _ in range(TRIES):
            name = names[rng.integers(len(names))]
            text = PERTURBATIONS[name](source.text, rng)
            if text.strip() and text not in made:
                made.add(text)
                yield Draft(text, source.answer, (source.place,), name)
                break


def typed(text: str, rng: Generator) -> str:
    """Some letters for their neighbours on an English keyboard; other letters stay."""
    at = [place for place, one in enumerate(text) if one.lower() in NEIGHBOURS]
    letters = list(text)
    for place in _some(at, len(text.split()), rng):
        near = NEIGHBOURS[letters[place].lower()]
        slip = near[rng.integers(len(near))]
        letters[place] = slip.upper() if letters[place].isupper() else slip
    return "".join(letters)


def left_out(text: str, rng: Generator) -> str:
    """Some letters of longer words left out."""
    at = [place for place, one in enumerate(text) if one.isalpha()]
    gone = set(_some(at, len(text.split()), rng))
    return "".join(one for place, one in enumerate(text) if place not in gone)


def letters_swapped(text: str, rng: Generator) -> str:
    """Some letters and the next ones of their words the other way round."""
    at = [place for place in range(len(text) - 1) if text[place].isalpha() and text[place + 1].isalpha()]
    letters = list(text)
    for place in _some(at, len(text.split()), rng):
        letters[place], letters[place + 1] = letters[place + 1], letters[place]
    return "".join(letters)


def dropped(text: str, rng: Generator) -> str:
    """Some words left out, never all."""
    words = text.split()
    gone = set(_some(range(len(words)), len(words), rng)) if len(words) > 1 else set()
    return " ".join(word for at, word in enumerate(words) if at not in gone)


def swapped(text: str, rng: Generator) -> str:
    """Pairs of words that change places."""
    words = text.split()
    for _ in range(max(1, round(SHARE * len(words))) if len(words) > 1 else 0):
        one, other = rng.choice(len(words), 2, replace=False)
        words[one], words[other] = words[other], words[one]
    return " ".join(words)


def cased(text: str, rng: Generator) -> str:
    """All in lower case, all in capitals, or as a title."""
    forms = (text.lower(), text.upper(), text.title())
    return forms[rng.integers(len(forms))]


def joined(text: str, rng: Generator) -> str:
    """Some spaces left out."""
    words = text.split()
    gone = set(_some(range(1, len(words)), len(words), rng))
    return "".join((" " if at and at not in gone else "") + word for at, word in enumerate(words))


def _some(among: "range | list[int]", words: int, rng: Generator) -> list[int]:
    """One of these for each ten words of the text, at least one, where there are any."""
    count = min(len(among), max(1, round(SHARE * words)))
    return [among[at] for at in rng.choice(len(among), count, replace=False)] if count else []


PERTURBATIONS: dict[str, Callable[[str, Generator], str]] = {
    "key": typed,
    "letter": left_out,
    "letters": letters_swapped,
    "drop": dropped,
    "swap": swapped,
    "case": cased,
    "space": joined,
}
