"""A server that the operator allows, asked over HTTP with patience, within limits of time and size."""

import time
from typing import Any

import httpx

from service.errors import PostilError

CONNECT_S, SILENT_S, ANSWER_S = 10.0, 60.0, 180.0
"""Limits to a connection, to silence within an answer, to a whole one."""
TRIES, WAIT_S = 3, 2.0
"""Of one request where the server is away or busy; twice as long a wait each time."""
AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
ANSWER_BYTES = 1 << 20


class ServerDown(PostilError):
    """It is away, refuses, or fails for good; says so in words for people."""


class Server:
    def __init__(
        self,
        url: str,
        name: str,
        key: str | None = None,
        wait_s: float = WAIT_S,
        silent_s: float = SILENT_S,
    ) -> None:
        """`url` as `generators.allowed` gave it back; redirects are not followed. `name` is for messages."""
        self.url, self.name = url, name
        self._wait_s, self._answer_s = wait_s, min(ANSWER_S, 3 * silent_s)
        self._http = httpx.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(silent_s, connect=min(CONNECT_S, silent_s)),
            follow_redirects=False,
        )

    def ask(self, path: str, body: dict[str, Any]) -> bytes:
        """The answer to a POST, at most ANSWER_BYTES of it and a little; raises ServerDown."""
        problem = ""
        for attempt in range(TRIES):
            if attempt:
                time.sleep(self._wait_s * 2 ** (attempt - 1))
            try:
                status, answer = self._post(path, body)
            except httpx.TimeoutException:
                problem = "did not answer in time"
                continue
            except httpx.HTTPError as error:
                problem = f"cannot be reached: {error}"
                continue
            if status == 200:
                return answer
            problem = f"answered {status}"
            if status not in AGAIN:
                hint = ": is its key right?" if status in (401, 403) else ": is its URL right?"
                raise ServerDown(f"{self.name} at {self.url} {problem}{hint}")
        raise ServerDown(f"{self.name} at {self.url} {problem}, {TRIES} times: see to it, and ask again")

    def close(self) -> None:
        self._http.close()

    def _post(self, path: str, body: dict[str, Any]) -> tuple[int, bytes]:
        end, answer = time.monotonic() + self._answer_s, bytearray()
        with self._http.stream("POST", f"{self.url}{path}", json=body) as response:
            for chunk in response.iter_bytes():
                answer += chunk
                if time.monotonic() > end:
                    raise httpx.ReadTimeout("the answer takes too long")
                if len(answer) > ANSWER_BYTES:
                    break  # cut short it cannot be read, and counts as nonsense
        return response.status_code, bytes(answer)
