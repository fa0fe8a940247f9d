"""What a curve says in words: labels saved, how far predictions still change, what more would bring, what is weak,
and whose adapter is active, if it is not the newest one's."""

from service.cli.output import share
from service.client.views import Curve, Extent, Gain, Stopping, Weak

SHOWN, MORE = 3, 100
"""Agreements that are shown, and the labels more of which is told what they bring."""


def signs(curve: Curve) -> list[str]:
    """Five lines at most; none where there is nothing to say."""
    lines = [_saved(curve["gain"]), _change(curve["stopping"])]
    if (weakest := curve["weakest"]) is not None:
        lines += [_weak("domain", weakest["domain"]), _weak("class", weakest["class"])]
    active, points = curve.get("active"), curve["points"]
    if active is not None and points and active < points[-1]["round"]:
        lines.append(f"The adapter of round {active} is active, and newer ones are not.")
    return [line for line in lines if line]


def _weak(what: str, found: Weak | None) -> str:
    group, whole = (found["group"], found["whole"]) if found else (None, None)
    if group is None or whole is None or group["score"] is None:
        return ""
    score, metric = group["score"], "F1 " if what == "class" else ""
    sure = "Weakest" if score["high"] < whole else "Perhaps the weakest"
    name = f"texts without a {what}" if group["name"] is None else repr(group["name"])
    words = f"{sure} {what}: {name}, {metric}{share(score)} on {group['n']:,} examples, {whole:.3f} of all; "
    errors = "" if group["errors"] is None else f" and {group['errors']:.0%} of the errors"
    return f"{words}{group['share']:.0%} of the examples{errors}."


def _saved(gain: Gain | None) -> str:
    saved = gain["saved"] if gain else None
    if not gain or not saved or saved["low"] is None:
        return ""
    low, high = saved["low"], saved["high"]
    if saved["value"] is None:
        words = f"At least {_about(low)} labels saved so far"
    else:
        sure = "About" if low > 0 or (high is not None and high < 0) else "Perhaps"
        words = f"{sure} {_about(saved['value'])} labels saved so far {_interval(saved)}"
    return f"{words} against random draws{' (extrapolated)' if gain['extrapolated'] else ''}."


def _change(stopping: Stopping | None) -> str:
    if not stopping:
        return ""
    known = [one["value"] for one in stopping["agreements"] if one["value"] is not None][-SHOWN:]
    parts = []
    if known:
        state = "Predictions have settled" if stopping["settled"] else "Predictions still change"
        name = "F1" if stopping["agreement"] == "f1" else stopping["agreement"]
        parts.append(f"{state}: {name} {', '.join(f'{one:.2f}' for one in known)} from round to round.")
    for one in stopping["outlook"]:
        if one["more"] == MORE:
            value, low, high = (100 * one["gain"][end] for end in ("value", "low", "high"))
            parts.append(f"Expected of {MORE} labels more: {value:+.1f} points [{low:+.1f}, {high:+.1f}].")
    return " ".join(parts)


def _interval(saved: Extent) -> str:
    low, high = saved["low"] or 0, saved["high"]
    return f"[{_about(low)}, {_about(high)}]" if high is not None else f"[{_about(low)} or more]"


def _about(labels: int) -> str:
    """With two digits that count: 183 is 180."""
    unit = 10 ** max(0, len(str(abs(labels))) - 2)
    size = (abs(labels) + unit // 2) // unit * unit
    return f"{'-' if labels < 0 else ''}{size:,}"
