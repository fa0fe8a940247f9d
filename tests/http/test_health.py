import httpx
import pytest
from sqlalchemy import text

from service.doorbell import connect
from tests.http.conftest import Served


def test_a_living_process_says_so_to_anybody(served: Served) -> None:
    response = httpx.get(f"{served.url}/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok", "parts": {}})


def test_a_ready_one_names_its_parts(served: Served) -> None:
    response = httpx.get(f"{served.url}/readyz")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "parts": {"database": "ok", "redis": "ok"}}


def test_redis_that_is_away_is_told(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served.api.doorbell, "redis", connect("redis://127.0.0.1:9/0"))
    response = httpx.get(f"{served.url}/readyz", timeout=30)
    assert response.status_code == 503
    assert response.json() == {
        "status": "not ready",
        "parts": {"database": "ok", "redis": "does not answer: ConnectionError"},
    }
    # Nobody can be woken, and yet what is asked for is done: the reconciler rings again later.
    assert (
        served.post_lines(f"/v1/campaigns/{served.campaign()['id']}/pool", '{"text": "a"}').json()["added"]
        == 1
    )


def test_another_schema_is_told(served: Served) -> None:
    with served.api.database.transaction() as connection:
        newest = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        connection.execute(text("UPDATE alembic_version SET version_num = 'old'"))
    try:
        response = httpx.get(f"{served.url}/readyz")
    finally:
        with served.api.database.transaction() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :newest"), {"newest": newest})
    assert response.status_code == 503
    assert (
        response.json()["parts"]["database"]
        == f"has schema old, not {newest}: restart the API, which upgrades it"
    )
