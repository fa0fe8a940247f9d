"""The model card of an adapter: what it is, what it learned from, how good it is on today's hold-out, how to use it.

Written when somebody asks, out of what the store knows then, and in numbers wherever there are some: nothing in it is
an opinion. The front matter is Hugging Face's (https://huggingface.co/docs/hub/model-cards).
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import Connection, Row

from service import curve, groups, standalone
from service.audit import Audit
from service.curve import Curve
from service.exam import Metrics, Sitting, Truth
from service.files import Files
from service.groups import Group
from service.measure.intervals import Interval
from service.measure.single_label import SingleLabelMetrics
from service.pool import pool
from service.records import HEADLINES, Campaign, Place
from service.standalone import Form
from service.store import jobs, labels, rounds, selections

NAME = "README.md"
ROWS = 40
"""Lines of a table, at most: of many classes the weakest."""
CONFUSIONS = 3
TASKS = {
    "single_label": "text-classification",
    "multi_label": "text-classification",
    "spans": "token-classification",
}
ASKS = {
    "single_label": "gives each text exactly one label",
    "multi_label": "gives each text any of its labels, or none",
    "spans": "finds labeled stretches of a text",
}


def of_form(card: str, problem: str, form: Form, frozen: bool) -> str:
    """An adapter's card as that of another form of it."""
    libraries = {"adapter": "peft", "merged": "transformers", "onnx": "onnx"}
    return (
        card.replace(standalone.use(problem), standalone.use(problem, form, frozen))
        .replace("library_name: peft\n", f"library_name: {libraries[form]}\n", 1)
        .replace(standalone.ENOUGH["adapter"], standalone.ENOUGH[form])
    )


@dataclass(frozen=True)
class Known:
    """What a card is written from."""

    campaign: Campaign
    round: Row[Any]
    manifest: dict[str, Any]
    """The adapter's postil.json; empty where there is none."""
    sitting: Sitting
    truth: Truth
    learned: list[Row[Any]]
    """Labels as they stood when it was trained."""
    domains: Counter[str]
    """Of the labeled texts that have one."""
    pool: tuple[int, int, int]
    """Texts of the pool that were read, those of them that were cut, and near-duplicates."""
    audit: Audit | None

    @cached_property
    def metrics(self) -> Metrics | None:
        """None where nothing measures."""
        return self.sitting.exam.metrics()


def known(connection: Connection, files: Files, campaign: Campaign, row: Row[Any], truth: Truth) -> Known:
    """Of a round that was trained, measured on `truth`."""
    path = files.path(row.adapter) / "postil.json"
    learned = labels.snapshot(connection, campaign.id, row.label_version)
    places = [Place(one.shard, one.row) for one in learned]
    asked = selections.at(connection, campaign.id, places).values()
    read = [
        one
        for one in rounds.encodings(connection, campaign.id, campaign.encoder).values()
        if one.kind == "pool"
    ]
    audits = [one for one in jobs.of_kind(connection, campaign.id, "audit") if one.state == "done"]
    return Known(
        campaign,
        row,
        json.loads(path.read_text("utf-8")) if path.exists() else {},
        curve.sittings(files, campaign, [row], truth)[0],
        truth,
        learned,
        Counter(one.domain for one in asked if one.domain is not None),
        (sum(one.rows for one in read), sum(one.truncated for one in read), _repeats(connection, campaign)),
        msgspec.convert(audits[-1].result, Audit) if audits else None,
    )


def write(about: Known, made: Curve) -> str:
    """The card, in Markdown; `made` is the campaign's curve on the same truth."""
    parts = [
        _matter(about),
        _title(about),
        _labels(about),
        _data(about),
        _scores(about, made),
        _learning(about, made),
        _limits(about),
        _how(about),
        _lineage(about),
    ]
    return "\n".join(parts)


