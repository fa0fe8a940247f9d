"""What crosses boundaries: frozen records, as they stand in the store."""

from typing import Any, Literal

import msgspec

from service.answers import FIELDS, Answer

Role = Literal["train", "control", "hold-out"]
Access = Literal["viewer", "engineer", "admin"]
"""What a token allows, each what those before it do: reading; changing campaigns; issuing tokens."""

NearDuplicates = Literal["drop", "propagate", "keep"]
"""What becomes of examples that repeat another: they are not asked; they train with its label, too; nothing."""

Consensus = Literal["model", "dawid_skene", "majority"]
"""How answers become a label: by who is how often right, with the model as one more voter or without; or most count."""

BLIND_ROLES = ("control", "hold-out")
PROBLEMS = tuple(FIELDS)
HEADLINES = {"single_label": "accuracy", "multi_label": "macro_f1", "spans": "f1"}
"""The metric that a curve shows, by problem: the name of a field of its `Metrics`."""


class LabelChange(msgspec.Struct, frozen=True):
    """Labels that gave way to others in a running campaign (`service.vocabulary`), and what came of it."""

    old: list[str]
    new: list[str]
    before: list[str]
    """All labels as they were."""
    made_at: float
    relabeled: int
    """Labels of examples that have another name since."""
    asked_again: int
    """Examples that go back to people, since it cannot be told which of several labels they have."""
    ended: int
    """Imported labels of which that cannot be told: they hold no more."""
    unmeasured: int
    """Examples of a test set of which that cannot be told: they measure no more."""


class Campaign(msgspec.Struct, frozen=True):
    """One labeling effort, as stored. Fields as in the table `campaign`."""

    id: str
    name: str
    problem: str
    labels: list[str]
    model: str
    strategy: str
    text_field: str
    instruction: str
    seed: int
    round_size: int
    budget: int | None
    low_water: int
    random_share: float
    holdout_size: int
    score_seconds: float
    near_duplicates: NearDuplicates
    overlap: int
    consensus: Consensus
    second_opinions: float
    teacher: str | None
    formula: str | None
    class_balance: float
    weak_share: float
    quotas: dict[str, float]
    adapter: int | None
    """The round whose adapter is active, where somebody named one; see `rounds.active`."""
    hour_price: float | None
    compute_price: float | None
    currency: str
    point_price: float | None
    budget_hours: float | None
    budget_money: float | None
    stop_at_advice: bool
    stopped_round: int | None
    paused: bool
    created_at: float
    encoder: str | None
    label_version: int
    batches: int
    place: int
    project: int | None
    page_hash: str | None
    model_version: str | None
    webhook_hash: str | None
    put_right: str | None
    cursor: str | None
    train_from: int | None
    swept_at: float | None
    exhausted_rows: int | None
    page_changes: int
    label_changes: list[LabelChange]
    """Oldest first; from the table `label_change`."""


class Example(msgspec.Struct, frozen=True, gc=False):
    """One line of a pool, validated."""

    text: str
    id: str | None = None
    domain: str | None = None
    meta: dict[str, Any] | None = None
    label: Answer | None = None
    """What is known of it already, of the campaign's problem."""


class Place(msgspec.Struct, frozen=True, order=True, gc=False):
    """Which example: a shard's number and a row in it, for ever."""

    shard: int
    row: int

    def __str__(self) -> str:
        return f"{self.shard}-{self.row}"

    @classmethod
    def parse(cls, text: str) -> "Place":
        """The inverse of `str`; ValueError for anything else."""
        shard, row = text.split("-")
        return cls(int(shard), int(row))
