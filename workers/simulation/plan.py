"""What is to be simulated: every number that decides a result, so that a run can be repeated and resumed."""

import hashlib
from pathlib import Path
from typing import get_args

import msgspec

from service import quotas
from service.errors import Conflict, Invalid
from service.records import Consensus
from strategies import registry

SETTINGS = "settings.json"


class Plan(msgspec.Struct, frozen=True):
    """One simulation. Files are named by a hash of what is in them."""

    data: str
    test: str
    model: str
    start: int
    batch: int
    labels: int
    noise: tuple[float, ...]
    """Of each annotator, the share of answers that are wrong."""
    random_share: float
    problem: str
    frozen: bool = False
    """Linear heads alone, without LoRA."""
    holdout: int = 0
    """Labels that only measure, out of the random draws; 0: the campaign knows the test set."""
    score_rows: int = 10_000
    """Examples of the pool that are scored after each batch, as far as a campaign's time for it goes."""
    near_duplicates: str = "drop"
    """Or `keep`: whether examples that repeat another are asked."""
    errors: str = "any"
    """Or `similar`: which class is taken for which (single_label)."""
    overlap: int = 1
    consensus: Consensus = "model"
    second_opinions: float = 0.2
    weak_share: float = 0.0
    quotas: dict[str, float] = {}

    def check(self) -> None:
        """Raises Invalid for numbers that make no campaign."""
        if self.start < 1 or self.batch < 1:
            raise Invalid(f"--start {self.start} and --batch {self.batch} must be 1 or more", "start")
        if self.labels < self.start:
            raise Invalid(f"--labels {self.labels} is less than --start {self.start}", "labels")
        for share in self.noise:
            if not 0 <= share < 1:
                raise Invalid(f"--noise {share} is no share of wrong answers: give 0 to below 1", "noise")
        if self.errors not in ("any", "similar") or (
            self.errors == "similar" and self.problem != "single_label"
        ):
            raise Invalid(f"--errors {self.errors!r} is not any, or, for single labels, similar", "errors")
        if not 1 <= self.overlap <= len(self.noise):
            raise Invalid(
                f"--overlap {self.overlap} needs as many annotators: give --noise so many shares", "overlap"
            )
        if self.consensus not in get_args(Consensus):
            raise Invalid(
                f"--consensus {self.consensus!r} is none of {', '.join(get_args(Consensus))}", "consensus"
            )
        if not 0 <= self.second_opinions <= 0.9:
            raise Invalid(
                f"--second-opinions {self.second_opinions} is not within 0 and 0.9", "second_opinions"
            )
        quotas.check(self.quotas, self.weak_share)
        if not 0 <= self.random_share <= 0.9:
            raise Invalid(f"--random-share {self.random_share} is not within 0 and 0.9", "random_share")
        if not 0 <= self.holdout <= 10_000:
            raise Invalid(f"--holdout {self.holdout} is not within 0 and 10000", "holdout")
        if self.score_rows < 1:
            raise Invalid(f"--score-rows {self.score_rows} must be 1 or more", "score_rows")
        if self.near_duplicates not in ("drop", "keep"):
            raise Invalid(
                f"--near-duplicates {self.near_duplicates!r} is neither drop nor keep", "near_duplicates"
            )
        if self.frozen and self.problem == "spans":
            raise Invalid("--frozen is for labels of whole texts: spans are learned by LoRA alone", "frozen")

    def steps(self) -> list[int]:
        """Labels at each point of a curve: 25, 75, …, 525."""
        return list(range(self.start, self.labels + 1, self.batch))


def keep(settings: msgspec.Struct, folder: Path) -> None:
    """Write a plan to `folder`; raises Conflict where another plan's results are there."""
    file = folder / SETTINGS
    if file.exists():
        kept = msgspec.json.decode(file.read_bytes(), type=dict)
        mine = msgspec.json.decode(msgspec.json.encode(settings), type=dict)
        if kept != mine:
            other = [name for name, value in mine.items() if kept.get(name) != value]
            raise Conflict(
                f"{folder} holds results with another {', '.join(other)}: give --out another folder, or remove it"
            )
    folder.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(settings)) + b"\n")


class Run(msgspec.Struct, frozen=True):
    """One campaign of a plan."""

    strategy: str
    seed: int

    @property
    def file(self) -> str:
        return f"runs/{self.strategy}-{self.seed}.jsonl"


def runs(strategies: list[str], seeds: int, problem: str) -> list[Run]:
    """Each strategy with each seed, seed by seed, so that a run cut short has whole seeds. Raises Invalid."""
    if seeds < 1:
        raise Invalid(f"--seeds {seeds} must be 1 or more", "seeds")
    for name in strategies:
        try:
            strategy = registry.get(name)
        except ValueError as error:
            raise Invalid(str(error), "strategy") from None
        if problem not in strategy.problems:
            fit = ", ".join(registry.names(problem))
            raise Invalid(f"strategy {name!r} is not for {problem}; choose one of {fit}", "strategy")
    return [Run(name, seed) for seed in range(seeds) for name in dict.fromkeys(strategies)]


def digest(path: Path) -> str:
    """A short hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
