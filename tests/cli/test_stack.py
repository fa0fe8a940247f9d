"""The state of programs, and `postil up` itself."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from service.cli.stack import Lights
from service.stack.processes import Status

ROOT = Path(__file__).parents[2]


def test_a_log_gets_a_line_for_each_change_that_matters() -> None:
    file = io.StringIO()
    with Lights(Console(file=file, width=40)) as lights:
        lights.take(Status("studio", "preparing", message="3 of 130 packages, and some more words [/x]"))
        lights.take(Status("studio", "preparing", message="4 of 130 packages"))
        lights.take(Status("studio", "starting"))
        lights.take(Status("studio", "up"))
        lights.take(Status("api", "restarting", message="ended with SIGKILL"))
        lights.take(Status("api", "stopped"))
    assert file.getvalue().splitlines() == [
        "studio preparing: 3 of 130 packages, and some more words [/x]",
        "studio up",
        "api restarting: ended with SIGKILL",
    ]


def test_a_terminal_has_one_live_line() -> None:
    file = io.StringIO()
    with Lights(Console(file=file, width=100, force_terminal=True, color_system=None)) as lights:
        lights.take(Status("valkey", "up"))
        lights.take(Status("studio", "preparing", message="4 of 130 packages"))
        lights.take(Status("api", "up", message="old words"))
        assert lights.line().plain == "valkey up · studio preparing (4 of 130 packages) · api up"
    assert "studio preparing (4 of 130 packages)" in file.getvalue()


def test_up_prints_the_addresses_and_ends_cleanly_on_ctrl_c(tmp_path: Path) -> None:
    rest = {name: value for name, value in os.environ.items() if not name.startswith("POSTIL_")}
    ours = {
        "POSTIL_DATA": str(tmp_path),
        "POSTIL_URL": "http://127.0.0.1:0",
        "POSTIL_LABEL_STUDIO_URL": "http://127.0.0.1:9",
        "POSTIL_LABEL_STUDIO_TOKEN": "no token at all",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "service.cli.main", "up"], stdout=subprocess.PIPE, env=rest | ours, text=True
    ) as up:
        assert up.stdout is not None
        lines = []
        for line in up.stdout:
            lines.append(line.rstrip())
            if line.startswith("Ctrl-C"):
                break
        up.send_signal(signal.SIGINT)
        lines += [line.rstrip() for line in up.stdout]
    token = (tmp_path / "token").read_text().strip()
    page = next(line for line in lines if line.startswith("Dashboard"))
    assert page.endswith(f"/#token={token}")
    assert "Label Studio  http://127.0.0.1:9" in lines
    assert "Stopping …" in lines
    assert lines[-1] == "Everything has stopped."
    assert up.returncode == 0
    assert not list((tmp_path / "run").iterdir())
