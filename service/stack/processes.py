"""A supervisor of real processes: started in order, restarted when they die, stopped in reverse.

One thread looks after one process for its whole life. That is not only simple: Linux ties "die with your
parent" to the thread that started the child, so this thread has to outlive it.

Does not cover: more than one machine, resource limits, users other than the one who started it.
"""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from service.errors import PostilError

State = Literal["waiting", "preparing", "starting", "up", "restarting", "failed", "stopped"]

LOG_BYTES = 10 * 2**20
TICK = 0.1  # seconds between two looks at a process
STEADY = 30.0  # seconds alive after which earlier deaths are forgotten
DISK = errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO
"""What passes when somebody makes room."""

# Runs in the child and is replaced by the program. A preexec_fn would run Python between fork and exec of a
# process with threads, which may deadlock. SIGKILL, not SIGTERM: a worker that finished its job first would
# still be there, and hold its place, when the next supervisor starts.
_LAUNCH = """
import os, sys
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
if os.getppid() != int(sys.argv[1]):
    sys.exit("the supervisor died while this process was starting")
os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True)
class Program:
    """A process to keep running. Times in seconds."""

    name: str
    command: Sequence[str]
    """Its first word is an absolute path."""
    environ: Mapping[str, str]
    """The whole environment of the process."""
    ready: Callable[[], bool] | None = None
    """Asked while it starts; None: up as soon as it runs. A PostilError raised here is final."""
    ready_within: float = 60.0
    """Killed and started again when it is not ready by then."""
    stop_within: float = 10.0
    """From SIGTERM to SIGKILL."""
    after: tuple[str, ...] = ()
    """Programs that are up before this one starts, and stop after it has stopped."""
    prepare: Callable[[Callable[[str], None]], None] | None = None
    """Work before the first start; it is given a function that tells people how far it is.

    That function raises Stopping when the supervisor is to stop, so call it every second or so.
    """


@dataclass(frozen=True)
class Status:
    """What is known of one program; also the event that is sent when it changes."""

    name: str
    state: State = "waiting"
    pid: int | None = None
    restarts: int = 0
    message: str = ""
    """For people: progress, or why it died."""


class Stopping(PostilError):
    """The supervisor was told to stop: end what you are doing."""


def back_off(deaths: int) -> float:
    """Seconds to wait before a start after `deaths` deaths in a row: 0.5, 1, 2, 4, 8, 10, 10, …"""
    return float(min(10.0, 0.5 * 2 ** min(deaths - 1, 10)))


def dying_with_parent(command: Sequence[str]) -> list[str]:
    """The command that runs `command` (first word an absolute path) and is killed when its parent dies.

    To be started by the thread that waits for it. Elsewhere than on Linux it outlives its parent.
    """
    return [sys.executable, "-I", "-S", "-c", _LAUNCH, str(os.getpid()), *command]


class Supervisor:
    """Keeps programs running until `stop`; output goes to `<folder>/logs`, pids to `<folder>/run`.

    `on_status` is called from the supervisor's threads, one call at a time, and must not raise.
    One supervisor per folder at a time: the caller holds a lock.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        folder: Path,
        on_status: Callable[[Status], None] = lambda status: None,
    ) -> None:
        self._folder = folder
        self._on_status = on_status
        self._telling = threading.Lock()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._killing = threading.Event()
        self._keepers = {program.name: _Keeper(program, self) for program in programs}
        for program in programs:
            if unknown := set(program.after) - set(self._keepers):
                raise PostilError(
                    f"{program.name} starts after {', '.join(sorted(unknown))}, which is not started."
                )

    def start(self) -> None:
        """Start every program in its order; returns at once. Left-overs of a killed supervisor end first."""
        (self._folder / "logs").mkdir(parents=True, exist_ok=True)
        end_leftovers(self._folder / "run")
        for keeper in self._keepers.values():
            keeper.thread.start()

    def wait_up(self, names: Sequence[str], seconds: float, deaths: int = 3) -> None:
        """Return when all of `names` are up.

        Raises PostilError, with the end of the log, when one has failed for good, died `deaths` times before
        it was up, or is not up after `seconds`.
        """
        until = time.monotonic() + seconds
        with self._changed:
            for name in names:
                keeper = self._keepers[name]
                while keeper.status.state != "up":
                    if keeper.status.state in ("failed", "stopped") or keeper.status.restarts >= deaths:
                        raise PostilError(f"{name} does not start: {keeper.status.message}")
                    if not self._changed.wait(max(0.0, min(1.0, until - time.monotonic()))) and (
                        time.monotonic() >= until
                    ):
                        raise PostilError(f"{name} is not up after {seconds:.0f} s; see {self.log(name)}")

    def states(self) -> dict[str, Status]:
        with self._changed:
            return {name: keeper.status for name, keeper in self._keepers.items()}

    def log(self, name: str) -> Path:
        return self._folder / "logs" / f"{name}.log"

    def stop(self) -> None:
        """End every program, dependents first; a second Ctrl-C meanwhile kills what is left. Repeatable."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        try:
            self._join()
        except KeyboardInterrupt:
            self._killing.set()
            self._join()

    def _join(self) -> None:
        for keeper in self._keepers.values():
            if keeper.thread.ident is not None:
                keeper.thread.join()

    def _tell(self, keeper: "_Keeper", status: Status) -> None:
        with self._changed:
            keeper.status = status
            self._changed.notify_all()
        with self._telling:
            self._on_status(status)


class _Keeper:
    """The life of one program, on a thread of its own."""

    def __init__(self, program: Program, supervisor: Supervisor) -> None:
        self.program = program
        self.status = Status(program.name)
        self.thread = threading.Thread(target=self._run, name=f"keep {program.name}", daemon=True)
        self._supervisor = supervisor
        self._pid_file = supervisor._folder / "run" / f"{program.name}.pid"

    def _run(self) -> None:
        try:
            if self._others_up() and self._prepared():
                self._keep()
        except Stopping:
            pass
        except (PostilError, OSError, subprocess.SubprocessError) as error:
            self._tell("failed", pid=None, message=str(error))
            return
        self._tell("stopped", pid=None, message="")

    def _others_up(self) -> bool:
        supervisor = self._supervisor
        others = [supervisor._keepers[name] for name in self.program.after]
        with supervisor._changed:
            while not supervisor._stopping.is_set():
                if failed := [other.program.name for other in others if other.status.state == "failed"]:
                    raise PostilError(f"needs {failed[0]}, which failed")
                if all(other.status.state == "up" for other in others):
                    return True
                supervisor._changed.wait()
        return False

    def _prepared(self) -> bool:
        if self.program.prepare is not None:
            self._tell("preparing")
            self.program.prepare(self._progress)
        return not self._supervisor._stopping.is_set()

    def _progress(self, message: str) -> None:
        if self._supervisor._stopping.is_set():
            raise Stopping(f"{self.program.name} was told to stop")
        if message != self.status.message:
            self._tell("preparing", message=message)

    def _keep(self) -> None:
        deaths = 0
        while not self._supervisor._stopping.is_set():
            log = self._supervisor.log(self.program.name)
            started = time.monotonic()
            try:
                why = self._live(log, started)
            except OSError as error:
                if error.errno not in DISK:
                    raise
                why = str(error)
            if self._supervisor._stopping.is_set():
                return
            deaths = 1 if time.monotonic() - started >= STEADY else deaths + 1
            message = f"{why}; {_last_line(log)} (whole log: {log})"
            self._tell("restarting", pid=None, restarts=self.status.restarts + 1, message=message)
            self._supervisor._stopping.wait(back_off(deaths))

    def _live(self, log: Path, started: float) -> str:
        """Start it, and stay until it has ended: why it did, in words."""
        with log.open("ab") as output:
            child = subprocess.Popen(
                dying_with_parent(self.program.command),
                env=dict(self.program.environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _write_pid(self._pid_file, child.pid)
            self._tell("starting", pid=child.pid, message="")
            return self._watch(child, started)
        finally:
            # Whatever the program started itself is in its process group, which is still its own:
            # the process is not reaped yet, so its id cannot have been given to another.
            _signal_group(child.pid, signal.SIGKILL)
            child.wait()
            self._pid_file.unlink(missing_ok=True)

    def _watch(self, child: "subprocess.Popen[bytes]", started: float) -> str:
        """Until the process has ended or must end: why, in words."""
        program, up, log = self.program, False, self._supervisor.log(self.program.name)
        while not self._supervisor._stopping.is_set():
            if _ended(child.pid):
                return f"ended with {_exit_words(child.pid)}"
            if not up and (program.ready is None or program.ready()):
                up = True
                self._tell("up", message="")
            if not up and time.monotonic() - started > program.ready_within:
                return f"not ready after {program.ready_within:.0f} s"
            _rotate(log)
            self._supervisor._stopping.wait(TICK)
        self._dependents_stopped()
        _signal_group(child.pid, signal.SIGTERM)
        until = time.monotonic() + program.stop_within
        while not _ended(child.pid) and time.monotonic() < until and not self._supervisor._killing.is_set():
            time.sleep(TICK)
        return "stopped"

    def _dependents_stopped(self) -> None:
        for other in self._supervisor._keepers.values():
            if self.program.name in other.program.after and other.thread.ident is not None:
                other.thread.join()

    def _tell(self, state: State, **changes: object) -> None:
        self._supervisor._tell(self, replace(self.status, state=state, **changes))  # type: ignore[arg-type]


def end_leftovers(folder: Path) -> list[str]:
    """Kill what a dead supervisor left running; returns the names. A pid that is another's by now is let be."""
    ended = []
    for path in sorted(folder.glob("*.pid")):
        pid, _, birth = path.read_text().strip().partition(" ")
        if pid.isdigit() and birth and _birth(int(pid)) == birth:
            _signal_group(int(pid), signal.SIGKILL)
            until = time.monotonic() + 10
            while _birth(int(pid)) == birth:
                if time.monotonic() > until:
                    raise PostilError(
                        f"{path.stem}, process {pid}, of an earlier run does not end: end it by hand."
                    )
                time.sleep(TICK)
            ended.append(path.stem)
        path.unlink()
    return ended


