"""Passwords and keys of the embedded servers: made once, kept in a file that only its owner can read."""

import json
import os
import secrets
from pathlib import Path

from service.errors import Invalid


def credential(path: Path, name: str) -> str:
    """The credential kept as `name` in the JSON file `path`; a new one of 40 hex digits where there is none.

    Raises Invalid for a file that is not a JSON object: the servers' data needs the keys that were in it.
    """
    try:
        stored = json.loads(path.read_text())
    except FileNotFoundError:
        stored = {}
    except json.JSONDecodeError as error:
        raise Invalid(f"{path} is not JSON ({error}): restore it from a backup.", str(path)) from None
    if not isinstance(stored, dict):
        raise Invalid(f"{path} does not hold a JSON object: restore it from a backup.", str(path))
    if name not in stored:
        stored[name] = secrets.token_hex(20)
        write_private(path, json.dumps(stored, indent=1))
    return str(stored[name])


def write_private(path: Path, text: str) -> None:
    """Write `text` so that no other user can read it at any moment, and no reader sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)  # a left-over draft would keep its own, perhaps wider, mode
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)
