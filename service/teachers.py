"""Teachers: who says how sure a text's label is: a field of the pool, a classifier, or a server."""

import hashlib
from typing import TypeGuard

from service import generators
from service.errors import Invalid

MODEL = "model:"
"""In front of a Hugging Face classifier's name or folder; a URL is a server, and all else a field of `meta`."""


def reads(teacher: str | None) -> TypeGuard[str]:
    """Whether texts have to be read for it: what it says is computed once for each shard, and kept."""
    return teacher is not None and (teacher.startswith(MODEL) or _is_url(teacher))


def field(teacher: str | None) -> str | None:
    """The field of `meta` that it is, where it is one."""
    return None if teacher is None or reads(teacher) else teacher


def model(teacher: str) -> str | None:
    """The classifier that it is, where it is one."""
    return teacher.removeprefix(MODEL).strip() if teacher.startswith(MODEL) else None


def key(teacher: str) -> str:
    """What its answers are kept by, beside the content of the shard."""
    return f"teacher-{hashlib.blake2b(teacher.encode(), digest_size=12).hexdigest()}"


def check(teacher: str, prefixes: str) -> None:
    """Raises Invalid for a server that the operator does not allow (`POSTIL_GENERATORS`)."""
    if _is_url(teacher):
        try:
            generators.allowed(teacher, prefixes)
        except Invalid as error:
            raise Invalid(str(error), "teacher") from None


def _is_url(teacher: str) -> bool:
    return teacher.startswith(("http://", "https://"))