def _matter(about: Known) -> str:
    campaign, metrics = about.campaign, about.metrics
    headline = HEADLINES[campaign.problem]
    lines = [
        f"base_model: {_quoted(campaign.model)}",
        "library_name: peft",
        f"pipeline_tag: {TASKS[campaign.problem]}",
        "tags: [postil, lora, peft, active-learning]",
        f"metrics: [{'accuracy' if headline == 'accuracy' else 'f1'}]",
    ]
    if metrics is not None:
        lines += [
            "model-index:",
            f"- name: {_quoted(f'{campaign.name}, round {about.round.number}')}",
            "  results:",
            f"  - task: {{type: {TASKS[campaign.problem]}}}",
            f"    dataset: {{type: postil, name: {_quoted(f'{campaign.name}, {about.truth.source}')}}}",
            "    metrics:",
            f"    - {{type: {'accuracy' if headline == 'accuracy' else 'f1'}, name: {_quoted(_words(headline))}, "
            f"value: {getattr(metrics, headline).value:.4f}}}",
        ]
    return "---\n" + "\n".join(lines) + "\n---\n"


def _title(about: Known) -> str:
    campaign, row = about.campaign, about.round
    return (
        f"# {_plain(campaign.name)}, round {row.number}\n\n"
        f"A LoRA adapter and a linear head for `{campaign.model}` that {ASKS[campaign.problem]}. It was trained by "
        f"active learning: people answered what a strategy (`{row.strategy}`) chose, and random draws beside it. The "
        "numbers are of the day on which this card was asked for, on the examples that measure now.\n"
    )


def _labels(about: Known) -> str:
    changes = about.campaign.label_changes
    then = (
        changes[about.round.label_changes].before
        if about.round.label_changes < len(changes)
        else about.campaign.labels
    )
    words = f"## Labels\n\n{', '.join(_plain(one) for one in then)}\n"
    if about.round.label_changes < len(changes):
        now = ", ".join(_plain(one) for one in about.campaign.labels)
        words += f"\nThe campaign's labels were changed since ({now}); the scores below read this adapter's in these.\n"
    return words


def _data(about: Known) -> str:
    facts, learned = about.round.metrics, about.learned
    texts, _, repeats = about.pool
    lines = [
        f"- Trained on the labels of {facts['trained_on']:,} texts, of {len(learned):,} labels there were."
    ]
    roles = Counter(
        f"{one.role}" if one.source == "annotation" else f"{one.source} ({one.role})" for one in learned
    )
    meaning = {
        "train": "train: chosen by a strategy",
        "control": "control: drawn at random, trains too",
        "hold-out": "hold-out: drawn at random, only measures",
        "import (train)": "came with the data",
        "synthetic (train)": "synthetic: texts that a generator made",
    }
    lines += [f"- {number:,} {meaning.get(role, role)}." for role, number in sorted(roles.items())]
    if facts.get("near_measured"):
        lines.append(f"- {facts['near_measured']:,} were left out: their texts are like one that measures.")
    if facts.get("propagated"):
        lines.append(
            f"- {facts['propagated']:,} near-duplicates trained with the label of the text they repeat."
        )
    people = facts.get("annotators") or []
    if people:
        each = ", ".join(
            f"{one['answers']:,}" + ("" if one["accuracy"] is None else f" ({one['accuracy']:.2f} right)")
            for one in people
        )
        lines.append(
            f"- Answered by {_number(len(people), 'annotator')}, with so many answers, and as often right as the "
            f"round took them for: {each}."
        )
    lines.append(
        f"- The pool: {texts:,} different texts were read, {repeats:,} of them near-duplicates of others."
    )
    if about.domains:
        most = ", ".join(f"{_plain(name)} {number:,}" for name, number in about.domains.most_common(ROWS))
        lines.append(f"- Labeled texts by domain: {most}.")
    return "## Data\n\n" + "\n".join(lines) + "\n"


