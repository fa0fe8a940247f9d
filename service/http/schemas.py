"""The wire format: what the API answers with. Times are seconds since 1970."""

from typing import Annotated, Any, Literal

import msgspec

from service.audit import Audit
from service.export.forms import Format, What
from service.influence import MOST, Influence
from service.maps import Map
from service.measure.confusion import Kind
from service.pool.pool import Receipt
from service.records import Access, Consensus, NearDuplicates, Role
from service.store.campaigns import NewCampaign
from service.store.syntheses import Checked
from service.store.tokens import Token
from service.synthesis import Generator, Provenance


class CampaignBody(NewCampaign, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A campaign to be made. With `adopt` it works in this project of Label Studio, which says labels, problem, text
    field and overlap itself."""

    labels: list[str] = msgspec.field(default_factory=list)
    adopt: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None


class CampaignChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be changed of a campaign; what is left out stays. A `budget` of null lifts the budget; an `adapter`
    of null is the newest one's; `stop_at_advice` false also lets a campaign go on that was stopped by it.
    """

    name: str | msgspec.UnsetType = msgspec.UNSET
    paused: bool | msgspec.UnsetType = msgspec.UNSET
    strategy: str | msgspec.UnsetType = msgspec.UNSET
    round_size: int | msgspec.UnsetType = msgspec.UNSET
    budget: int | msgspec.UnsetType | None = msgspec.UNSET
    low_water: int | msgspec.UnsetType = msgspec.UNSET
    score_seconds: float | msgspec.UnsetType = msgspec.UNSET
    near_duplicates: NearDuplicates | msgspec.UnsetType = msgspec.UNSET
    consensus: Consensus | msgspec.UnsetType = msgspec.UNSET
    second_opinions: float | msgspec.UnsetType = msgspec.UNSET
    teacher: str | msgspec.UnsetType | None = msgspec.UNSET
    formula: str | msgspec.UnsetType | None = msgspec.UNSET
    class_balance: float | msgspec.UnsetType = msgspec.UNSET
    weak_share: float | msgspec.UnsetType = msgspec.UNSET
    quotas: dict[str, float] | msgspec.UnsetType = msgspec.UNSET
    adapter: int | msgspec.UnsetType | None = msgspec.UNSET
    """The round whose adapter is to be active."""
    hour_price: float | msgspec.UnsetType | None = msgspec.UNSET
    compute_price: float | msgspec.UnsetType | None = msgspec.UNSET
    currency: str | msgspec.UnsetType = msgspec.UNSET
    point_price: float | msgspec.UnsetType | None = msgspec.UNSET
    budget_hours: float | msgspec.UnsetType | None = msgspec.UNSET
    budget_money: float | msgspec.UnsetType | None = msgspec.UNSET
    stop_at_advice: bool | msgspec.UnsetType = msgspec.UNSET
    instruction: str | msgspec.UnsetType = msgspec.UNSET


class LabelChangeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One change of a campaign's labels: `add` a name; `rename` a label `to` a name; `merge` labels `into` one of them
    or a new one; `split` a label `into` names, itself among them if wished."""

    add: str | None = None
    rename: str | None = None
    to: str | None = None
    merge: list[str] | None = None
    split: str | None = None
    into: str | list[str] | None = None


class LabelChangeView(msgspec.Struct, frozen=True):
    """`old` labels gave way to `new` ones."""

    number: int
    kind: Literal["add", "rename", "merge", "split"]
    old: list[str]
    new: list[str]
    made_at: float
    relabeled: int
    """Labels of examples that have another name since."""
    asked_again: int
    """Examples that went back to people, since it cannot be told which of the new labels they have."""
    ended: int
    """Imported labels of which that cannot be told: they hold no more."""
    unmeasured: int
    """Examples of the test set of which that cannot be told: they measure no more."""


class LabelChanges(msgspec.Struct, frozen=True):
    """`labels`: as they are now."""

    labels: list[str]
    changes: list[LabelChangeView]


class QueueCount(msgspec.Struct, frozen=True):
    """Tasks that an annotator can still be served: on their way to Label Studio, and there."""

    chosen: int
    open: int


class RoundState(msgspec.Struct, frozen=True):
    number: int
    state: str


class Status(msgspec.Struct, frozen=True):
    """How a campaign stands."""

    phase: str
    phase_reason: str | None
    """Why no more is asked; null: more is, or somebody paused it, or the pool is used up."""
    examples: int
    """Different texts in the pool."""
    aliases: int
    """Further ids that were sent for texts of the pool."""
    near_duplicates: int
    """Texts of the pool that repeat another, as far as its shards were compared."""
    test_examples: int
    labels: dict[str, int]
    """By role: train, control, hold-out; imported and synthetic ones under import and synthetic."""
    annotations: dict[str, int]
    """By kind: answer, skip, invalid, foreign, deleted."""
    queue: QueueCount
    asked: int
    """Answers asked for: given, open, or on the way."""
    budget_left: int | None
    """Answers that may still be asked for, by whichever budget ends first; null: there is none."""
    changes: int
    """Examples whose label changed since the newest round began."""
    round: RoundState | None
    rounds_done: int
    pace: float
    """Answers a second, lately."""
    label_studio_error: str | None
    """What Label Studio's side fails with, as long as it does."""


class LabelStudioProject(msgspec.Struct, frozen=True):
    project: int
    url: str


class AdoptionView(msgspec.Struct, frozen=True):
    """A project that people made, and that the campaign works in."""

    adopted_at: float
    tasks: int
    """How many the project had when it was adopted."""
    read: int
    """How many were read; the pool's uploads say what became of those of the beginning."""
    read_at: float | None
    """When those had all been read."""
    release_at: float | None
    """When its release was asked for; it is done some seconds later."""
    released_at: float | None


class CampaignView(msgspec.Struct, frozen=True):
    """One campaign and how it stands."""

    id: str
    name: str
    problem: str
    headline: str
    """The metric that the learning curve shows: accuracy, macro_f1 or f1."""
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
    """The round whose adapter is active, where somebody named one; null: the newest."""
    hour_price: float | None
    compute_price: float | None
    currency: str
    point_price: float | None
    budget_hours: float | None
    budget_money: float | None
    stop_at_advice: bool
    stopped_round: int | None
    """Whose advice ended the asking; null: it goes on."""
    paused: bool
    created_at: float
    warnings: list[str]
    label_studio: LabelStudioProject | None
    adopted: AdoptionView | None
    """Null where the campaign made its project itself."""
    status: Status


class Standing(msgspec.Struct, frozen=True):
    """What a list tells of how a campaign stands; as in Status."""

    phase: str
    examples: int
    labels: dict[str, int]
    annotations: dict[str, int]
    rounds_done: int
    pace: float
    budget_left: int | None
    label_studio_error: str | None


class Measured(msgspec.Struct, frozen=True):
    """An adapter's headline metric as it was when it was trained; the learning curve has it as of today."""

    round: int
    trained_on: int
    score: float


class CampaignLine(msgspec.Struct, frozen=True):
    """One campaign in a list."""

    id: str
    name: str
    problem: str
    headline: str
    labels: list[str]
    model: str
    strategy: str
    paused: bool
    created_at: float
    warnings: list[str]
    measured: list[Measured]
    """Of the newest 30 rounds that were measured, oldest first."""
    status: Standing


class Campaigns(msgspec.Struct, frozen=True):
    campaigns: list[CampaignLine]


class ShardView(msgspec.Struct, frozen=True):
    number: int
    kind: str
    state: str
    rows: int
    encoded: bool
    near_duplicates: int | None
    """Null: not compared yet."""


class UploadView(msgspec.Struct, frozen=True):
    id: int
    key: str | None
    kind: str
    state: str
    seen_at: float
    receipt: Receipt | None


class ImportBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be imported: an absolute path of the workers' machine, or an object store's URL."""

    url: str


class ImportView(msgspec.Struct, frozen=True):
    """The upload that it will be, as in the pool."""

    upload: int


class PoolView(msgspec.Struct, frozen=True):
    examples: int
    shards: list[ShardView]
    uploads: list[UploadView]


class RoundView(msgspec.Struct, frozen=True):
    number: int
    state: str
    label_version: int
    labels: int
    trained_on: int | None
    strategy: str
    scored_by: int | None
    """The round whose adapter scores the pool in it; null: its own. Without an adapter of its own it trains nothing."""
    train_seconds: float | None
    score_seconds: float | None
    select_seconds: float | None
    started_at: float
    ended_at: float | None
    ranked_at: float | None
    error: str | None
    metrics: dict[str, Any] | None


class Rounds(msgspec.Struct, frozen=True):
    rounds: list[RoundView]


class RoundsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`newest`: so many of them at most; all unless said."""

    newest: Annotated[int, msgspec.Meta(ge=1, le=10_000)] | None = None


class CurveQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`points`: about so many rounds at most, spread over all of them."""

    points: Annotated[int, msgspec.Meta(ge=2, le=1_000)] = 100


class TaskView(msgspec.Struct, frozen=True):
    """One task of the queue.

    `prediction` is what the annotator sees, by the campaign's problem: {round, label, confidence}, {round, labels,
    confidences: {label: probability}} or {round, spans: [{start, end, label, confidence}]}.
    """

    task: int | None
    url: str | None
    id: str
    text: str
    role: Role
    strategy: str
    score: float
    reason: str
    place: int
    state: str
    prediction: dict[str, Any] | None
    round: int
    chosen_at: float
    similar: str | None
    """Page with labeled examples like it; null where whoever answers is to be shown nothing."""


class Queue(msgspec.Struct, frozen=True):
    tasks: list[TaskView]


class QueueQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    limit: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 100


class CostQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many rounds are told of, the newest ones."""

    rounds: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 100


