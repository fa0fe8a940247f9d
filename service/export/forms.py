"""The forms that exports come in, and what each is for."""

from typing import Literal, NamedTuple

from service.answers import FIELDS
from service.errors import Invalid

What = Literal["labels", "annotations", "pool", "auto-labels"]
Format = Literal["jsonl", "csv", "parquet", "hf", "label-studio", "conll", "spacy"]


class Form(NamedTuple):
    ending: str
    media_type: str
    every: bool = False
    """Whether all that is exported can have it, or labels alone."""
    problems: tuple[str, ...] = tuple(FIELDS)


FORMS: dict[Format, Form] = {
    "jsonl": Form(".jsonl", "application/x-ndjson", every=True),
    "csv": Form(".csv", "text/csv; charset=utf-8", every=True),
    "parquet": Form(".parquet", "application/vnd.apache.parquet", every=True),
    "hf": Form(".zip", "application/zip"),
    "label-studio": Form(".json", "application/json"),
    "conll": Form(".conll", "text/plain; charset=utf-8", problems=("spans",)),
    "spacy": Form(".spacy.jsonl", "application/x-ndjson", problems=("spans",)),
}


def check(problem: str, what: What, format: Format) -> Form:
    """The form; raises Invalid where it does not fit what is exported or the campaign's problem."""
    form = FORMS[format]
    fits = [
        name for name, one in FORMS.items() if problem in one.problems and (one.every or what == "labels")
    ]
    if format not in fits:
        why = (
            f"of labels, not of {what}"
            if problem in form.problems
            else f"of spans, and this campaign is {problem}"
        )
        raise Invalid(f"{format} is a form {why}: choose {', '.join(fits[:-1])} or {fits[-1]}", "format")
    return form
