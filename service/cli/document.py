"""A report as one HTML file: nothing in it asks for anything else."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from service.cli import output
from service.cli.signs import signs
from service.client.views import Campaign, Curve, Groups, Interval, Person, Round

ROUNDS, PAIRS, GROUPS, PLACES = 50, 20, 20, 4
"""Rows of tables that are shown; digits of a cost."""
STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; color: #1d2327; background: #fff; max-width: 52rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin: 0; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .5rem; }
p { margin: .3rem 0; } .soft, caption, small { color: #59636b; } small { white-space: nowrap; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; margin: .6rem 0; }
caption { text-align: left; padding-bottom: .2rem; }
th, td { text-align: right; padding: .25rem .6rem; border-bottom: 1px solid #e0ddd4; vertical-align: top; }
th, td { white-space: nowrap; } th:first-child, td:first-child { text-align: left; }
.wide { overflow-x: auto; } svg { max-width: 100%; height: auto; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .15rem 1.2rem; }
dt { color: #59636b; } dd { margin: 0; overflow-wrap: anywhere; }
@media print { body { margin: 0; max-width: none; } h2 { break-after: avoid; } svg, tr { break-inside: avoid; } }
"""
HOW = [
    "The hold-out is drawn at random from the whole pool, a tenth of what is asked, and never trains; texts like one "
    "of it never train either. Where a test set was posted, that measures instead.",
    "Every round's predictions are kept, and all points of the curve are computed on the same examples: those whose "
    "truth is known today. Differences between rounds are paired.",
    "Every interval is one of 95 %: Wilson's for shares, a bootstrap over examples for F1, Bonett and Price's for "
    "paired shares. With many rounds, classes or domains, one in twenty intervals misses its value by chance.",
    "The reference on random labels is the same model, trained on the control labels alone, which are drawn at random. "
    "Labels saved beyond those that there are is an extrapolation by a power law, and says so.",
    "Whoever changes labels, names or settings because of texts that measure makes scores on them too good.",
]


def page(
    campaign: Campaign,
    rounds: Sequence[Round],
    curve: Curve,
    groups: Groups,
    confusion: Mapping[str, Any],
    people: Mapping[str, Any],
    audit: Mapping[str, Any] | None,
    cost: Mapping[str, Any] | None,
    plots: Mapping[str, str],
    versions: Mapping[str, str],
    made_at: str,
) -> str:
    """`plots`: elements by name (curve, groups, confusion), as far as there are any."""
    parts = [
        f"<h1>{escape(campaign['name'])}</h1>",
        f'<p class="soft">A report of Postil, made {escape(made_at)}. It holds no texts of the pool.</p>',
        _section("What it is", _facts(_what(campaign))),
        _section(
            "Learning curve", plots.get("curve", ""), *map(_words, _curve_words(curve)), _curve_table(curve)
        ),
        _section("Domains and classes", plots.get("groups", ""), _groups(groups)),
        _section("What is taken for what", plots.get("confusion", ""), _confusion(confusion)),
        _section("Rounds", _rounds(rounds, curve)),
        _section("Annotators", _people(people)),
        _section("Audit of pool and labels", _audit(audit, campaign["name"])),
        _section("Costs", _nested(cost)) if cost else "",
        _section("How it was measured", *map(_words, HOW)),
        _section("Versions", _facts(versions.items())),
    ]
    title = escape(f"{campaign['name']}: a report")
    fits = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head = f'<meta charset="utf-8">{fits}<title>{title}</title><style>{STYLE}</style>'
    body = "".join(parts)
    return f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body>\n{body}</body>\n</html>\n'


