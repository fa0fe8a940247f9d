"""A scripted annotator: opens what Label Studio serves, takes a moment to read it, and answers with the truth."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from service.answers import Answer
from service.errors import LabelStudioUnavailable, PostilError
from service.label_studio.annotator import Annotator
from service.label_studio.problems import Problem
from service.pool.text import digest

PATIENCE_S = 120.0
"""How long Label Studio may be away, or slow, in the midst of the work."""
WAIT_S = 0.5


class Truth:
    """The true answer to each text that is known; texts that differ in white space alone are the same."""

    def __init__(self, examples: Iterable[tuple[str, Answer]]) -> None:
        """`examples`: text and answer each."""
        self._answers: Mapping[bytes, Answer] = {digest(text): answer for text, answer in examples}

    def of(self, text: str) -> Answer | None:
        return self._answers.get(digest(text))


class Labeler:
    """One annotator at work in one project. `pace_s`: seconds from one answer to the next, at least."""

    def __init__(
        self, annotator: Annotator, project: int, problem: Problem, truth: Truth, pace_s: float = 1 / 5
    ) -> None:
        self._annotator, self._project = annotator, project
        self._problem, self._truth = problem, truth
        self._pace_s = pace_s
        self._begun = 0.0
        self.answers = 0
        self.skips = 0
        """Texts whose truth is not known."""

    def turn(self) -> bool:
        """Answer or skip one task; False, at once, where there is none now. Raises LabelStudioUnavailable."""
        if not self._begun:
            self._begun = time.monotonic()
        served = self._annotator.next(self._project)
        opened = time.monotonic()
        if served is None:
            self._begun = 0.0
            return False
        # Opening the next task is part of an answer's time, as it is for a person.
        time.sleep(max(0.0, self._begun + self._pace_s - opened))
        self._begun = time.monotonic()
        answer = self._truth.of(str(served.data.get("text", "")))
        if answer is None:
            self._annotator.skip(served, self._begun - opened)
            self.skips += 1
        else:
            self._annotator.submit(served, self._problem.to_result(answer), self._begun - opened)
            self.answers += 1
        return True


def label(
    labelers: Sequence[Labeler], count: int, on_turn: Callable[[bool], None] = lambda answered: None
) -> None:
    """`count` answers by all of them together, each at its own pace; waits where there is no task.

    `on_turn` is told of each answer (True) and of each wait for a task (False), from several threads. Raises
    LabelStudioUnavailable when Label Studio is away for longer than PATIENCE_S.
    """
    left, lock, broken = count, threading.Lock(), threading.Event()

    def take() -> bool:
        nonlocal left
        with lock:
            if left == 0:
                return False
            left -= 1
            return True

    def give_back() -> None:
        nonlocal left
        with lock:
            left += 1

    def work(labeler: Labeler) -> None:
        seen = time.monotonic()
        while not broken.is_set() and take():
            before = labeler.answers
            try:
                served = labeler.turn()
                seen = time.monotonic()
            except LabelStudioUnavailable:
                # An answer that went lost on its way back is not given twice: the next task is asked for.
                served = False
                if time.monotonic() - seen > PATIENCE_S:
                    broken.set()
                    raise
            except PostilError:
                broken.set()
                raise
            answered = labeler.answers > before
            if not answered:
                give_back()
            on_turn(answered)
            if not served:
                broken.wait(WAIT_S)

    with ThreadPoolExecutor(len(labelers)) as threads:
        work_done = [threads.submit(work, labeler) for labeler in labelers]
        try:
            for one in work_done:
                one.result()
        finally:
            broken.set()