class JobView(msgspec.Struct, frozen=True):
    """A unit of a worker's work. `progress`: {done, total, doing}."""

    id: int
    kind: str
    queue: str
    state: str
    attempts: int
    progress: dict[str, Any] | None
    error: str | None
    made_at: float


class Jobs(msgspec.Struct, frozen=True):
    jobs: list[JobView]


class Workers(msgspec.Struct, frozen=True):
    """How many workers wait or work at each queue: gpu, cpu, sync."""

    workers: dict[str, int]


class AuditView(msgspec.Struct, frozen=True):
    """The newest audit, null where none is done; and the job that makes one or failed to, null where it is done."""

    job: JobView | None
    audit: Audit | None


class MapView(msgspec.Struct, frozen=True):
    """The newest map, null where none was drawn; and the job that draws one or failed to, null where it is done."""

    job: JobView | None
    map: Map | None


class InfluenceView(msgspec.Struct, frozen=True):
    """The newest influence, null where none is known; and the job that works it out or failed to, null where it is
    done."""

    job: JobView | None
    influence: Influence | None


class ReviewBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of how many labels somebody else is to be asked: the most harmful ones."""

    n: Annotated[int, msgspec.Meta(ge=1, le=MOST)]


class SynthesisBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Synthetic texts to be made: up to `per_label` of each label, and which share of what is kept people are asked
    about."""

    generator: Generator
    per_label: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 20
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0
    checked_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1