def _scores(about: Known, made: Curve) -> str:
    sat, campaign = about.sitting.exam, about.campaign
    metrics, headline = about.metrics, HEADLINES[campaign.problem]
    if metrics is None:
        return "## Scores\n\nNothing measures yet.\n"
    what = (
        "of the test set that was posted"
        if about.truth.source == "test"
        else "of the hold-out, drawn at random from the campaign's own pool"
    )
    lines = [
        "## Scores",
        "",
        f"On {_number(metrics.n, 'example')} {what}; in brackets intervals of 95 %.",
        "",
        "| metric | value |",
        "| --- | --- |",
    ]
    fields = [one for one in metrics.__struct_fields__ if isinstance(getattr(metrics, one), Interval)]
    fields.sort(key=lambda name: name != headline)
    lines += [f"| {_words(name)} | {_interval(getattr(metrics, name))} |" for name in fields]
    for point in made.points:
        if point.round == about.round.number and point.baseline is not None:
            lines.append(f"| {_words(headline)} of logistic regression, same labels | {point.baseline:.3f} |")
    temperature = about.manifest.get("temperature")
    fitted = (
        "" if temperature is None else f", after a temperature of {temperature:.3g} fitted on training labels"
    )
    lines += [
        "",
        "Calibration: ECE is the expected calibration error of the confidences"
        f"{fitted}; 0 is perfect, and of few examples it comes out too high.",
    ]
    each = groups.classes(sat, campaign.labels)
    lines += _table(
        "label",
        [(one, [_share(one.precision), _share(one.recall)]) for one in each],
        ["precision", "recall"],
    )
    lines += _table("domain", [(one, []) for one in groups.domains(sat)], [])
    return "\n".join(lines) + "\n"


def _table(what: str, rows: Sequence[tuple[Group, list[str]]], more: list[str]) -> list[str]:
    if not rows:
        return []
    shown = sorted(rows, key=lambda one: (one[0].score is None, one[0].score.value if one[0].score else 0.0))
    metric = "F1" if what == "label" else "score"
    heads = [what, "n", metric, *more]
    lines = ["", f"| {' | '.join(heads)} |", f"| {' | '.join('---' for _ in heads)} |"]
    lines += [
        f"| {' | '.join([_cell(one.name), f'{one.n:,}', _interval(one.score), *cells])} |"
        for one, cells in shown[:ROWS]
    ]
    if len(shown) > ROWS:
        lines.append(f"| … {len(shown) - ROWS:,} more |{' |' * (len(heads) - 1)}")
    return lines


def _learning(about: Known, made: Curve) -> str:
    points = [one for one in made.points if one.round <= about.round.number and one.metrics is not None]
    if not points:
        return ""
    headline = points[-1].headline
    lines = [
        "## Learning curve",
        "",
        "Every round's adapter on the same examples.",
        "",
        f"| round | labels trained on | {_words(headline)} | change, paired |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| {one.round} | {one.trained_on:,} | {_interval(getattr(one.metrics, headline))} | "
        f"{_interval(one.change, '+')} |"
        for one in points[-ROWS:]
    ]
    return "\n".join(lines) + "\n"


def _limits(about: Known) -> str:
    sat, campaign = about.sitting.exam, about.campaign
    metrics, weak = about.metrics, groups.weakest(sat, campaign.labels)
    texts, cut, _ = about.pool
    lines = []
    if metrics is not None and about.truth.source == "hold-out":
        lines.append(
            "- Measured on random draws from the pool it was trained for. Nothing is known of texts from elsewhere, or "
            "of later ones."
        )
    elif metrics is not None:
        lines.append(
            "- Measured on a posted test set alone. How like it is to the texts you have was not measured."
        )
    lines.append(
        "- Speed, robustness against attacks, and fairness towards groups of people were not measured."
    )
    lines.append(_language(about.audit))
    for name, one in (("label", weak.class_), ("domain", weak.domain)):
        if one is None:
            continue
        if one.group is None:
            lines.append(f"- No weakest {name} is named: {one.reason}.")
        else:
            lines.append(
                f"- The weakest {name} is {_cell(one.group.name)}: {_interval(one.group.score)} on "
                f"{_number(one.group.n, 'example')}."
            )
    unseen = [one.name for one in groups.classes(sat, campaign.labels) if one.score is None]
    if unseen and metrics is not None:
        some = ", ".join(_cell(one) for one in unseen[:ROWS])
        lines.append(f"- Too few examples measure to say anything of: {some}.")
    if isinstance(metrics, SingleLabelMetrics):
        lines += _unsure(about, metrics)
    length = about.manifest.get("max_length")
    if length is not None:
        share = f" {cut:,} of the pool's {texts:,} are longer." if texts else ""
        lines.append(f"- Of a text the first {length} tokens are read.{share}")
    return "## Limits\n\n" + "\n".join(lines) + "\n"


