"""Every setting of an installation, read once from the environment (`POSTIL_*`)."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from service.errors import Invalid


@dataclass(frozen=True)
class Settings:
    """Where things are. Each field is the environment variable `POSTIL_<FIELD>`.

    What belongs to one campaign (strategy, budget, …) is not here but in the campaign.
    """

    data: str = ".postil"
    """Folder of files, the SQLite database, logs and secrets."""
    database_url: str = ""
    """SQLAlchemy URL; empty: SQLite at `<data>/postil.sqlite`."""
    files_url: str = ""
    """Object store that holds the files, such as s3://bucket/prefix; empty: `<data>/files`, on this machine."""
    redis_url: str = ""
    """Valkey or Redis >= 6.2; `postil up` starts one where this is empty."""
    url: str = "http://127.0.0.1:8400"
    """Where Label Studio and the command line reach the API."""
    page: str = ""
    """Where people's browsers reach the API and its pages, if not at that URL."""
    token: str = ""
    """Bearer token of the command line; empty: read from `<data>/token`."""
    label_studio_url: str = ""
    """Label Studio; `postil up` starts one where this is empty."""
    label_studio_page: str = ""
    """Where people's browsers reach Label Studio, if not at its URL."""
    label_studio_token: str = ""
    """Legacy token or personal access token of an account that may create projects."""
    label_studio_venv: str = ""
    """Virtual environment of the embedded Label Studio; empty: `<data>/venvs/label-studio-<version>`."""
    sources: str = ""
    """Paths and URLs below which pools may be imported from, with commas or spaces between; empty: from nowhere."""
    generators: str = ""
    """URLs below which generators of synthetic texts may be asked, each with #VARIABLE where that environment variable
    holds a key, with commas or spaces between; empty: none."""
    mlflow_url: str = ""
    """Tracking URI of an MLflow that is told each round's numbers; empty: none is."""
    tensorboard: str = ""
    """Folder of the workers' machine for TensorBoard, which is told the same; empty: none is."""
    log: str = "text"
    """Form of the logs: text, or json."""
    rate: int = 200
    """Requests a second that one token may make of one process of the API; 0: any number."""
    keep_days: int = 90
    """Days that ended jobs and uploads, and all but the newest events, are kept for; 0: for ever."""
    threads: int = 0
    """Threads of one GPU or CPU worker; 0: all cores but one, at least one."""

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Settings from `environ` (default `os.environ`); raises Invalid for a value of the wrong kind."""
        environ = os.environ if environ is None else environ
        known = {f"POSTIL_{field.name.upper()}": field for field in fields(cls)}
        values: dict[str, str | int] = {}
        for variable, field in known.items():
            if variable in environ:
                values[field.name] = _parse(variable, environ[variable], field.type is int)
        return cls(**values)  # type: ignore[arg-type]

    def environ(self) -> dict[str, str]:
        """The settings as environment variables, for a child process."""
        return {f"POSTIL_{field.name.upper()}": str(getattr(self, field.name)) for field in fields(self)}

    @property
    def folder(self) -> Path:
        return Path(self.data)

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.folder.absolute() / 'postil.sqlite'}"

    @property
    def files(self) -> Path:
        return self.folder.absolute() / "files"

    @property
    def worker_threads(self) -> int:
        return self.threads or max(1, (os.cpu_count() or 1) - 1)


def _parse(variable: str, value: str, whole: bool) -> str | int:
    if not whole:
        return value
    try:
        return int(value)
    except ValueError:
        raise Invalid(f"{variable} is {value!r}: set it to a whole number, or unset it", variable) from None
