"""What takes long to compute is at hand before somebody asks for it."""

import anyio
import pytest

from service.http import rounds
from service.http.api import Api
from service.http.warming import warm
from tests.http.conftest import Served, fill
from tests.http.test_maps import drawn


def test_all_that_is_kept_is_there(served: Served) -> None:
    c = fill(served, "to be warmed")
    served.http.post(f"/v1/campaigns/{c}/map").raise_for_status()
    drawn(served, c)
    api = Api(served.settings)
    anyio.run(warm, api)
    for kept in (api.curves, api.groups, api.people, api.disagreements, api.maps):
        assert c in kept._held
    api.close()


def test_one_that_cannot_be_computed_is_left_to_who_asks(
    served: Served, filled: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(api: Api, c: str, *rest: object) -> None:
        if c == filled:
            raise OSError("the disk is gone")

    monkeypatch.setattr(rounds, "by_group", fail)
    api = Api(served.settings)
    anyio.run(warm, api)
    assert f"campaign {filled}: the disk is gone" in caplog.text
    assert filled not in api.people._held
    api.close()
