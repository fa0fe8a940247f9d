"""The columns of exports: their names in order, what each holds, and what it means."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from service.answers import FIELDS

Kind = Literal["text", "texts", "number", "numbers", "real", "flag", "time", "json", "answer"]
"""`time`: seconds since 1970; `json`: an object of any shape; `answer`: of the campaign's problem."""


class Column(NamedTuple):
    name: str
    kind: Kind
    words: str


_ANSWER = Column("{answer}", "answer", "what the campaign believes of the text")
_EXAMPLE = (
    Column("id", "text", "what the text was called when it was sent, else its shard and row"),
    Column("ids", "texts", "every id that was sent for the text"),
    Column("text", "text", "as it was first sent"),
)
_REST = (
    Column("domain", "text", "as it was sent"),
    Column("meta", "json", "as it was sent"),
)
COLUMNS: dict[str, tuple[Column, ...]] = {
    "labels": (
        *_EXAMPLE,
        _ANSWER,
        Column("weight", "real", "of the label in training, 0 to 1"),
        Column("probability", "real", "of the label being right, as the last round took it; null: none said"),
        Column("reason", "text", "how the label came of the answers, and why it weighs what it does"),
        Column(
            "source", "text", "annotation, import, synthetic, propagated; test: of a test set that was posted"
        ),
        Column(
            "role", "text", "train; control (drawn at random, trains too); hold-out and test (only measure)"
        ),
        Column("annotations", "number", "answers that the label was made of"),
        Column("annotators", "numbers", "who gave them: Label Studio's numbers of their accounts"),
        Column(
            "round", "number", "whose adapter had it asked, 0 where there was none yet; null: never asked"
        ),
        Column("strategy", "text", "what chose it to be asked; null: never asked"),
        *_REST,
        Column("version", "number", "of the campaign's labels, since which this one holds"),
        Column("made_at", "time", "when it came to hold"),
    ),
    "annotations": (
        Column("annotation", "number", "Label Studio's id"),
        Column("revision", "text", "when it was last edited, or that it was deleted"),
        Column("current", "flag", "whether it is the newest revision"),
        Column("kind", "text", "answer, skip, invalid, deleted, or foreign (of a task that is not ours)"),
        Column("id", "text", "of the example, as in labels"),
        Column("task", "number", "Label Studio's id"),
        Column("annotator", "number", "Label Studio's number of the account"),
        Column("{answer}", "answer", "what was answered, in today's labels"),
        Column("problem", "text", "what was wrong with an answer that could not be read"),
        Column("result", "json", "as Label Studio had it"),
        Column("shown", "json", "the pre-annotation that was shown"),
        Column("lead_time", "real", "seconds that it took"),
        Column("made_at", "text", "when it was first given"),
        Column("received_at", "time", "when it came in"),
    ),
    "auto-labels": (
        *_EXAMPLE,
        Column("{answer}", "answer", "what the model says"),
        Column("confidence", "real", "the model's probability of it"),
        Column("source", "text", "auto"),
        Column("round", "number", "whose adapter said it"),
        Column("precision", "real", "the share of auto-labels that is right"),
        Column("level", "real", "how sure that is"),
        *_REST,
    ),
    "pool": (
        Column("example", "text", "its shard and row"),
        *_EXAMPLE,
        *_REST,
        Column("repeats", "text", "the example that it nearly repeats"),
        Column("duplication_score", "real", "its cosine to the likest before it; null: not compared yet"),
    ),
}


def of(what: str, problem: str) -> Sequence[Column]:
    """The columns of an export, the answer's named by the campaign's problem."""
    return [one._replace(name=one.name.format(answer=FIELDS[problem])) for one in COLUMNS[what]]
