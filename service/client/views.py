"""What the API answers, as the command line reads it: plain JSON objects with known keys.

Only keys that are read here are named; others pass through to `--json`. Times: seconds since 1970.
"""

from typing import Any, NotRequired, TypedDict


class Interval(TypedDict):
    value: float
    low: float
    high: float


class Queue(TypedDict):
    chosen: int
    open: int


class RoundState(TypedDict):
    number: int
    state: str


class Status(TypedDict):
    phase: str
    phase_reason: NotRequired[str | None]
    examples: int
    aliases: NotRequired[int]
    near_duplicates: NotRequired[int]
    test_examples: int
    labels: dict[str, int]
    """By role, and those of imports."""
    annotations: dict[str, int]
    """By kind: answer, skip, invalid, foreign, deleted."""
    queue: Queue
    asked: int
    budget_left: int | None
    changes: int
    """Labels that are new since the last round's snapshot."""
    round: RoundState | None
    rounds_done: int
    pace: float
    """Answers a second."""
    label_studio_error: str | None


class Project(TypedDict):
    project: int
    url: str


class Adoption(TypedDict):
    adopted_at: float
    tasks: int
    read: int
    read_at: float | None
    release_at: float | None
    released_at: float | None


class LabelChange(TypedDict):
    number: int
    kind: str
    old: list[str]
    new: list[str]
    made_at: float
    relabeled: int
    asked_again: int
    ended: int
    unmeasured: int


class Asked(TypedDict):
    round: int
    changes: int


class Predictions(TypedDict):
    round: int
    predictions: list[dict[str, Any]]
    """By the campaign's problem, as in `service.scorer.Said`."""
    unsure: list[str]


class LabelChanges(TypedDict):
    labels: list[str]
    changes: list[LabelChange]


class Campaign(TypedDict):
    id: str
    name: str
    problem: str
    headline: str
    """The metric that its curve shows."""
    labels: list[str]
    model: str
    strategy: str
    round_size: int
    budget: int | None
    weak_share: NotRequired[float]
    quotas: NotRequired[dict[str, float]]
    adapter: NotRequired[int | None]
    paused: bool
    warnings: list[str]
    label_studio: Project | None
    adopted: NotRequired[Adoption | None]
    status: Status


class Rejected(TypedDict):
    line: int
    reason: str


class Receipt(TypedDict):
    received: int
    added: int
    duplicates: int
    truncated: int
    rejected: int
    labels: int
    errors: list[Rejected]


class Round(TypedDict):
    number: int
    state: str
    labels: int
    trained_on: int | None
    started_at: float
    train_seconds: float | None
    score_seconds: float | None
    ranked_at: float | None
    scored_by: NotRequired[int | None]
    error: str | None


class Control(TypedDict):
    labels: int
    score: Interval


class Point(TypedDict):
    round: int
    labels: int
    trained_on: int
    measured_on: str
    headline: str
    """Which of the metrics the curve shows."""
    metrics: dict[str, Any] | None
    """`n`, and intervals by name."""
    baseline: float | None
    control: Control | None
    change: Interval | None


class Extent(TypedDict):
    """A number of labels with its interval; None is more than can be told."""

    value: int | None
    low: int | None
    high: int | None


class Gain(TypedDict):
    labels: int
    control_labels: int
    saved: Extent | None
    extrapolated: bool
    reason: str | None


class Agreement(TypedDict):
    round: int
    value: float | None


class Outlook(TypedDict):
    more: int
    score: Interval
    gain: Interval


class Stopping(TypedDict):
    agreement: str
    """kappa, mean kappa, or f1."""
    agreements: list[Agreement]
    settled: bool
    outlook: list[Outlook]
    reason: str | None


class Group(TypedDict):
    name: str | None
    n: int
    score: Interval | None
    share: float
    errors: float | None


class Class(Group):
    precision: float | None
    recall: float | None


class Weak(TypedDict):
    group: Group | None
    whole: float | None
    reason: str | None


Weakest = TypedDict("Weakest", {"domain": Weak | None, "class": Weak})


class Groups(TypedDict):
    headline: str
    round: int | None
    domains: list[Group]
    classes: list[Class]
    weakest: Weakest | None


