"""An OpenAI-compatible API on this machine that answers as a test wants it to."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Behaviour = Callable[[dict[str, Any]], tuple[int, str] | None]
"""(status, what the model says) for a request's body; None: nothing for half a minute."""


class Fake:
    """What was asked so far: headers and bodies."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.over = threading.Event()


@contextmanager
def generator(behaviour: Behaviour) -> Iterator[Fake]:
    """Serve it within the block, at `url`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            fake.keys.append(self.headers["Authorization"])
            fake.asked.append({"path": self.path, **body})
            answer = behaviour(body)
            if answer is None:
                fake.over.wait(30)
                return
            status, said = answer
            content = json.dumps({"choices": [{"message": {"role": "assistant", "content": said}}]}).encode()
            if said.startswith("RAW"):
                content = said[3:].encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake = Fake(f"http://127.0.0.1:{server.server_address[1]}/v1")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield fake
        finally:
            fake.over.set()
            server.shutdown()
            thread.join()


def away() -> str:
    """A URL where nobody listens."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        return f"http://127.0.0.1:{server.server_address[1]}/v1"


def later(seconds: float, answer: tuple[int, str]) -> tuple[int, str]:
    time.sleep(seconds)
    return answer
