"""One run of the demo: the embedded stack, a new campaign in it, rounds of labeling, what they came to."""

import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TimeElapsedColumn

from service.cli import opening, output
from service.cli.opening import LOOK_S, ROUND_SIZE, Opened
from service.cli.output import say
from service.cli.stack import Lights, addresses
from service.client import Client, Unreachable
from service.client.views import Campaign, Round
from service.demo.labeler import label
from service.demo.summary import RoundResult, Summary, label_studio_answers
from service.errors import PostilError
from service.settings import Settings
from service.stack.label_studio import environment
from service.stack.stack import Stack

LABEL_STUDIO_WITHIN_S = 1800.0
"""The first start installs Label Studio: about 500 MB to fetch."""
UP_WITHIN_S = 300.0
ORDERED_WITHIN_S = 20.0
SETTLED_WITHIN_S = 60.0
API_AWAY_S = 60.0
OF_A_ROUND = ("seal", "encode", "train", "score", "rerank")
"""Jobs that a round waits for."""

Value = TypeVar("Value")


@dataclass(frozen=True)
class Asked:
    """What the person wants to see."""

    exit: bool
    rounds: int
    annotators: int
    pool: str | None
    """The person's own texts; None: docstrings, and a scripted annotator."""
    labels: list[str]


def run(settings: Settings, asked: Asked, console: Console) -> int:
    """The whole demo; its exit status. Without `exit` it ends by Ctrl-C."""
    begun = time.monotonic()
    own = embedded(settings)
    path = own.folder / "summary.json"
    path.unlink(missing_ok=True)
    lights, status = Lights(console), 0
    with Stack(own) as stack, ExitStack() as closing:
        try:
            with lights:
                stack.start(lights.take)
                for name in stack.states():
                    stack.wait_up(name, LABEL_STUDIO_WITHIN_S if name == "label-studio" else UP_WITHIN_S)
            api = closing.enter_context(Client.of(stack.settings))
            say(console, addresses(stack))
            if asked.pool is None:
                opened = opening.on_docstrings(api, stack.settings, asked.annotators, console, closing)
            else:
                opened = opening.on_own(api, asked.pool, asked.labels, console)
            status = Session(api, stack, asked, opened, console).go(begun, path)
        except KeyboardInterrupt:
            if asked.exit:
                raise
        console.print("Stopping …")
    console.print("Everything has stopped.")
    return status


def embedded(settings: Settings) -> Settings:
    """Settings of the demo: every server embedded, data of its own; the installed Label Studio is shared."""
    return Settings(
        data=str(settings.folder / "demo"),
        label_studio_venv=str(environment(settings)),
        # The scripted annotator waits for each round, so the worker may have all cores.
        threads=settings.threads or os.cpu_count() or 1,
    )


