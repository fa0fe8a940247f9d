"""Verbs that run servers: the whole stack, or the API alone."""

import gc
import sys
import threading
import time
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.output import say

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from service.stack.processes import Status
    from service.stack.stack import Stack

COLOURS = {"up": "green", "failed": "bold red", "restarting": "red", "stopped": "dim"}
TOLD = ("preparing", "up", "restarting", "failed")
REPEAT_S = 10.0
SWITCH_S = 0.001
"""A thread of an upload gives way to the event loop so often; Python's own 5 ms add up where there are several."""
GARBAGE_AFTER = 20_000
"""New objects before the API looks for garbage among them; Python's own 700 make it look at all of them every second
while uploads come in."""
GRACE_S = 3
"""How long the API's open requests (event streams among them) may keep it from ending."""


def up() -> None:
    """Run everything on this machine: Valkey, Label Studio, API and workers. Ctrl-C stops it all."""
    from rich.console import Console

    from service.settings import Settings
    from service.stack.stack import Stack

    console = Console()
    with Lights(console) as lights, Stack(Settings.read()) as stack:
        try:
            stack.start(lights.take)
            say(console, addresses(stack))
            console.print("Ctrl-C stops it all.\n")
            stack.wait()
        except KeyboardInterrupt:
            pass
        console.print("Stopping …")
    console.print("Everything has stopped.")


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; that of POSTIL_URL.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; that of POSTIL_URL.")] = None,
) -> None:
    """Run the API and the dashboard alone. It needs POSTIL_REDIS_URL; workers are started apart."""
    from urllib.parse import urlsplit

    import uvicorn

    from service import logs, tracing
    from service.http.app import create_app
    from service.settings import Settings

    settings = Settings.read()
    sys.setswitchinterval(SWITCH_S)
    logs.begin(settings.log)
    tracing.begin("postil-api")
    asked = urlsplit(settings.url)
    host = host or ("127.0.0.1" if asked.hostname in (None, "localhost") else str(asked.hostname))
    app = create_app(settings)
    # Looking for garbage stops every answer: less often, and not among what is there from the beginning.
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER)
    uvicorn.run(
        app,
        host=host,
        port=port or asked.port or 8400,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=GRACE_S,
    )
    tracing.end()


class Lights:
    """The state of each program: a live line on a terminal, in the block; else a line for each change that matters."""

    def __init__(self, console: "Console") -> None:
        from rich.live import Live

        self._console = console
        self._lock = threading.Lock()
        self._states: dict[str, Status] = {}
        self._said: dict[str, tuple[str, float]] = {}
        self._lit = False
        self._live = Live(get_renderable=self.line, console=console, refresh_per_second=4)

    def __enter__(self) -> "Lights":
        if self._console.is_terminal:
            self._lit = True
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._lit:
            self._lit = False
            self._live.stop()

    def take(self, status: "Status") -> None:
        """A program's state has changed; called from any thread."""
        with self._lock:
            self._states[status.name] = status
            if self._lit or status.state not in TOLD:
                return
            # An installation tells of every package: a log wants to hear of it now and then.
            state, at = self._said.get(status.name, ("", 0.0))
            if state == status.state and time.monotonic() - at < REPEAT_S:
                return
            self._said[status.name] = (status.state, time.monotonic())
            words = f": {status.message}" if status.message else ""
            say(self._console, f"{status.name} {status.state}{words}")

    def line(self) -> "Text":
        """All programs in one line, with what there is to say of those that are not up."""
        from rich.text import Text

        with self._lock:
            states = list(self._states.values())
        parts: list[Text] = []
        for status in states:
            parts.append(Text.assemble(status.name, " ", (status.state, COLOURS.get(status.state, "yellow"))))
            if status.message and status.state != "up":
                parts[-1].append(f" ({status.message})", style="dim")
        return Text(" · ").join(parts)


def addresses(stack: "Stack") -> str:
    """What a person opens, with the log-in."""
    settings, at = stack.settings, stack.addresses()
    token = settings.token or (settings.folder / "token").read_text().strip()
    lines = [f"Dashboard     {at.api}/#token={token}", f"API           {at.api}"]
    lines.append(f"Label Studio  {at.label_studio}")
    if at.label_studio_email:
        lines.append(f"  log-in      {at.label_studio_email}")
        lines.append(f"  password    {at.label_studio_password}")
    return "\n" + "\n".join(lines) + "\n"
