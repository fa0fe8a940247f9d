"""A model behind an OpenAI-compatible API, asked for more texts like some labeled ones.

Whatever it answers is text and nothing else. Answers are read with patience: a JSON list, alone, in a fence, in an
object or among other words, of strings or of objects with a `text`; or lines with a number or a dash in front.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np

from workers.corpus import words
from workers.server import SILENT_S, WAIT_S, Server, ServerDown
from workers.synthesis.drafts import Draft, GeneratorDown, Group, drawn

FEW, ASKED = 8, 20
"""Labeled texts that are shown, and texts that are asked for, in one request."""
NONSENSE = 3
"""So many answers in a row that cannot be read, and the label is left."""
SHOWN_CHARS, TEXT_CHARS = 1_000, 4_000
_ITEM = re.compile(r"^\s*(?:\d+[.)]|[-*•])\s+(.+?)\s*$", re.MULTILINE)
_FENCE = re.compile(r"```[a-zA-Z]*\n?(.*?)```", re.DOTALL)


class Endpoint:
    """A session with one generator. `nonsense` counts the answers that held no text."""

    def __init__(
        self, url: str, model: str, key: str | None = None, wait_s: float = WAIT_S, silent_s: float = SILENT_S
    ) -> None:
        """`url` as `generators.allowed` gave it back."""
        self.model, self.nonsense = model, 0
        self._server = Server(url, f"the generator {model}", key, wait_s, silent_s)

    def drafts(
        self, group: Group, count: int, rng: np.random.Generator, pause: Callable[[], None] = lambda: None
    ) -> Iterator[Draft]:
        """Up to `count` texts of one label; `pause` is called before each request. Raises GeneratorDown."""
        made = {one.text for one in group.seen}
        left, in_vain = count, 0
        while left and in_vain < NONSENSE:
            pause()
            shown = drawn(group, FEW, rng)
            found = read(self._ask(prompt(group.label, [one.text for one in shown], min(left, ASKED)), rng))
            new = [one for one in dict.fromkeys(found) if one not in made][:left]
            self.nonsense += not found
            in_vain = 0 if new else in_vain + 1
            made.update(new)
            left -= len(new)
            for text in new:
                yield Draft(text, group.answer, tuple(one.place for one in shown), "few-shot")

    def close(self) -> None:
        self._server.close()

    def _ask(self, words: str, rng: np.random.Generator) -> str:
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": words}],
            "temperature": 1.0,
            "seed": int(rng.integers(2**31)),
        }
        try:
            return _content(self._server.ask("/chat/completions", body))
        except ServerDown as error:
            raise GeneratorDown(str(error)) from None


def prompt(label: str, shown: list[str], count: int) -> str:
    """What the model is told."""
    examples = msgspec.json.encode([one[:SHOWN_CHARS] for one in shown]).decode()
    like = f"Here are texts of this kind, as a JSON list:\n{examples}\n" if shown else ""
    return (
        f'Texts are sorted into kinds. One kind is called "{words(label)}". {like}'
        f"Write {count} more texts of exactly this kind, as other people might have written them: of other wording and "
        "content, as long and in the same language and style. Answer with a JSON list of strings and nothing else."
    )


def read(answer: str) -> list[str]:
    """The texts in an answer; none where it is nonsense."""
    for candidate in _candidates(answer):
        try:
            found = _texts(msgspec.json.decode(candidate))
        except (msgspec.DecodeError, RecursionError):
            continue
        if found:
            return found
    return _cleaned(_ITEM.findall(answer))


def _candidates(answer: str) -> Iterator[str]:
    yield answer
    yield from _FENCE.findall(answer)
    first, last = answer.find("["), answer.rfind("]")
    if 0 <= first < last:
        yield answer[first : last + 1]


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        lists = [one for one in value.values() if isinstance(one, list)]
        value = lists[0] if len(lists) == 1 else []
    if not isinstance(value, list):
        return []
    return _cleaned([one.get("text") if isinstance(one, dict) else one for one in value])


def _cleaned(found: list[Any]) -> list[str]:
    texts = [" ".join(one.split()) for one in found if isinstance(one, str)]
    return [one for one in texts if one and len(one) <= TEXT_CHARS and "\0" not in one]


def _content(answer: bytes) -> str:
    """What the model said; nothing where this is no answer of such an API."""
    try:
        content = msgspec.json.decode(answer)["choices"][0]["message"]["content"]
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError, TypeError):
        return ""
    return content if isinstance(content, str) else ""
