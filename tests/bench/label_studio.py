"""Label Studio beside two people who answer as fast as they can: how long imports, predictions and deletions take.

    python -m tests.bench.label_studio [--plain] [--seconds 50]

With --plain the server is started by its own command, whose transactions on SQLite begin as readers; without, as
`postil up` starts it. The installed Label Studio is that of `make test`, or of POSTIL_LABEL_STUDIO_VENV.
"""

import argparse
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from service.label_studio.annotator import Annotator, invite
from service.label_studio.client import Client
from service.label_studio.problems import problem
from service.label_studio.tasks import NewPrediction, NewTask
from service.settings import Settings
from service.stack.label_studio import LabelStudio
from service.stack.ports import free_port
from service.stack.processes import Supervisor

PEOPLE, OPEN, IMPORTED, DELETED = 2, 400, 30, 10
Value = TypeVar("Value")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--seconds", type=float, default=50.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = LabelStudio(
            Settings.read(), Path(folder) / "data", free_port(), "password 8412", "token-0123"
        )
        program = server.program()
        if arguments.plain:
            program = replace(
                program, command=[str(server.venv / "bin" / "label-studio"), *program.command[3:]]
            )
        supervisor = Supervisor([program], Path(folder))
        try:
            supervisor.start()
            supervisor.wait_up([program.name], 300)
            with Client(server.url, server.token) as client:
                measure(client, arguments.seconds)
        finally:
            supervisor.stop()


def measure(client: Client, seconds: float) -> None:
    asks = problem("single_label", [f"label {at}" for at in range(77)])
    project = client.ensure_project("Bench", asks.label_config(), "", "bench")
    taken: defaultdict[str, list[float]] = defaultdict(list)
    over = threading.Event()

    def timed(name: str, call: Callable[[], Value]) -> Value:
        started = time.monotonic()
        value = call()
        taken[name].append(time.monotonic() - started)
        return value

    def tasks(first: int, count: int) -> list[NewTask]:
        shown = asks.to_result("label 1", 0.5)
        return [
            NewTask({"text": f"text {at} " * 8, "ext_id": f"0-{at}"}, "r0", at * 1e-6, shown)
            for at in range(first, first + count)
        ]

    def answer(token: str) -> None:
        with Annotator(client.url, token) as annotator:
            while not over.is_set():
                task = timed("next", lambda: annotator.next(project))
                if task is not None:
                    timed("submit", lambda: annotator.submit(task, asks.to_result("label 2"), 1.0))  # noqa: B023

    client.import_tasks(project, tasks(0, OPEN))
    tokens = [invite(client, f"person-{at}@postil.test", "long enough 8412") for at in range(PEOPLE)]
    people = [threading.Thread(target=answer, args=(token,)) for token in tokens]
    for person in people:
        person.start()
    made, until = OPEN, time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(1.5)
        new = tasks(made, IMPORTED)
        ids = timed("import", lambda: client.import_tasks(project, new))  # noqa: B023
        made += IMPORTED
        rows = [NewPrediction(id_, 0.5, asks.to_result("label 3", 0.4)) for id_ in ids]
        timed("predictions", lambda: client.add_predictions(project, rows, f"r{made}"))  # noqa: B023
        timed("deletion", lambda: client.delete_unstarted(project, ids[-DELETED:]))  # noqa: B023
    over.set()
    for person in people:
        person.join()
    for name, values in taken.items():
        median, p95, most = np.quantile(values, [0.5, 0.95, 1.0])
        print(f"{name}: {len(values)}, median {median:.2f} s, p95 {p95:.2f} s, longest {most:.2f} s")


if __name__ == "__main__":
    main()
