"""The supervisor with real processes; the tests wait for what must happen, never for an amount of time."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.errors import PostilError
from service.stack import processes
from service.stack.processes import Program, Status, Stopping, Supervisor, back_off, end_leftovers
from tests.chaos import disk
from tests.conftest import missing


def program(name: str, code: str, **options: object) -> Program:
    return Program(name, [sys.executable, "-c", code], dict(os.environ), **options)  # type: ignore[arg-type]


SLEEP = "import time; time.sleep(600)"


def until(happened: Callable[[], object]) -> None:
    for _ in range(600):
        if happened():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen within 30 s")


def alive(pid: int) -> bool:
    return processes._birth(pid) is not None


class Run:
    """A supervisor and every status it told of."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told: list[Status] = []
        self.supervisor: Supervisor | None = None

    def start(self, *programs: Program) -> Supervisor:
        self.supervisor = Supervisor(programs, self.folder, self.told.append)
        self.supervisor.start()
        return self.supervisor


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(tmp_path)
    yield run
    if run.supervisor is not None:
        run.supervisor.stop()


def test_back_off_doubles_from_half_a_second_to_ten() -> None:
    assert [back_off(deaths) for deaths in range(1, 8)] == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert back_off(10_000) == 10.0


def test_a_program_runs_and_its_output_is_logged(run: Run) -> None:
    supervisor = run.start(
        program("talk", "import sys; print('out'); print('err', file=sys.stderr); " + SLEEP)
    )
    supervisor.wait_up(["talk"], 30)
    until(lambda: "err" in supervisor.log("talk").read_text())
    status = supervisor.states()["talk"]
    assert status.pid is not None
    assert alive(status.pid)
    supervisor.stop()
    assert not alive(status.pid)
    assert not list((run.folder / "run").iterdir())
    assert [status.state for status in run.told] == ["starting", "up", "stopped"]


def test_a_killed_program_comes_back(run: Run) -> None:
    supervisor = run.start(program("worker", SLEEP))
    supervisor.wait_up(["worker"], 30)
    first = supervisor.states()["worker"].pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    until(lambda: supervisor.states()["worker"].restarts == 1 and supervisor.states()["worker"].state == "up")
    second = supervisor.states()["worker"].pid
    assert second is not None
    assert second != first
    told = next(status for status in run.told if status.state == "restarting")
    assert told.message.startswith("ended with SIGKILL; it wrote nothing")


def test_a_program_comes_back_once_a_full_disk_has_room(run: Run, tmp_path: Path) -> None:
    """Given a disk without room even for a process' id, then the supervisor goes on trying."""
    if not disk.can_mount():
        missing("no right to mount a disk: run the tests as root")
    with disk.mounted(tmp_path, 2**20):
        supervisor = run.start(program("worker", SLEEP))
        supervisor.wait_up(["worker"], 30)
        first = supervisor.states()["worker"].pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        until(lambda: supervisor.states()["worker"].state == "restarting")
        disk.fill(tmp_path)
        until(lambda: supervisor.states()["worker"].restarts >= 2)
        assert "No space left" in supervisor.states()["worker"].message
        disk.empty(tmp_path)
        supervisor.wait_up(["worker"], 30, deaths=100)
        supervisor.stop()


def test_what_a_program_started_itself_ends_with_it(run: Run, tmp_path: Path) -> None:
    note = tmp_path / "grandchild"
    code = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', {SLEEP!r}])\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(600)\n"
    )
    supervisor = run.start(program("parent", code))
    until(lambda: note.exists() and note.read_text())
    grandchild = int(note.read_text())
    parent = supervisor.states()["parent"].pid
    assert parent is not None
    os.kill(parent, signal.SIGKILL)
    until(lambda: not alive(grandchild))


def test_programs_start_after_those_they_need_and_stop_before_them(run: Run, tmp_path: Path) -> None:
    door = tmp_path / "open"
    stops = tmp_path / "stops"
    code = (
        "import signal, sys, time\n"
        "def stop(number, frame):\n"
        f"    open({str(stops)!r}, 'a').write(sys.argv[1] + ' ')\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, stop)\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    supervisor = Supervisor(
        [
            Program("store", [sys.executable, "-c", code, "store"], os.environ, ready=door.exists),
            Program("api", [sys.executable, "-c", code, "api"], os.environ, after=("store",)),
            Program("worker", [sys.executable, "-c", code, "worker"], os.environ, after=("api",)),
        ],
        run.folder,
        run.told.append,
    )
    run.supervisor = supervisor
    supervisor.start()
    until(lambda: supervisor.states()["store"].state == "starting")
    assert supervisor.states()["api"].state == "waiting"
    door.touch()
    supervisor.wait_up(["worker"], 30)
    names = ("store", "api", "worker")
    until(lambda: all("ready" in supervisor.log(name).read_text() for name in names))
    supervisor.stop()
    assert stops.read_text().split() == ["worker", "api", "store"]