def _unsure(about: Known, metrics: SingleLabelMetrics) -> list[str]:
    table = np.array(metrics.confusion)
    np.fill_diagonal(table, 0)
    names, found = about.campaign.labels, []
    for at in np.argsort(-table, axis=None, kind="stable")[:CONFUSIONS]:
        true, said = np.unravel_index(at, table.shape)
        if table[true, said]:
            found.append(f"{_cell(names[true])} taken for {_cell(names[said])} ({table[true, said]:,})")
    return [f"- Its commonest errors: {', '.join(found)}."] if found else []


def _language(audit: Audit | None) -> str:
    if audit is None or not audit.languages.balance.groups:
        return (
            "- Which languages the pool has was not looked at (`postil audit` does); it is meant for those."
        )
    first = audit.languages.balance.groups[0]
    return (
        f"- Language: {_interval(first.share)} of {audit.languages.sample:,} texts drawn at random are in "
        f"`{first.name}`, as py3langid tells; it was not measured in others."
    )


def _how(about: Known) -> str:
    problem = about.campaign.problem
    use = f"## Use\n\n{standalone.ENOUGH['adapter']}\n\n```python\n{standalone.use(problem)}```\n"
    if problem == "spans":
        return use
    return use + "\nThe head reads a text twice, with LoRA and without: it takes two passes of the encoder.\n"


def _lineage(about: Known) -> str:
    lineage, row = about.manifest.get("lineage", {}), about.round
    lines = [
        f"- Campaign `{about.campaign.id}`, round {row.number}, label version {row.label_version}, seed {row.seed}.",
        f"- Base model `{about.campaign.model}`, content key `{about.campaign.encoder or 'unknown'}`.",
    ]
    if packages := lineage.get("packages"):
        lines.append(f"- Made with {', '.join(f'{name} {version}' for name, version in packages.items())}.")
    lines.append(
        "- `postil.json` has recipe, thresholds and everything else that was written down in training."
    )
    return "## Lineage\n\n" + "\n".join(lines) + "\n"


def _interval(one: Interval | None, sign: str = "") -> str:
    return "–" if one is None else f"{one.value:{sign}.3f} [{one.low:{sign}.3f}, {one.high:{sign}.3f}]"


def _share(one: float | None) -> str:
    return "–" if one is None else f"{one:.3f}"


def _words(metric: str) -> str:
    return metric.replace("_", " ").replace("f1", "F1").replace("ece", "ECE")


def _number(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _quoted(text: str) -> str:
    """A string of JSON is one of YAML."""
    return json.dumps(text, ensure_ascii=False)


def _cell(name: str | None) -> str:
    return "(none)" if name is None else _plain(name)


def _plain(text: str) -> str:
    """Somebody's words as Markdown shows them, in a cell of a table too."""
    return "".join(f"\\{c}" if c in "\\`*_|<>[]#" else c for c in " ".join(text.split()))


def _repeats(connection: Connection, campaign: Campaign) -> int:
    return sum(row.repeats or 0 for row in pool.all_shards(connection, campaign.id))