class Session:
    """One campaign of the demo, from its first label to its summary."""

    def __init__(self, api: Client, stack: Stack, asked: Asked, opened: Opened, console: Console) -> None:
        self.api, self.stack, self.asked, self.opened, self.console = api, stack, asked, opened, console
        self.name = opened.name
        self.results: list[RoundResult] = []

    @property
    def given(self) -> int:
        """Answers that the scripted annotators gave."""
        return sum(one.answers for one in self.opened.labelers)

    def go(self, begun: float, path: Path) -> int:
        """All rounds, then the summary or, until Ctrl-C, the person's turn; the exit status."""
        settings = self.stack.settings
        page = f"{settings.label_studio_url}/projects/{self.opened.project}/data?labeling=1"
        say(self.console, f"Campaign {self.name}; in another terminal:")
        say(self.console, f"  POSTIL_DATA={settings.data} {os.path.abspath(sys.argv[0])} watch {self.name}\n")
        if not self.opened.labelers:
            say(self.console, f"Label at {page}")
        faults, number = [], 0
        try:
            while not self.asked.exit or number < self.asked.rounds:
                number += 1
                self._round(number)
                if number == self.asked.rounds and self.opened.labelers and not self.asked.exit:
                    say(self.console, f"\nThe queue is yours now: {page}\nCtrl-C stops it all.\n")
        except PostilError as error:
            if not self.asked.exit:
                raise
            faults.append(str(error))
        summary = self._summary(begun)
        summary.write(path)
        words = f"{summary.annotations} answers, {output.seconds(summary.seconds)} in all"
        say(self.console, f"\n{words}; the summary is in {path}")
        faults += summary.faults()
        for fault in faults:
            say(self.console, f"error: {fault}")
        return 1 if faults else 0

    def _round(self, number: int) -> None:
        """Answers for the round where the script gives them, and its end: the queue in its new order."""
        scripted = bool(self.opened.labelers) and number <= self.asked.rounds
        missing = ROUND_SIZE if scripted else 0
        while True:
            if missing:
                self._label(number, missing)
            done = self._wait(number, scripted)
            if not isinstance(done, int):
                break
            # An answer that made no new label (to a text that was asked twice, say) is made up for.
            missing = done
        points = patiently(lambda: self.api.curve(self.name))["points"]
        point = next((one for one in points if one["round"] == number), None)
        accuracy = point["metrics"]["accuracy"] if point and point["metrics"] else None
        result = RoundResult(
            round=number,
            labels=done["labels"],
            accuracy=accuracy["value"] if accuracy else None,
            accuracy_low=accuracy["low"] if accuracy else None,
            accuracy_high=accuracy["high"] if accuracy else None,
            baseline_accuracy=point["baseline"] if point else None,
            train_seconds=done["train_seconds"],
            score_seconds=done["score_seconds"],
        )
        self.results.append(result)
        say(self.console, line(result))

    def _label(self, number: int, count: int) -> None:
        if not self.console.is_terminal:
            say(self.console, f"round {number}: answering in Label Studio ({count} to go)")
        answering, waiting = (
            f"round {number}: answering in Label Studio",
            f"round {number}: waiting for a task",
        )
        with bars(self.console) as bar:
            task = bar.add_task(answering, total=count)

            def told(answered: bool) -> None:
                bar.update(task, advance=int(answered), description=answering if answered else waiting)
                if not answered:
                    self._check()

            label(self.opened.labelers, count, told)

    def _wait(self, number: int, scripted: bool) -> Round | int:
        """The round, once it has ordered the queue; or how many answers it still lacks, all given ones being known.

        Raises PostilError when it fails.
        """
        if not self.console.is_terminal and scripted:
            say(self.console, f"round {number}: answers given; training, scoring, ordering the queue anew")
        last = self.asked.exit and number == self.asked.rounds
        ranked_at: float | None = None
        with bars(self.console) as bar:
            task = bar.add_task(f"round {number}", total=None)
            while True:
                self._check()
                rounds = patiently(lambda: self.api.rounds(self.name))
                found = next((one for one in rounds if one["number"] == number), None)
                if found is None:
                    missing = self._missing(number, scripted, bar, task)
                    if scripted and missing:
                        return missing
                elif found["state"] == "failed":
                    raise PostilError(f"round {number} failed: {found['error']}; see the log of worker-gpu")
                elif found["ranked_at"] is None:
                    self._tell_of_jobs(number, bar, task)
                else:
                    ranked_at = ranked_at or time.monotonic()
                    words = f"round {number}: putting the new order into Label Studio"
                    bar.update(task, description=words)
                    # An empty queue has no order to tell of.
                    late = time.monotonic() - ranked_at > ORDERED_WITHIN_S
                    if last or late or self._ordered(number):
                        return found
                time.sleep(LOOK_S)

    def _missing(self, number: int, scripted: bool, bar: Progress, task: TaskID) -> int:
        """Answers that the round still lacks; 0 while some that were given are on their way."""
        status = self._campaign()["status"]
        lacking = max(0, ROUND_SIZE - status["changes"])
        words = "collecting the answers" if scripted else "waiting for your answers"
        description = f"round {number}: {words}"
        bar.update(task, description=description, completed=ROUND_SIZE - lacking, total=ROUND_SIZE)
        begun = status["round"] is not None and status["round"]["number"] >= number
        return 0 if begun or status["annotations"].get("answer", 0) < self.given else lacking

    def _tell_of_jobs(self, number: int, bar: Progress, task: TaskID) -> None:
        for job in patiently(lambda: self.api.jobs(self.name)):
            if (told := job["progress"]) and job["kind"] in OF_A_ROUND:
                bar.update(task, description=told["doing"], completed=told["done"], total=told["total"])
                return
        bar.update(task, description=f"round {number}: waiting for a worker")

    def _ordered(self, number: int) -> bool:
        """Whether Label Studio serves in the order that this round made."""
        log = patiently(lambda: self.api.log(self.name))
        made = (one["data"]["version"] for one in log if one["kind"] == "queue-reordered")
        return f"r{number}" in made

    def _check(self) -> None:
        """Raises PostilError where a job failed for good: nobody would ever see its round end."""
        for one in patiently(lambda: self.api.log(self.name)):
            if one["kind"] == "job-failed" and one["data"].get("final"):
                job, error = one["data"]["job"], one["data"]["error"]
                raise PostilError(
                    f"the job {job!r} failed for good: {error}; see {self.stack.settings.data}/logs"
                )

    def _campaign(self) -> Campaign:
        return patiently(lambda: self.api.campaign(self.name))

    def _summary(self, begun: float) -> Summary:
        """What the run came to, all answers having arrived (or the time for it being over)."""
        studio = self.stack.label_studio
        assert studio is not None  # the demo's settings name no other
        database = studio.folder / "label_studio.sqlite3"
        until = time.monotonic() + SETTLED_WITHIN_S
        with self.console.status("counting the answers"):
            while True:
                annotations = self._campaign()["status"]["annotations"].get("answer", 0)
                there = label_studio_answers(database, self.opened.project)
                if annotations >= max(self.given, there) or time.monotonic() > until:
                    break
                time.sleep(LOOK_S)
        return Summary(
            campaign=self.name,
            rounds_asked=self.asked.rounds,
            rounds=self.results,
            given=self.given,
            annotations=annotations,
            label_studio_annotations=there,
            seconds=round(time.monotonic() - begun, 1),
        )


def line(result: RoundResult) -> str:
    """A round in one line."""
    words = [f"round {result.round}: {result.labels} labels"]
    if result.accuracy is None:
        words.append("nothing measures yet")
    else:
        words.append(
            f"accuracy {result.accuracy:.3f} [{result.accuracy_low:.3f}, {result.accuracy_high:.3f}]"
        )
    if result.baseline_accuracy is not None:
        words.append(f"logistic regression on the same labels {result.baseline_accuracy:.3f}")
    words.append(f"trained in {output.seconds(result.train_seconds)}")
    words.append(f"scored in {output.seconds(result.score_seconds)}")
    return ", ".join(words)


def patiently(call: Callable[[], Value], seconds: float = API_AWAY_S) -> Value:
    """What `call` returns, once the API is there again; it is restarted where it dies."""
    until = time.monotonic() + seconds
    while True:
        try:
            return call()
        except Unreachable:
            if time.monotonic() > until:
                raise
            time.sleep(LOOK_S)


def bars(console: Console) -> Progress:
    return output.progress(console, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
