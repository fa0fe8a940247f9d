"""The verb `postil audit`: what a pool and its labels are like, and what that advises."""

from typing import Annotated, Any

import typer

from service.cli import waiting
from service.cli.connect import connect
from service.cli.names import Name
from service.cli.output import AsJson, print_json
from service.errors import PostilError

SHOWN, TEXT_CHARS = 5, 90


def audit(
    campaign: Name,
    last: Annotated[bool, typer.Option("--last", help="Show the newest one there is, make none.")] = False,
    json: AsJson = False,
) -> None:
    """Look at a pool and its labels: duplicates, outliers, balance, agreement, noise; and what to do about it."""
    with connect() as api:
        if not last:
            waiting.done("audit", api.begin_audit(campaign)["id"], lambda: api.audit(campaign))
        found = api.audit(campaign)["audit"]
    if found is None:
        raise PostilError(f"no audit is done yet: `postil audit {campaign}` makes one")
    if json:
        return print_json(found)
    for line in lines(found):
        print(line)


def lines(audit: dict[str, Any]) -> list[str]:
    """An audit, for people."""
    duplicates, languages, labels = audit["duplicates"], audit["languages"], audit["labels"]
    made = [f"{audit['examples']:,} different texts"]
    made.append(f"Duplicates: {_share(duplicates['exact'])} exact, {_share(duplicates['near'])} near")
    made += [f"  {one['examples']:,} alike: {_short(one['text'])}" for one in duplicates["clusters"][:SHOWN]]
    if points := audit["lengths"]["quantiles"]:
        low, _, middle, _, high = (f"{one:,.0f}" for one in points)
        outliers = audit["lengths"]["outliers"]
        made.append(f"Length: {middle} characters, 90% from {low} to {high}; {outliers:,} far out")
        made += _texts(audit["lengths"]["examples"])
    made.append(f"Languages, of {languages['sample']:,} texts: {_groups(languages['balance'])}")
    made += _texts(languages["examples"])
    if audit["domains"]["groups"]:
        made.append(f"Domains: {_groups(audit['domains'])}")
    likelihood = audit["likelihood"]
    unlikely = likelihood["reason"] or f"pseudo-perplexity {_number(likelihood['median'])}"
    made.append(f"What the base model expects: {unlikely}")
    made += _texts(likelihood["examples"])
    made.append(f"Labels: {_groups(labels['classes']) or 'none'}")
    if labels["alpha"]:
        made.append(f"Agreement: Krippendorff's alpha {_number(labels['alpha'])}")
    if labels["noise"]:
        made.append(
            f"Noise: {_share(labels['noise'])}; {labels['suspects']:,} more probably wrong than right"
        )
        made += _texts(labels["examples"])
    if facts := audit["information"]:
        noise = "noise not known" if facts["noise"] is None else f"noise {facts['noise']['value']:.0%}"
        made.append(
            f"Effective information: {_number(facts['value'], 0)} of {facts['labels']:,} labels "
            f"({noise}, signal {facts['signal']['value']:.2f}; teacher: {facts['teacher']})"
        )
    made += [f"Advice: {one['what']}. {one['why'][0].upper()}{one['why'][1:]}." for one in audit["advice"]]
    return made


def _texts(texts: list[dict[str, Any]]) -> list[str]:
    return [
        f"  {one['id']} ({one['value']:.4g} {one['words']}): {_short(one['text'])}" for one in texts[:SHOWN]
    ]


def _short(text: str) -> str:
    one = " ".join(text.split())
    return one if len(one) <= TEXT_CHARS else f"{one[:TEXT_CHARS]}…"


def _groups(balance: dict[str, Any]) -> str:
    groups = balance["groups"]
    words = ", ".join(f"{one['name']} {one['examples']:,}" for one in groups[:SHOWN])
    more = f" and {len(groups) - SHOWN} more" if len(groups) > SHOWN else ""
    even = "" if balance["evenness"] is None else f"; evenness {balance['evenness']:.2f}"
    return f"{words}{more}{even}"


def _share(value: dict[str, float] | None) -> str:
    return "unknown" if value is None else f"{value['value']:.1%} [{value['low']:.1%}, {value['high']:.1%}]"


def _number(value: dict[str, float] | None, digits: int = 2) -> str:
    if value is None:
        return "unknown"
    return f"{value['value']:,.{digits}f} [{value['low']:,.{digits}f}, {value['high']:,.{digits}f}]"
