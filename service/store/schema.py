"""The tables. Times are seconds since 1970 by the database's clock; JSON columns hold plain values."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
Serial = BigInteger().with_variant(Integer, "sqlite")


def _campaign(primary_key: bool = False) -> Column[str]:
    return Column("campaign", String(32), ForeignKey("campaign.id"), nullable=False, primary_key=primary_key)


campaign = Table(
    "campaign",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("problem", String(32), nullable=False),
    Column("labels", JSON, nullable=False),
    Column("model", Text, nullable=False),
    Column("strategy", String(64), nullable=False),
    Column("text_field", String(200), nullable=False),
    Column("instruction", Text, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("round_size", Integer, nullable=False),
    Column("budget", Integer),
    Column("low_water", Integer, nullable=False),
    Column("random_share", Float, nullable=False),
    Column("holdout_size", Integer, nullable=False),
    Column("score_seconds", Float, nullable=False),
    Column("near_duplicates", String(16), nullable=False, server_default="drop"),  # drop | propagate | keep
    Column("overlap", Integer, nullable=False, server_default="1"),  # answers an example is to have
    Column("consensus", String(16), nullable=False, server_default="model"),  # model | dawid_skene | majority
    Column("second_opinions", Float, nullable=False, server_default="0.2"),  # share of a batch, at most
    Column("teacher", Text, nullable=True),  # as service.teachers reads it
    Column("formula", Text, nullable=True),  # of the strategy `weighted`
    Column("class_balance", Float, nullable=False, server_default="0"),  # how far rare classes weigh more
    Column("weak_share", Float, nullable=False, server_default="0"),  # of a batch, for the weakest
    Column("quotas", JSON, nullable=False, server_default="{}"),  # shares of a batch by domain
    Column("adapter", Integer),  # the round whose adapter is active; null: the newest
    Column("hour_price", Float),  # of an annotator's hour
    Column("compute_price", Float),  # of a worker's hour
    Column("currency", String(12), nullable=False, server_default=text("''")),  # of all prices
    Column("point_price", Float),  # what a hundredth of the headline metric is worth
    Column("budget_hours", Float),  # of annotators
    Column("budget_money", Float),
    Column("stop_at_advice", Boolean, nullable=False, server_default=text("false")),
    Column("stopped_round", Integer),  # whose advice ended the asking
    Column("paused", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("encoder", String(64)),  # content key of the base model, once a worker has loaded it
    Column("label_version", Integer, nullable=False),  # counter: the newest label row
    Column("batches", Integer, nullable=False),  # counter: selections made
    Column("place", Integer, nullable=False),  # counter: the next free place in the queue
    Column("project", Integer),  # Label Studio's id
    Column("page_hash", String(64)),  # of the name and the instruction that the project shows
    Column("model_version", String(64)),  # whose predictions the project serves: r0, r1, …
    Column("webhook_hash", String(64)),
    Column("put_right", Text),  # the model version found there in the place of ours, and put right
    Column("cursor", String(64)),  # newest updated_at that was pulled
    Column("train_from", Integer),  # label version at which somebody asked for a round
    Column("swept_at", Float),  # when deletions were last looked for
    Column("exhausted_rows", Integer),  # size of the pool in which the last selection found too little
    Column("label_changes", Integer, nullable=False, server_default="0"),  # counter: rows of label_change
    Column(
        "page_changes", Integer, nullable=False, server_default="0"
    ),  # how many of these the project shows
)

shard = Table(
    "shard",
    metadata,
    _campaign(primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kind", String(16), nullable=False),  # pool | test | synthetic
    Column("state", String(8), nullable=False),  # filling | full | sealed
    Column("rows", Integer, nullable=False),
    Column("content", String(64)),  # hash of the sealed content; its folder is shards/<content>
    Column("near", Text),  # folder: which of its examples repeat others (workers.near)
    Column("repeats", Integer),  # how many those are
)

staged = Table(
    "staged",
    metadata,
    _campaign(primary_key=True),
    Column("shard", Integer, primary_key=True),
    Column("row", Integer, primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("digest", LargeBinary(16), nullable=False),
    Column("role_key", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
    Column("ext_id", Text),
    Column("domain", Text),
    Column("meta", JSON),
    Column("label", Text),  # as answers.store writes it
    UniqueConstraint("campaign", "kind", "digest"),
    Index("ix_staged_ext_id", "campaign", "kind", "ext_id"),
)

alias = Table(
    "alias",
    metadata,
    _campaign(primary_key=True),
    Column("kind", String(8), primary_key=True),
    Column("ext_id", Text, primary_key=True),
    Column("shard", Integer, nullable=False),
    Column("row", Integer, nullable=False),
)

upload = Table(
    "upload",
    metadata,
    Column("id", Serial, primary_key=True),
    _campaign(),
    Column("key", String(200)),
    Column("kind", String(8), nullable=False),
    Column("state", String(8), nullable=False),  # waiting | running | done | broken
    Column("seen_at", Float, nullable=False),
    Column("receipt", JSON),
    UniqueConstraint("campaign", "key"),
)

encoding = Table(
    "encoding",
    metadata,
    Column("content", String(64), primary_key=True),
    Column("encoder", String(64), primary_key=True),
    Column("path", Text, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("truncated", Integer, nullable=False),
    Column("unknown_share", Float, nullable=False),
    Column("seconds", Float, nullable=False),
)

selection = Table(
    "selection",
    metadata,
    Column("id", Serial, primary_key=True),
    _campaign(),
    Column("shard", Integer, nullable=False),
    Column("row", Integer, nullable=False),
    Column("batch", Integer, nullable=False),
    Column("round", Integer, nullable=False),  # in which it was scored; 0: none
    Column("strategy", String(64), nullable=False),
    Column("score", Float, nullable=False),
    Column("role", String(8), nullable=False),  # train | control | hold-out
    Column("reason", Text, nullable=False),
    Column("place", Integer, nullable=False),
    Column(
        "state", String(12), nullable=False
    ),  # chosen | open | withdrawing | answered | skipped | withdrawn
    Column("wanted", Integer, nullable=False, server_default="1"),  # answers it is to have
    Column(
        "void", Integer, nullable=False, server_default="0"
    ),  # others, that a change of labels made unclear
    Column("task", Integer),
    Column("text", Text, nullable=False),
    Column("ext_id", Text),
    Column("domain", Text),
    Column("role_key", BigInteger, nullable=False),
    Column("predictions", JSON, nullable=False),  # all that was shown (selections.Chosen), newest last
    Column("chosen_at", Float, nullable=False),
    Column("opened_at", Float),
    Column("closed_at", Float),
    Index(
        "uq_selection_example",
        "campaign",
        "shard",
        "row",
        unique=True,
        sqlite_where=text("state <> 'withdrawn'"),
        postgresql_where=text("state <> 'withdrawn'"),
    ),
    Index("ix_selection_state", "campaign", "state", "wanted", "void"),
    Index(
        "ix_selection_measures",
        "campaign",
        sqlite_where=text("role = 'hold-out'"),
        postgresql_where=text("role = 'hold-out'"),
    ),
)

annotation = Table(
    "annotation",
    metadata,
    Column("id", Serial, primary_key=True),
    _campaign(),
    Column("ls_id", Integer, nullable=False),
    Column("revision", String(64), nullable=False),  # updated_at, or "deleted"
    Column("task", Integer, nullable=False),
    Column("shard", Integer),
    Column("row", Integer),
    Column("annotator", Integer),
    Column("kind", String(8), nullable=False),  # answer | skip | invalid | deleted | foreign
    Column("value", Text),  # the answer, as answers.store writes it
    Column("problem", Text),  # what was wrong with an invalid one
    Column("result", JSON),
    Column("lead_time", Float),
    Column("seconds", Float),  # that count of it (service.lead_times); null: none of ours
    Column("round", Integer),  # whose scores had it asked for; 0: none
    Column("shown", JSON),  # the prediction the annotator saw
    Column("made_at", String(64)),
    Column("received_at", Float, nullable=False),
    Column("current", Boolean, nullable=False),  # the newest revision of its ls_id
    UniqueConstraint("campaign", "ls_id", "revision"),
    Index("ix_annotation_example", "campaign", "shard", "row"),
    Index("ix_annotation_received", "campaign", "received_at"),
)

spent = Table(
    "spent",
    metadata,
    _campaign(primary_key=True),
    Column("round", Integer, primary_key=True),  # whose scores had it asked for; 0: none
    Column("answers", Integer, nullable=False),
    Column("others", Integer, nullable=False),  # skips, and what was unreadable or deleted
    Column("seconds", Float, nullable=False),
    Column("squares", Float, nullable=False),  # sum of squared seconds
    Column("missing", Integer, nullable=False),  # without a lead time
    Column("capped", Integer, nullable=False),  # with one that counts in part
    Column("capped_off", Float, nullable=False),  # seconds of these that do not count
)

label = Table(
    "label",
    metadata,
    _campaign(primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("ended", Integer),  # the version at which it stopped to hold
    Column("shard", Integer, nullable=False),
    Column("row", Integer, nullable=False),
    Column("value", Text, nullable=False),  # as answers.store writes it
    Column("weight", Float, nullable=False),
    Column("probability", Float),  # of being right; null: nothing says it yet
    Column("reason", Text),  # of its weight
    Column("source", String(16), nullable=False),  # annotation | import | synthetic
    Column("role", String(8), nullable=False),
    Column("annotations", Integer, nullable=False),
    Column("role_key", BigInteger, nullable=False),
    Column("made_at", Float, nullable=False),
    Index(
        "uq_label_example",
        "campaign",
        "shard",
        "row",
        unique=True,
        sqlite_where=text("ended IS NULL"),
        postgresql_where=text("ended IS NULL"),
    ),
    Index("ix_label_role", "campaign", "ended", "role", "source"),
)

label_change = Table(
    "label_change",
    metadata,
    _campaign(primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("old", JSON, nullable=False),  # labels that gave way
    Column("new", JSON, nullable=False),  # to these
    Column("before", JSON, nullable=False),  # all labels as they were
    Column("made_at", Float, nullable=False),
    Column("relabeled", Integer, nullable=False),
    Column("asked_again", Integer, nullable=False),
    Column("ended", Integer, nullable=False),
    Column("unmeasured", Integer, nullable=False),
)

adoption = Table(
    "adoption",
    metadata,
    _campaign(primary_key=True),
    Column("project", Integer, nullable=False),
    Column("control", JSON, nullable=False),  # as service.label_studio.adopted.Control
    Column("before", JSON, nullable=False),  # the project's settings as they were
    Column("changed", JSON, nullable=False),  # those that were changed, as they were set
    Column("tasks", Integer, nullable=False),  # how many there were when it was adopted
    Column("read", Integer, nullable=False),  # how many were read
    Column("read_to", Integer, nullable=False),  # the greatest id of a task that was read
    Column("read_at", Float),  # when all had been read
    Column("swept_to", Integer, nullable=False),  # the greatest id of a task that the look at all has come to
    Column("upload", Integer, nullable=False),  # whose receipt says what became of the tasks
    Column("hooked", Boolean, nullable=False),  # whether a webhook was asked for
    Column("orders", Integer, nullable=False),  # counter: model versions written
    Column("ranked", Integer, nullable=False),  # the round that ordered what is shown
    Column("retired", JSON, nullable=False),  # {model version: when another took its place}
    Column("adopted_at", Float, nullable=False),
    Column("release_at", Float),  # when it was to be released
    Column("released_at", Float),
    Index(
        "uq_adoption_project",
        "project",
        unique=True,
        sqlite_where=text("released_at IS NULL"),
        postgresql_where=text("released_at IS NULL"),
    ),
)

round = Table(
    "round",
    metadata,
    _campaign(primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("state", String(8), nullable=False),  # training | planning | scoring | done | failed
    Column("scored_by", Integer),  # the round whose adapter scores the pool in it; null: its own
    Column("label_version", Integer, nullable=False),
    Column("labels", Integer, nullable=False),
    Column("shards", JSON, nullable=False),  # numbers of the shards it scores
    Column("strategy", String(64), nullable=False),
    Column("seed", Integer, nullable=False),
    Column("label_changes", Integer, nullable=False, server_default="0"),  # how many its adapter knows of
    Column("adapter", Text),  # folder in the file store
    Column(
        "predictions", Text
    ),  # folder: what is predicted of hold-out and test examples (service.predictions)
    Column("candidates", Text),  # folder: which examples it scores (workers.scoring)
    Column("metrics", JSON),
    Column("train_seconds", Float),
    Column("score_seconds", Float),
    Column("select_seconds", Float),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("ranked_at", Float),  # when its scores had ordered the queue
    Column("advice", Text),  # why it advises to stop; null: it does not, or was not asked
    Column("error", Text),
)

synthesis = Table(
    "synthesis",
    metadata,
    _campaign(primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("generator", JSON, nullable=False),  # as service.synthesis.Generator
    Column("per_label", Integer, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("checked_share", Float, nullable=False),  # of what is kept, people are asked about
    Column("state", String(8), nullable=False),  # waiting | done | broken
    Column("shard", Integer),  # of its texts, refused ones too
    Column("verdicts", JSON, nullable=False),  # {verdict: texts}
    Column("nonsense", Integer, nullable=False),  # answers of the generator that gave no text
    Column("error", Text),
    Column("made_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("undone_at", Float),
)

score = Table(
    "score",
    metadata,
    _campaign(primary_key=True),
    Column("round", Integer, primary_key=True),
    Column("shard", Integer, primary_key=True),
    Column("path", Text, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
)

job = Table(
    "job",
    metadata,
    Column("id", Serial, primary_key=True),
    _campaign(),
    Column("key", String(100), nullable=False),  # natural key: asking for the same work twice adds nothing
    Column("kind", String(32), nullable=False),
    Column("queue", String(16), nullable=False),
    Column("slot", String(100)),  # at most one unfinished job holds a slot
    Column("priority", Integer, nullable=False),  # lower first
    Column("args", JSON, nullable=False),
    Column("state", String(8), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("not_before", Float, nullable=False),
    Column("claimed_at", Float),
    Column("lease_until", Float),
    Column("owner", String(100)),
    Column("pushed_at", Float),
    Column("progress", JSON),
    Column("result", JSON),
    Column("error", Text),
    Column("made_at", Float, nullable=False),
    Column("ended_at", Float),
    UniqueConstraint("campaign", "key"),
    Index(
        "uq_job_slot",
        "slot",
        unique=True,
        sqlite_where=text("state IN ('ready', 'running')"),
        postgresql_where=text("state IN ('ready', 'running')"),
    ),
    Index("ix_job_ready", "queue", "state", "not_before"),
)

event_log = Table(
    "event",
    metadata,
    Column("id", Serial, primary_key=True),
    _campaign(),
    Column("at", Float, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("data", JSON, nullable=False),
    Index("ix_event_campaign", "campaign", "id"),
)

token = Table(
    "token",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("name", String(100), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Column("access", String(16), nullable=False, server_default="viewer"),  # viewer | engineer | admin
    Column("campaigns", JSON(none_as_null=True)),  # ids; null: all
    Column("made_at", Float, nullable=False),
    Column("expires_at", Float),
    Column("revoked_at", Float),
)

session = Table(
    "session",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("token", Serial, ForeignKey("token.id"), nullable=False),
    Column("expires_at", Float, nullable=False),
)
