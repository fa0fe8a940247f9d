"""The card of a dataset: what it is, how its labels came about, and what it is not, out of what is known."""

import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, func, select

from service.answers import FIELDS
from service.export import columns
from service.export.columns import Column
from service.pool import pool
from service.records import Campaign
from service.store import rounds
from service.store.database import Database
from service.store.schema import annotation

TASKS = {
    "single_label": ("text-classification", "multi-class-classification"),
    "multi_label": ("text-classification", "multi-label-classification"),
    "spans": ("token-classification", None),
}
PROBLEMS = {
    "single_label": "exactly one label for each text",
    "multi_label": "any number of labels for each text, or none",
    "spans": "labeled stretches of each text, which may overlap; offsets count characters from 0, the end excluded",
}
CONSENSUS = {
    "model": "by how often each person is right, estimated from who says the same as whom and as a model that did not "
    "learn from the text (Dawid and Skene, with the model as one more voter; of spans the people alone)",
    "dawid_skene": "by how often each person is right, estimated from who says the same as whom (Dawid and Skene)",
    "majority": "by what most said",
}
_OTHERS = {
    "import": "came with the data (source `import`): who gave them is not known",
    "synthetic": "are of synthetic texts (source `synthetic`); `meta` says what made each",
    "propagated": "were taken over from a text that says almost the same (source `propagated`), at half its weight",
}
SIZES = ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"), (1e7, "1M<n<10M"))
_TYPES = {
    "text": "dtype: string",
    "texts": "list: string",
    "number": "dtype: int64",
    "numbers": "list: int64",
    "real": "dtype: float64",
    "flag": "dtype: bool",
    "time": "dtype: timestamp[us, tz=UTC]",
    "json": "dtype: string",
}
_SPANS = """list:
    - name: start
      dtype: int64
    - name: end
      dtype: int64
    - name: label
      dtype: string"""


@dataclass
class Split:
    """What was written into one split."""

    name: str
    examples: int = 0
    memory_bytes: int = 0
    file_bytes: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    """Examples by label, or spans by label."""
    sources: Counter[str] = field(default_factory=Counter)
    roles: Counter[str] = field(default_factory=Counter)
    doubted: int = 0
    """Labels that are less probably right than 0.9."""

    def count(self, problem: str, rows: Iterable[dict[str, Any]]) -> None:
        for row in rows:
            said = row[FIELDS[problem]]
            self.examples += 1
            self.classes.update([said] if isinstance(said, str) else map(_label, said))
            self.sources[row["source"]] += 1
            self.roles[row["role"]] += 1
            self.doubted += row["probability"] is not None and row["probability"] < 0.9


def text(database: Database, campaign: Campaign, splits: Sequence[Split], path: str) -> str:
    """The card, with the splits' files at `path`."""
    of = columns.of("labels", campaign.problem)
    with database.reading() as connection:
        done = [row for row in rounds.all_of(connection, campaign.id) if row.metrics]
        people = _people(connection, campaign.id, done)
        examples = pool.size(connection, campaign.id)
    parts = [
        _front(campaign, of, splits, path),
        f"# {_line(campaign.name)}",
        f"{sum(split.examples for split in splits):,} labeled texts: {PROBLEMS[campaign.problem]}. Labeled in Postil, "
        f"an active-learning service, and taken away on {time.strftime('%Y-%m-%d', time.gmtime())} (campaign "
        f"`{campaign.id}`, labels as of version {campaign.label_version}).",
        "## Splits",
        _table(["split", "examples", "of role", "of source"], [_split(split) for split in splits]),
        "`test` only measures: it never trained a model of the campaign."
        if any(split.name == "test" for split in splits)
        else "There is no `test`: nothing was held out.",
        f"## Labels\n\n{'Spans' if campaign.problem == 'spans' else 'Examples'} by label:",
        _table(
            ["label", *(split.name for split in splits)],
            [[_line(label), *(f"{split.classes[label]:,}" for split in splits)] for label in campaign.labels],
        ),
        "## How the labels were made",
        _made(campaign, done, examples),
    ]
    if campaign.instruction.strip():
        quoted = "\n".join(f"> {line}" for line in campaign.instruction.strip().splitlines())
        parts += ["People were told:", quoted]
    parts += [
        "## Who answered",
        _table(["annotator", "answers", "right"], people)
        if people
        else "Nobody: no label is a person's answer.",
        "Numbers are those of accounts in Label Studio. *Right*: how often, as the last round took it, which knows no "
        "truth.",
        "## Columns",
        _table(["column", "what it is"], [[f"`{one.name}`", one.words] for one in of]),
        "`meta` is JSON.",
        "## Limits",
        _limits(campaign, done, splits),
    ]
    return "\n\n".join(parts) + "\n"


