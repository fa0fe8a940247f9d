"""An embedded Label Studio: its own virtual environment, its start without a browser or the internet.

`python -m service.stack.label_studio` installs it. The settings below are those that were tried with this
version; another version is another try.
"""

import fcntl
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from service.errors import Invalid, LabelStudioRefused, PostilError
from service.settings import Settings
from service.stack.ports import LOOPBACK, get
from service.stack.processes import Program, dying_with_parent

VERSION = "1.23.2"
EMAIL = "admin@postil.local"
LOCK_SECONDS = 900  # a task that was opened and left is hidden from the others for so long

SERVER = Path(__file__).with_name("label_studio_server.py")
_HALF_MADE = "postil-is-installing"
Progress = Callable[[str], None]


def environment(settings: Settings) -> Path:
    """Where the virtual environment is or will be."""
    if settings.label_studio_venv:
        return Path(settings.label_studio_venv).absolute()
    return settings.folder.absolute() / "venvs" / f"label-studio-{VERSION}"


def installed(settings: Settings) -> bool:
    """True when the environment holds this version, whole."""
    venv = environment(settings)
    return (
        (venv / "bin" / "label-studio").exists()
        and not (venv / _HALF_MADE).exists()
        and any(venv.glob(f"lib/python*/site-packages/label_studio-{VERSION}.dist-info"))
    )


def install(settings: Settings, progress: Progress = lambda message: None) -> Path:
    """Install Label Studio unless it is installed; returns its virtual environment.

    A half-made environment is made anew; two installs at once wait for each other. `progress` is called every
    second or so, and what it raises ends the install. Raises Invalid for a folder that is something else,
    PostilError when pip fails.
    """
    venv = environment(settings)
    venv.parent.mkdir(parents=True, exist_ok=True)
    with _lock(venv.with_name(f"{venv.name}.lock"), progress):
        if installed(settings):
            return venv
        if venv.exists() and any(venv.iterdir()) and not (venv / _HALF_MADE).exists():
            raise Invalid(
                f"{venv} is not a virtual environment with Label Studio {VERSION}: "
                "name another folder in POSTIL_LABEL_STUDIO_VENV, or unset it.",
                "POSTIL_LABEL_STUDIO_VENV",
            )
        shutil.rmtree(venv, ignore_errors=True)
        venv.mkdir()
        (venv / _HALF_MADE).touch()
        words = f"Label Studio {VERSION}: making its virtual environment"
        _follow([sys.executable, "-m", "venv", str(venv)], os.environ, lambda lines: progress(words))
        _pip_install(venv, progress)
        (venv / _HALF_MADE).unlink()
    return venv


def _pip_install(venv: Path, progress: Progress) -> None:
    constraints = resources.files("service.stack") / "label-studio.txt"
    total = sum(1 for line in constraints.read_text().splitlines() if "==" in line)
    collected = 0

    def report(lines: Sequence[str]) -> None:
        nonlocal collected
        collected += sum(1 for line in lines if line.startswith("Collecting "))
        # pip says nothing while it unpacks: count what it has put there, less pip and setuptools.
        done = sum(1 for _ in venv.glob("lib/python*/site-packages/*.dist-info"))
        if done > 2:
            progress(f"Label Studio {VERSION}: {min(done, total)} of {total} packages installed")
        else:
            progress(f"Label Studio {VERSION}: {min(collected, total)} of {total} packages collected")

    python = venv / "bin" / "python"
    options = ("install", "--no-input", "--progress-bar=off", "--disable-pip-version-check")
    with resources.as_file(constraints) as file:
        _follow(
            [str(python), "-m", "pip", *options, "-c", str(file), f"label-studio=={VERSION}"],
            os.environ,
            report,
        )