class Curve(TypedDict):
    points: list[Point]
    stopping: Stopping | None
    gain: Gain | None
    weakest: Weakest | None
    active: NotRequired[int | None]


class Range(TypedDict):
    """Null is more than can be told."""

    value: float | None
    low: float | None
    high: float | None


class Amount(TypedDict):
    hours: float
    money: float | None


class Spread(TypedDict):
    hours: Range
    money: Range | None


class RoundCost(TypedDict):
    round: int
    state: str | None
    labels: int | None
    asked: int
    answers: int
    people: Amount
    workers: Amount
    money: float | None
    score: Interval | None
    change: Interval | None


class Forecast(TypedDict):
    more: int
    answers: int
    cost: Spread
    gain: Interval | None
    worth: Interval | None


class Prices(TypedDict):
    hour: float | None
    compute: float | None
    point: float | None
    currency: str


class Cost(TypedDict):
    """As in `service.cost.Cost`."""

    prices: Prices
    people: Amount
    workers: Amount
    money: float | None
    labels: int
    rounds: list[RoundCost]
    forecast: list[Forecast]
    stop: bool | None
    advice: list[str]


class Person(TypedDict):
    annotator: int | None
    answers: int
    skips: int
    accuracy: float | None
    agreement: Interval | None
    seconds: Interval | None
    """The median time of an answer."""
    changed: Interval | None
    """The share of suggestions that were changed."""


class Review(TypedDict):
    asked: int
    answered: int
    changed: Interval | None


class People(TypedDict):
    annotators: list[Person]
    review: Review
    alpha: Interval | None


class Answer(TypedDict):
    annotator: int | None
    answer: Any


class Disagreement(TypedDict):
    id: str
    text: str
    url: str | None
    waits: bool
    answers: list[Answer]
    believed: Any
    probability: float | None


class Disagreements(TypedDict):
    total: int
    disagreements: list[Disagreement]


class Progress(TypedDict):
    done: float
    total: float
    doing: str


class Job(TypedDict):
    id: int
    kind: str
    state: str
    progress: Progress | None
    error: str | None


class LogEvent(TypedDict):
    id: int
    at: float
    kind: str
    data: dict[str, Any]


class Token(TypedDict):
    id: int
    name: str
    access: str
    campaigns: list[str] | None
    made_at: float
    expires_at: float | None
    revoked_at: float | None


class IssuedToken(TypedDict):
    secret: str
    token: Token


class AuditView(TypedDict):
    job: Job | None
    audit: dict[str, Any] | None
    """As in `service.audit.Audit`."""


class Told(TypedDict):
    id: str
    text: str
    label: Any
    annotators: list[int | None]
    influence: float
    url: str | None
    waits: bool
    changed: bool


class Influence(TypedDict):
    round: int
    labels: int
    measured_on: str
    measured: int
    log_loss: float
    meaning: str
    harmful: list[Told]
    helpful: list[Told]


class InfluenceView(TypedDict):
    job: Job | None
    influence: Influence | None


class Reviewed(TypedDict):
    asked: int
    reason: str | None
    caveat: str


class Synthesis(TypedDict):
    """As in `service.http.schemas.SynthesisView`."""

    number: int
    generator: dict[str, str]
    per_label: int
    seed: int
    checked_share: float
    state: str
    error: str | None
    made_at: float
    ended_at: float | None
    undone_at: float | None
    nonsense: int
    verdicts: dict[str, int]
    labels: int
    checked: dict[str, Any] | None
    examples: list[dict[str, Any]]
    job: Job | None


class Strategy(TypedDict):
    name: str
    summary: str


class Task(TypedDict):
    task: int | None
    url: str | None
    id: str
    """Of the example, as it was sent."""
    text: str
    role: str
    strategy: str
    score: float
    reason: str
    place: int
    state: str


class Shard(TypedDict):
    number: int
    kind: str
    state: str
    rows: int
    encoded: bool


class Upload(TypedDict):
    id: int
    kind: str
    state: str
    receipt: Receipt | None


class Pool(TypedDict):
    examples: int
    shards: list[Shard]
    uploads: list[Upload]