def _what(campaign: Campaign) -> list[tuple[str, str]]:
    status, labels = campaign["status"], campaign["status"]["labels"]
    problems = {
        "single_label": "exactly one label for each text",
        "multi_label": "any labels, or none, for each text",
        "spans": "labeled stretches of each text",
    }
    roles = ", ".join(f"{number:,} {role}" for role, number in labels.items()) or "none yet"
    budget = "none" if campaign["budget"] is None else f"{campaign['budget']:,} answers"
    left = "" if status["budget_left"] is None else f", {status['budget_left']:,} left"
    return [
        ("Asked", problems[campaign["problem"]]),
        ("Labels", ", ".join(campaign["labels"])),
        ("Model", campaign["model"]),
        ("Strategy", campaign["strategy"]),
        ("Pool", f"{status['examples']:,} texts, {status['test_examples']:,} of a test set besides"),
        ("Labeled", roles),
        ("Budget", f"{budget}{left}"),
        ("Stands", f"{status['phase']}, {status['rounds_done']:,} rounds done"),
        *(("Warning", words) for words in campaign["warnings"]),
    ]


def _curve_words(curve: Curve) -> list[str]:
    if not curve["points"]:
        return ["There is no round yet: the first one begins when enough labels have come."]
    last = curve["points"][-1]
    words = []
    if metrics := last["metrics"]:
        whom = (
            "examples of the test set"
            if last["measured_on"] == "test"
            else "hold-out examples, drawn at random"
        )
        score = _share(metrics[last["headline"]])
        words.append(
            f"Round {last['round']}: {output.metric(last['headline'])} {score} on {metrics['n']:,} {whom}."
        )
    if last["change"]:
        words.append(f"Since the round before: {_points(last['change'])} points.")
    gain, stopping = curve["gain"], curve["stopping"]
    words += signs(curve)
    if gain and gain["reason"]:
        words.append(f"How many labels were saved cannot be told: {gain['reason']}.")
    if stopping and stopping["reason"]:
        words.append(f"What more labels would bring cannot be told: {stopping['reason']}.")
    return words


def _curve_table(curve: Curve) -> str:
    rows = []
    for one in reversed(curve["points"]):
        control: Any = one["control"]
        metrics = one["metrics"]
        rows.append(
            [
                f"{one['round']:,}",
                f"{one['trained_on']:,}",
                _share(metrics[one["headline"]]) if metrics else "–",
                _points(one["change"]),
                "–" if one["baseline"] is None else _percent(one["baseline"]),
                f"{_share(control['score'])} of {control['labels']:,}" if control else "–",
            ]
        )
    names = ["Round", "Trained on", "Score", "Since before, points", "Logistic regression", "Random labels"]
    return _table("The curve, the newest round first", names, rows[:ROUNDS], len(rows))


def _groups(groups: Groups) -> str:
    made = []
    for kind, score in (("domains", output.metric(groups["headline"])), ("classes", "F1")):
        found: list[Any] = groups[kind]  # type: ignore[literal-required]
        rows = [
            [
                one["name"] or "without a domain",
                _share(one["score"]) if one["score"] else "–",
                f"{one['n']:,}",
                _percent(one["share"]),
                _percent(one["errors"]),
            ]
            for one in found
        ]
        if rows:
            names = [kind.capitalize(), score, "Examples", "Of the examples", "Of the errors"]
            made.append(_table(f"{kind.capitalize()}, the weakest first", names, rows[:GROUPS], len(rows)))
    return "".join(made) or _words("Known after the first round, once some labels measure.")


def _confusion(found: Mapping[str, Any]) -> str:
    wrong = [one for one in found["cells"] if one["kind"] != "right"]
    if not found["n"]:
        return _words("Known after the first round, once some labels measure.")
    right = sum(one["n"] for one in found["cells"] if one["kind"] == "right")
    words = f"Round {found['round']}: {right:,} right, {sum(one['n'] for one in wrong):,} not."
    rows = [
        [one["truth"] or "nothing", one["said"] or "nothing", one["kind"], f"{one['n']:,}"] for one in wrong
    ]
    table = _table(
        "The most frequent ones", ["True", "Taken for", "What is wrong", "Times"], rows[:PAIRS], len(rows)
    )
    return _words(words) + (table if rows else "")