def _front(campaign: Campaign, of: Sequence[Column], splits: Sequence[Split], path: str) -> str:
    task, kind = TASKS[campaign.problem]
    lines = ["---", f"pretty_name: {_quoted(campaign.name)}", "task_categories:", f"- {task}"]
    if kind is not None:
        lines += ["task_ids:", f"- {kind}"]
    total = sum(split.examples for split in splits)
    size = next((words for most, words in SIZES if total < most), "n>10M")
    lines += ["size_categories:", f"- {size}", "tags:", "- active-learning", "- postil", "configs:"]
    lines += ["- config_name: default", "  data_files:"]
    for split in splits:
        lines += [f"  - split: {split.name}", f"    path: {path.format(split.name)}"]
    lines += ["dataset_info:", "  features:"]
    for column in of:
        lines += [f"  - name: {column.name}", f"    {_type(campaign, column)}"]
    lines += ["  splits:"]
    for split in splits:
        lines += [f"  - name: {split.name}", f"    num_bytes: {split.memory_bytes}"]
        lines += [f"    num_examples: {split.examples}"]
    lines += [f"  download_size: {sum(split.file_bytes for split in splits)}"]
    return "\n".join([*lines, f"  dataset_size: {sum(split.memory_bytes for split in splits)}", "---"])


def _type(campaign: Campaign, column: Column) -> str:
    if column.kind != "answer":
        return _TYPES[column.kind]
    if campaign.problem == "single_label":
        names = "".join(f"\n          '{at}': {_quoted(label)}" for at, label in enumerate(campaign.labels))
        return f"dtype:\n      class_label:\n        names:{names}"
    return _SPANS if campaign.problem == "spans" else "list: string"


def _split(split: Split) -> list[str]:
    return [split.name, f"{split.examples:,}", _numbers(split.roles), _numbers(split.sources)]


def _made(campaign: Campaign, done: Sequence[Row[Any]], examples: int) -> str:
    lines = [
        f"The pool has {examples:,} texts. A model on the base `{campaign.model}` chose which ones people were asked "
        f"about, by the strategy `{campaign.strategy}`, and was trained anew {len(done):,} times; a share of "
        f"{campaign.random_share:g} was drawn at random (roles `control` and `hold-out`)."
        if done
        else f"The pool has {examples:,} texts. No model was trained yet.",
        f"Each text was to have {campaign.overlap} answer{'s' if campaign.overlap > 1 else ''}; up to a share of "
        f"{campaign.second_opinions:g} of what was asked were second opinions on labels in doubt.",
        f"Several answers became one label {CONSENSUS[campaign.consensus]}: always one that somebody gave. "
        "`probability` says how sure it is, `weight` what it weighs in training.",
        "Once there was a model, people were shown what it took for the answer; not so for second opinions and for "
        "texts of roles `control` and `hold-out`.",
    ]
    return "\n".join(f"- {line}" for line in lines)


def _people(connection: Connection, campaign: str, done: Sequence[Row[Any]]) -> list[list[str]]:
    right = {
        one["annotator"]: one["accuracy"] for one in (done[-1].metrics if done else {}).get("annotators", ())
    }
    mine = select(annotation.c.annotator, func.count()).where(
        annotation.c.campaign == campaign, annotation.c.current, annotation.c.kind == "answer"
    )
    rows = connection.execute(mine.group_by(annotation.c.annotator).order_by(annotation.c.annotator))
    return [
        [
            "unknown" if who is None else str(who),
            f"{number:,}",
            "" if right.get(who) is None else f"{right[who]:.1%}",
        ]
        for who, number in rows
    ]


def _limits(campaign: Campaign, done: Sequence[Row[Any]], splits: Sequence[Split]) -> str:
    train = next((split for split in splits if split.name == "train"), Split("train"))
    test = next((split for split in splits if split.name == "test"), Split("test"))
    lines = [
        "`train` is no random sample: texts were chosen for what they teach a model. Shares of labels in it are not "
        "those of the pool; rows of role `control` are a random sample.",
    ]
    if test.roles["hold-out"]:
        lines.append("Rows of `test` with role `hold-out` were drawn at random from the pool.")
    if test.roles["test"]:
        lines.append(
            "Rows of `test` with role `test` were posted as a test set: where they are from is not known here."
        )
    if done and done[-1].metrics.get("near_measured"):
        lines.append(
            f"Of the labels of `train`, {done[-1].metrics['near_measured']:,} are of texts that say almost what one in "
            "`test` says: the last round left them out of training."
        )
    if doubted := train.doubted + test.doubted:
        lines.append(f"Of all labels, {doubted:,} are right with a probability below 0.9.")
    for source, words in _OTHERS.items():
        if number := train.sources[source]:
            lines.append(f"Of the labels of `train`, {number:,} {words}.")
    if campaign.label_changes:
        lines.append(
            f"Labels were added, renamed, merged or split {len(campaign.label_changes):,} times meanwhile; all answers "
            "are in today's."
        )
    lines.append("Neither the texts' language nor their licence is known here: say both before you publish.")
    return "\n".join(f"- {line}" for line in lines)


def _label(said: Any) -> str:
    return said if isinstance(said, str) else str(said["label"])


def _numbers(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in sorted(counts.items()))


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)


def _line(words: str) -> str:
    """On one line, and no markup."""
    return re.sub(r"([<*_`\[\\])", r"\\\1", " ".join(words.split()))


def _quoted(words: str) -> str:
    """As YAML's string in double quotes."""
    plain = (one if one.isprintable() and one not in '"\\' else f"\\U{ord(one):08x}" for one in words)
    return f'"{"".join(plain)}"'
