"""The short form of `make fuzz`: schemathesis on every route."""

from pathlib import Path

from service.settings import Settings
from tests.fuzz import routes
from tests.server import serving

SECONDS = 20


def test_no_request_meets_an_error_that_nobody_foresaw(tmp_path: Path) -> None:
    """Given requests that fit the API's description and such as do not, then every answer is one that it describes."""
    with serving(tmp_path / "api", Settings(rate=0)) as server:
        assert routes.fuzz(server, SECONDS, seed=1) == ""
        assert server.unforeseen == []
        assert server.served.http.get("/v1/campaigns/filled").status_code == 200