def _rounds(rounds: Sequence[Round], curve: Curve) -> str:
    by_round = {one["round"]: one for one in curve["points"]}
    rows = []
    for one in reversed(rounds):
        point = by_round.get(one["number"])
        metrics = point["metrics"] if point else None
        rows.append(
            [
                f"{one['number']:,}",
                one["state"],
                f"{one['labels']:,}",
                _share(metrics[point["headline"]]) if point and metrics else "–",
                output.seconds(one["train_seconds"]),
                output.seconds(one["score_seconds"]),
                output.moment(one["started_at"]),
            ]
        )
    names = ["Round", "State", "Labels", "Score", "Training", "Scoring", "Begun"]
    return (
        _table("The newest first", names, rows[:ROUNDS], len(rows)) if rows else _words("There is none yet.")
    )


def _people(people: Mapping[str, Any]) -> str:
    listed: list[Person] = people["annotators"]
    if not listed:
        return _words("Nobody answered yet.")
    rows = [
        [
            "unknown" if one["annotator"] is None else f"#{one['annotator']}",
            f"{one['answers']:,}",
            f"{one['skips']:,}",
            output.seconds(one["seconds"]["value"]) if one["seconds"] else "–",
            _share(one["changed"]) if one["changed"] else "–",
            _percent(one["accuracy"]),
            _share(one["agreement"]) if one["agreement"] else "–",
        ]
        for one in listed
    ]
    made = _table(
        "",
        ["Who", "Answers", "Skips", "An answer takes", "Changes suggestions", "Right", "Agrees"],
        rows,
        len(rows),
    )
    made += _words("Right: as the newest round took it, which knows no truth. " + people["meaning"])
    if alpha := people["alpha"]:
        interval = f"{alpha['value']:.2f} [{alpha['low']:.2f}, {alpha['high']:.2f}]"
        made += _words(f"Krippendorff's alpha {interval}: 1 is agreement, 0 is chance.")
    return made


def _audit(audit: Mapping[str, Any] | None, name: str) -> str:
    if audit is None:
        return _words(f"None was made: postil audit {name}")
    made = [
        f"<p><strong>{escape(one['what'].capitalize())}</strong>: {escape(one['why'])}.</p>"
        for one in audit["advice"]
    ]
    noise = audit["labels"]["noise"]
    facts = [
        ("Texts", f"{audit['examples']:,}"),
        (
            "Near-duplicates",
            _share(audit["duplicates"]["near"]) if audit["duplicates"]["near"] else "unknown",
        ),
        ("Labels that are wrong", _share(noise) if noise else "unknown"),
    ]
    return "".join(made or [_words("It advises nothing.")]) + _facts(facts)


def _nested(found: Any) -> str:
    """Whatever an answer of the API holds, a level of lists for each of its own."""
    if isinstance(found, Mapping):
        rows = [
            f"<dt>{escape(str(name).replace('_', ' '))}</dt><dd>{_nested(one)}</dd>"
            for name, one in found.items()
        ]
        return f"<dl>{''.join(rows)}</dl>"
    if isinstance(found, list):
        return "".join(_nested(one) for one in found) or "–"
    if isinstance(found, float):
        return f"{found:,.{PLACES}g}" if abs(found) < 1000 else f"{found:,.0f}"
    if isinstance(found, int) and not isinstance(found, bool):
        return f"{found:,}"
    return "–" if found is None else escape(str(found))


def _section(title: str, *parts: str) -> str:
    return f"<section><h2>{title}</h2>\n{''.join(parts)}</section>\n"


def _words(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{escape(value)}</dd>' for name, value in facts)}</dl>"


def _table(caption: str, names: Sequence[str], rows: Sequence[Sequence[str]], total: int) -> str:
    more = f" ({len(rows)} of {total:,})" if total > len(rows) else ""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    told = f"<caption>{escape(caption)}{more}</caption>" if caption else ""
    return f'<div class="wide"><table>{told}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _share(value: Interval) -> str:
    return f"{_percent(value['value'])} [{100 * value['low']:.1f}, {100 * value['high']:.1f}]"


def _points(value: Interval | None) -> str:
    if value is None:
        return "–"
    return f"{100 * value['value']:+.1f} [{100 * value['low']:+.1f}, {100 * value['high']:+.1f}]"