class SyntheticText(msgspec.Struct, frozen=True):
    """`answer` is what it was made for, by the campaign's problem; the rest as in its `meta`."""

    id: str
    text: str
    answer: Any
    made: Provenance


class SynthesisView(msgspec.Struct, frozen=True):
    """Synthetic texts that were asked for together."""

    number: int
    generator: Generator
    per_label: int
    seed: int
    checked_share: float
    state: str
    """waiting, done or broken; where a generator broke down, `error` says why, and what it made before is kept."""
    error: str | None
    made_at: float
    ended_at: float | None
    undone_at: float | None
    nonsense: int
    """Answers of the generator that held no new text."""
    verdicts: dict[str, int]
    """How many texts there are of each verdict: kept, measures, duplicate, near-duplicate, unlikely, outlier,
    inconsistent."""
    labels: int
    """Synthetic labels of it that hold now."""
    checked: Checked | None
    """None where nothing was made."""
    examples: list[SyntheticText]
    """Some of each verdict."""
    job: JobView | None
    """Null once it has ended."""


class Syntheses(msgspec.Struct, frozen=True):
    """The newest first."""

    syntheses: list[SynthesisView]


class Event(msgspec.Struct, frozen=True):
    id: int
    at: float
    kind: str
    data: dict[str, Any]


class Events(msgspec.Struct, frozen=True):
    events: list[Event]


class EventsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    after: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    follow: bool = True


class ConfusionQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`round`: the newest unless said."""

    round: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None


class CasesQuery(ConfusionQuery, frozen=True, forbid_unknown_fields=True):
    """What is not given may be anything."""

    kind: Kind | None = None
    truth: str | None = None
    said: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = 50


class LabelsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    set: Literal["train", "test"] = "train"


class ExportQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`precision` and `level` are for auto-labels."""

    what: What = "labels"
    precision: float = 0.97
    level: float = 0.95
    format: Format = "jsonl"


class AdapterView(msgspec.Struct, frozen=True):
    round: int
    labels: int
    trained_on: int | None
    headline: str
    """Which metric `score` is: accuracy, macro_f1 or f1."""
    score: float | None
    created_at: float | None
    size_bytes: int
    active: bool
    """Whether it is the one that the campaign goes by."""


class Adapters(msgspec.Struct, frozen=True):
    adapters: list[AdapterView]


class StrategyView(msgspec.Struct, frozen=True):
    name: str
    summary: str
    problems: list[str]
    """Which problems it is fit for."""


class Strategies(msgspec.Struct, frozen=True):
    strategies: list[StrategyView]


class Health(msgspec.Struct, frozen=True):
    """`parts` says what is wrong with each part; "ok" where nothing is."""

    status: str
    parts: dict[str, str]


class TokenBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token to be issued. `campaigns` (ids or names) null: all; `days` null: it lasts until it is revoked."""

    name: str
    access: Access
    campaigns: list[str] | None = None
    days: float | None = None


class IssuedToken(msgspec.Struct, frozen=True):
    """`secret` is shown this one time."""

    secret: str
    token: Token


class Tokens(msgspec.Struct, frozen=True):
    tokens: list[Token]


class Session(msgspec.Struct, frozen=True):
    """The name of the token and what it allows, in which `campaigns` (ids; null: all); `csrf` goes into the header
    X-CSRF-Token of changes by cookie."""

    name: str
    access: Access
    campaigns: tuple[str, ...] | None
    csrf: str
