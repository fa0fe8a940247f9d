"""Every route, from the API's own description: schemathesis makes requests that fit it, and some that do not."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.http.conftest import fill
from tests.server import Server

ROOT = Path(__file__).parent.parent.parent
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "negative_data_rejection",
    "allow_header_conformance",
    "use_after_free",
    "ensure_resource_availability",
)
LOG = "schemathesis.log"
TIMEOUT_S = 20.0
"""An answer that takes longer is a hang."""


def fuzz(server: Server, seconds: int, seed: int) -> str:
    """For `seconds`; the report of what was found wrong, empty where nothing was.

    A filled and an empty campaign are there to be asked for; the token numbers that are tried leave out ours,
    and what deletes campaigns has a token for others alone. There is neither a scorer nor a Label Studio: 503 says so.
    """
    campaigns = ["filled", fill(server.served, "filled"), server.served.campaign(name="empty")["id"]]
    spare = [server.served.campaign(name=f"spare {at}")["id"] for at in range(20)]
    issued = {"name": "deletes", "access": "engineer", "campaigns": spare}
    deletes = server.served.http.post("/v1/tokens", json=issued).json()["token"]
    settings = server.folder / "schemathesis.toml"
    settings.write_text(
        f"""
[headers]
Authorization = "Bearer {server.served.token}"
[dictionaries.campaigns]
values = {json.dumps(campaigns)}
[dictionaries.spare]
values = {json.dumps(spare)}
[dictionaries.numbers]
values = [3, 4, 5, 6]
[parameters]
"path.c" = {{ dictionary = "campaigns", probability = 0.8 }}
"path.n" = {{ dictionary = "numbers", probability = 0.8 }}
"path.token_id" = {{ dictionary = "numbers", probability = 1.0 }}
[[operations]]
include-path = "/v1/campaigns/{{c}}"
include-method = "DELETE"
headers = {{ Authorization = "Bearer {deletes}" }}
parameters = {{ "path.c" = {{ dictionary = "spare", probability = 0.8 }} }}
[[operations]]
include-path = "/v1/campaigns/{{c}}/predict"
[operations.checks]
not_a_server_error.expected-statuses = ["2XX", "4XX", 503]
[[operations]]
include-path = "/v1/campaigns"
include-method = "POST"
[operations.checks]
not_a_server_error.expected-statuses = ["2XX", "4XX", 503]
""",
        "utf-8",
    )
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings), "run"]
    command += [f"{server.served.url}/openapi.json", "--max-time", str(seconds), "--seed", str(seed)]
    command += ["--checks", ",".join(CHECKS), "--request-timeout", str(TIMEOUT_S), "--continue-on-failure"]
    command += ["--no-color", "--warnings", "off"]
    environ = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.fuzz.media", "PYTHONPATH": str(ROOT)}
    with (server.folder / LOG).open("wb") as log:
        ended = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, cwd=server.folder, env=environ)
    return _told(server.folder) if ended.returncode else ""


def summary(folder: Path) -> str:
    """The last lines of the report: how many cases there were."""
    return _told(folder).rpartition("Test cases:")[2].strip()


def _told(folder: Path) -> str:
    return (folder / LOG).read_text("utf-8", "replace")