def test_a_program_deaf_to_sigterm_is_killed(run: Run) -> None:
    deaf = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )
    supervisor = run.start(program("deaf", deaf, stop_within=0.2))
    until(lambda: supervisor.log("deaf").exists() and "deaf" in supervisor.log("deaf").read_text())
    pid = supervisor.states()["deaf"].pid
    assert pid is not None
    supervisor.stop()
    assert not alive(pid)


def test_a_program_that_never_gets_ready_is_started_again(run: Run) -> None:
    supervisor = run.start(program("slow", SLEEP, ready=lambda: False, ready_within=0.1))
    until(lambda: supervisor.states()["slow"].restarts == 1)
    told = next(status for status in run.told if status.state == "restarting")
    assert told.message.startswith("not ready after 0 s")


def test_waiting_for_a_program_that_keeps_dying_tells_its_last_words(run: Run) -> None:
    supervisor = run.start(program("broken", "raise SystemExit('no such table')", ready=lambda: False))
    with pytest.raises(PostilError, match="broken does not start: ended with status 1; no such table"):
        supervisor.wait_up(["broken"], 60)


def test_a_final_refusal_ends_the_program_and_what_needs_it(run: Run) -> None:
    def refuse() -> bool:
        raise PostilError("the token is wrong")

    supervisor = run.start(
        program("server", SLEEP, ready=refuse), program("client", SLEEP, after=("server",))
    )
    with pytest.raises(PostilError, match="server does not start: the token is wrong"):
        supervisor.wait_up(["server"], 30)
    with pytest.raises(PostilError, match="needs server, which failed"):
        supervisor.wait_up(["client"], 30)


def test_preparation_tells_how_far_it_is_and_ends_when_told_to_stop(run: Run) -> None:
    halfway = threading.Event()
    ended = threading.Event()

    def prepare(progress: Callable[[str], None]) -> None:
        try:
            while True:
                progress("half of it")
                halfway.set()
        except Stopping:
            ended.set()
            raise

    supervisor = run.start(program("big", SLEEP, prepare=prepare))
    assert halfway.wait(30)
    supervisor.stop()
    assert ended.is_set()
    assert [(status.state, status.message) for status in run.told] == [
        ("preparing", ""),
        ("preparing", "half of it"),
        ("stopped", ""),
    ]


def test_stop_before_start_and_twice(run: Run) -> None:
    supervisor = Supervisor([program("never", SLEEP)], run.folder)
    supervisor.stop()
    supervisor.stop()
    assert supervisor.states()["never"].state == "waiting"


def test_an_unknown_need_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PostilError, match="api starts after store, which is not started"):
        Supervisor([program("api", SLEEP, after=("store",))], tmp_path)


def test_a_big_log_is_set_aside_while_its_program_runs(run: Run, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    code = (
        "import pathlib, time\n"
        f"print('x' * {processes.LOG_BYTES + 1}, flush=True)\n"
        f"while not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.05)\n"
        "print('new', flush=True)\n"
        "time.sleep(600)\n"
    )
    supervisor = run.start(program("talk", code))
    aside = run.folder / "logs" / "talk.log.1"
    until(lambda: aside.exists() and supervisor.log("talk").stat().st_size == 0)
    gate.touch()
    until(lambda: supervisor.log("talk").read_text() == "new\n")
    assert set(aside.read_text()) == {"x", "\n"}


SUPERVISE = """
import sys, time
from pathlib import Path
from service.stack.processes import Program, Supervisor
command = [sys.executable, "-c", "import time; time.sleep(600)"]
supervisor = Supervisor([Program("worker", command, {})], Path(sys.argv[1]))
supervisor.start()
supervisor.wait_up(["worker"], 30)
print(supervisor.states()["worker"].pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills children with their parent")
def test_children_die_with_a_killed_supervisor_and_the_next_one_starts(run: Run) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISE, str(run.folder)], stdout=subprocess.PIPE, text=True
    ) as supervisor:
        assert supervisor.stdout is not None
        worker = int(supervisor.stdout.readline())
        assert alive(worker)
        supervisor.kill()
    until(lambda: not alive(worker))
    assert (run.folder / "run" / "worker.pid").exists()
    run.start(program("worker", SLEEP)).wait_up(["worker"], 30)


def test_leftovers_are_killed_and_strangers_are_not(tmp_path: Path) -> None:
    with (
        subprocess.Popen([sys.executable, "-c", SLEEP], start_new_session=True) as leftover,
        subprocess.Popen([sys.executable, "-c", SLEEP], start_new_session=True) as stranger,
    ):
        processes._write_pid(tmp_path / "worker.pid", leftover.pid)
        # The file of a process whose id the stranger has now.
        (tmp_path / "api.pid").write_text(f"{stranger.pid} 00000000-0000-0000-0000-000000000000/1")
        (tmp_path / "gone.pid").write_text("999999999 boot/1")
        (tmp_path / "damaged.pid").write_text("")
        assert end_leftovers(tmp_path) == ["worker"]
        assert leftover.wait(30) == -signal.SIGKILL
        assert stranger.poll() is None
        assert not list(tmp_path.iterdir())
        stranger.kill()
