"""A campaign's labels, changed while it runs: added, renamed, merged, split."""

from collections.abc import Sequence

from service import relabeling
from service.errors import Invalid
from service.http.api import Api
from service.http.campaigns import check_labels
from service.http.schemas import LabelChangeBody, LabelChanges, LabelChangeView
from service.records import LabelChange
from service.store import adoptions
from service.vocabulary import changed

OWN = (
    "the labels of an adopted project are its own: change them in Label Studio, release the campaign, and adopt the "
    "project anew"
)
SHAPES = (
    '{"add": name}, {"rename": label, "to": name}, {"merge": [labels], "into": name}, '
    '{"split": label, "into": [names]}'
)


def change(api: Api, c: str, body: LabelChangeBody) -> LabelChangeView:
    """Add, rename, merge or split labels; it takes effect at once.

    Labels that were given follow, and so do Label Studio, the next round and the curve. Where a label is split, what
    people answered with it is asked again, within the budget; imported labels of that name end.
    """
    old, new = _asked(body)
    with api.changing(c) as (connection, campaign):
        adoptions.refuse(connection, campaign.id, OWN)
        check_labels(campaign.problem, changed(campaign.labels, old, new))
        made = relabeling.change(connection, api.files, campaign, old, new)
        number = len(campaign.label_changes) + 1
    api.curves.forget(campaign.id)
    api.groups.forget(campaign.id)
    return _view(number, made)


def list_changes(api: Api, c: str) -> LabelChanges:
    """The labels there are, and the changes that were made of them, oldest first."""
    with api.reading(c) as (_, campaign):
        return LabelChanges(
            campaign.labels, [_view(number, one) for number, one in enumerate(campaign.label_changes, 1)]
        )


def _asked(body: LabelChangeBody) -> tuple[list[str], list[str]]:
    """(labels that give way, to which)."""
    given = [name for name in body.__struct_fields__ if getattr(body, name) is not None]
    match body:
        case LabelChangeBody(add=str(name)) if given == ["add"]:
            return [], [name]
        case LabelChangeBody(rename=str(label), to=str(name)) if given == ["rename", "to"]:
            return [label], [name]
        case LabelChangeBody(merge=list(old), into=str(name)) if given == ["merge", "into"]:
            return _several(old, "merge", "merging"), [name]
        case LabelChangeBody(split=str(label), into=list(new)) if given == ["split", "into"]:
            return [label], _several(new, "into", "splitting")
    raise Invalid(f"a change of labels is one of {SHAPES}")


def _several(labels: Sequence[str], field: str, what: str) -> list[str]:
    if len(set(labels)) < 2:
        raise Invalid(f"{what} takes two labels or more, not {len(set(labels))}", field)
    return list(labels)


def _view(number: int, made: LabelChange) -> LabelChangeView:
    kinds = {(0, False): "add", (1, False): "rename", (1, True): "split"}
    kind = kinds.get((len(made.old), len(made.new) > 1), "merge")
    return LabelChangeView(
        number=number,
        kind=kind,  # type: ignore[arg-type]
        old=made.old,
        new=made.new,
        made_at=made.made_at,
        relabeled=made.relabeled,
        asked_again=made.asked_again,
        ended=made.ended,
        unmeasured=made.unmeasured,
    )