@dataclass(frozen=True)
class LabelStudio:
    """One embedded server: its data lie under `folder`, its program in `venv`."""

    settings: Settings
    folder: Path
    port: int
    password: str
    token: str
    """Legacy token of the administrator; like the password it is set at the server's very first start."""
    email: str = EMAIL

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def venv(self) -> Path:
        return environment(self.settings)

    @property
    def _label_studio(self) -> list[str]:
        return [str(self.venv / "bin" / "python"), "-P", str(SERVER)]

    def program(self) -> Program:
        """The program to supervise. Its preparation installs Label Studio and makes its database, once."""
        address = ("--internal-host", LOOPBACK, "--port", str(self.port))
        options = ("--no-browser", "--log-level", "WARNING", *address)
        return Program(
            name="label-studio",
            command=[*self._label_studio, "start", *options],
            environ=self.environ(self.folder),
            ready=self.ready,
            ready_within=300.0,
            prepare=self.prepare,
        )

    def environ(self, folder: Path) -> dict[str, str]:
        """The whole environment of a server with its data in `folder`.

        Little of ours goes in: Label Studio reads HOST, PORT, DEBUG, USERNAME and others without any prefix.
        """
        ours = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
        return {name: os.environ[name] for name in ours if name in os.environ} | {
            "LABEL_STUDIO_BASE_DATA_DIR": str(folder.absolute()),
            "LABEL_STUDIO_HOST": self.url,
            # Read only when the user and the organisation are first made.
            "LABEL_STUDIO_USERNAME": self.email,
            "LABEL_STUDIO_PASSWORD": self.password,
            "LABEL_STUDIO_USER_TOKEN": self.token,
            "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
            "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
            # Nothing leaves the machine.
            "COLLECT_ANALYTICS": "false",
            "LATEST_VERSION_CHECK": "false",
            "SENTRY_DSN": "",
            "FRONTEND_SENTRY_DSN": "",
            "FEATURE_FLAGS_OFFLINE": "true",
            # Webhooks and ML backends on the loopback interface.
            "SSRF_PROTECTION_ENABLED": "false",
            "ML_BLOCK_LOCAL_IP": "false",
            "AZURE_MOUNT_FIX": "1",  # despite its name, the one switch for SQLite's write-ahead log
            "TASK_LOCK_TTL": str(LOCK_SECONDS),
            # Without the first, adding predictions takes time in proportion to the project.
            # The second checks predictions on their way in.
            "fflag_fix_back_4620_memory_efficient_predictions_import_08012025_short": "true",
            "fflag_feat_utc_210_prediction_validation_15082025": "true",
        }

    def prepare(self, progress: Progress = lambda message: None) -> None:
        """Install Label Studio and give `folder` a migrated, empty database, where either is missing.

        The migrations take most of a minute, so their result is kept beside the program and copied next time.
        """
        install(self.settings, progress)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # its database holds tokens as they are
        database = self.folder / "label_studio.sqlite3"
        if database.exists():
            return
        template = self.venv / f"postil-{VERSION}.sqlite3"
        if not template.exists():
            self._migrate(template, progress)
        draft = database.with_suffix(".new")
        shutil.copyfile(template, draft)
        os.replace(draft, database)

    def _migrate(self, template: Path, progress: Progress) -> None:
        words = "Label Studio: making its database (about 40 s, once)"
        with tempfile.TemporaryDirectory(prefix="label-studio-") as folder:
            # `version` migrates and does no more: no user, no organisation; that folder's keys stay in it.
            _follow(
                [*self._label_studio, "version"],
                self.environ(Path(folder)),
                lambda lines: progress(words),
            )
            handle, draft = tempfile.mkstemp(dir=template.parent, suffix=".sqlite3")
            os.close(handle)
            connection = sqlite3.connect(Path(folder) / "label_studio.sqlite3")
            try:
                connection.execute("VACUUM INTO ?", (draft,))
            finally:
                connection.close()
            os.replace(draft, template)

    def answers(self) -> bool:
        """True when this version answers."""
        answer = get(self.port, "/api/version/")
        return answer is not None and answer[0] == 200 and json.loads(answer[1]).get("release") == VERSION

    def ready(self) -> bool:
        """True when this version answers and knows our token.

        Raises LabelStudioRefused when the token is not the one its database was made with.
        """
        if not self.answers():
            return False
        answer = get(self.port, "/api/current-user/whoami", {"Authorization": f"Token {self.token}"})
        if answer is not None and answer[0] in (401, 403):
            raise LabelStudioRefused(
                f"Label Studio's database in {self.folder} was made with another token: bring back the "
                "secrets.json of that time, or remove that folder (and with it what is in Label Studio)."
            )
        return answer is not None and answer[0] == 200


def _follow(command: Sequence[str], environ: Mapping[str, str], report: Callable[[list[str]], None]) -> None:
    """Run `command` to its end; every half second `report` is given the lines it has written since.

    Raises PostilError with its last lines when it fails. Ends it when `report` raises.
    """
    tail: deque[str] = deque(maxlen=8)
    with tempfile.NamedTemporaryFile() as output, open(output.name, errors="replace") as written:
        child = subprocess.Popen(
            dying_with_parent(command),
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            running, rest = True, ""
            while running:
                running = child.poll() is None  # asked before reading, so that the last lines are read too
                *lines, rest = (rest + written.read()).split("\n")
                tail.extend(line for line in lines if line.strip())
                report(lines)
                if running:
                    time.sleep(0.5)
        finally:
            child.kill()
            child.wait()
    if child.returncode != 0:
        words = " ".join(command)
        raise PostilError(f"`{words}` failed with status {child.returncode}:\n" + "\n".join(tail))


@contextmanager
def _lock(path: Path, progress: Progress) -> Iterator[None]:
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                progress("Label Studio: another process is installing it, waiting")
                time.sleep(1)
        yield


def main() -> None:
    """Install Label Studio, with its progress on standard output."""
    settings = Settings.read()
    said: deque[str] = deque(maxlen=1)

    def say(message: str) -> None:
        if message not in said:
            said.append(message)
            print(message, flush=True)

    try:
        say(f"Label Studio {VERSION} is in {install(settings, say)}")
    except PostilError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