def _write_pid(path: Path, pid: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(f"{pid} {_birth(pid) or ''}")
    os.replace(draft, path)


def _birth(pid: int) -> str | None:
    """What tells this process from every other that had or will have its id: boot and start time.

    None for a process that is gone, is a zombie, or where there is no /proc. Source: proc(5), fields 3, 22.
    """
    try:
        # The second field, the program's name in brackets, may hold blanks and brackets itself.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None
    return None if fields[0] in "ZX" else f"{boot}/{fields[19]}"


def _ended(pid: int) -> bool:
    """True for a child that has ended; it is left for `Popen.wait` to reap."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _exit_words(pid: int) -> str:
    result = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    if result is None or result.si_code == os.CLD_EXITED:
        return f"status {result.si_status if result else '?'}"
    return signal.Signals(result.si_status).name


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):  # macOS answers "not permitted" for a group of zombies
        return


def _rotate(log: Path) -> None:
    """Keep a log that has grown too big as `<name>.log.1`, and empty it; a process may be writing to it.

    Copied and not renamed: the process appends to the file it has open. Lines of that moment can be lost.
    """
    if log.exists() and log.stat().st_size > LOG_BYTES:
        with suppress(OSError):  # a full disk is a reason to empty it all the more
            shutil.copyfile(log, log.with_suffix(".log.1"))
        with suppress(OSError):
            os.truncate(log, 0)


def _last_line(log: Path) -> str:
    if not log.exists():
        return "it wrote nothing"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4096))
        lines = file.read().decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "it wrote nothing"
