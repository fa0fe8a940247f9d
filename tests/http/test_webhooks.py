import hashlib

import httpx
import pytest
from sqlalchemy import select, update

from service.store import campaigns, jobs
from service.store.database import now
from service.store.schema import campaign as campaign_table
from service.store.schema import job
from tests.http.conftest import Served, wait_for

SECRET = {"X-Postil-Secret": "s3cret"}


@pytest.fixture
def c(served: Served) -> str:
    """A campaign whose sync job is not due for as long as any job waits: later would be taken for a clock put back."""
    id_: str = served.campaign()["id"]
    with served.api.database.transaction() as connection:
        connection.execute(
            update(job).where(job.c.campaign == id_).values(not_before=now() + jobs.LONGEST_WAIT_S)
        )
        digest = hashlib.sha256(b"s3cret").hexdigest()
        campaigns.change(connection, id_, webhook_hash=digest, swept_at=5.0)
    return id_


def waits(served: Served, c: str) -> tuple[bool, float | None]:
    """(whether the sync job still waits, when deletions were last looked for)."""
    with served.api.database.reading() as connection:
        still = connection.execute(select(job.c.not_before > now()).where(job.c.campaign == c)).scalar_one()
        return bool(still), campaigns.get(connection, c).swept_at


@pytest.mark.parametrize(
    ("body", "swept_at"),
    [
        (b'{"action": "ANNOTATION_CREATED", "annotation": {"id": 1}}', 5.0),
        (b'{"action": "ANNOTATIONS_DELETED"}', None),
        (b'{"action": "TASKS_DELETED"}', None),
        (b'{"action": 3}', 5.0),
        (b"\xff{", 5.0),
        (b"", 5.0),
        (b" " * (5 << 20), 5.0),
    ],
)
def test_a_hint_makes_the_sync_job_due_and_writes_nothing_else(
    served: Served, c: str, body: bytes, swept_at: float | None
) -> None:
    assert waits(served, c) == (True, 5.0)
    response = httpx.post(f"{served.url}/webhooks/label-studio/{c}", content=body, headers=SECRET)
    assert (response.status_code, response.content) == (204, b"")
    wait_for(lambda: waits(served, c) == (False, swept_at))
    with served.api.database.reading() as connection:
        row = connection.execute(select(campaign_table.c.label_version).where(campaign_table.c.id == c)).one()
    assert row.label_version == 0
    assert served.http.get(f"/v1/campaigns/{c}/events?follow=false").json() == {"events": []}


@pytest.mark.parametrize("secret", [{}, {"X-Postil-Secret": ""}, {"X-Postil-Secret": "s3cre"}])
def test_a_wrong_secret_does_nothing(served: Served, c: str, secret: dict[str, str]) -> None:
    body = b'{"action": "TASKS_DELETED"}'
    response = httpx.post(f"{served.url}/webhooks/label-studio/{c}", content=body, headers=secret)
    assert (response.status_code, response.headers["content-type"]) == (401, "application/problem+json")
    assert waits(served, c) == (True, 5.0)


def test_who_has_no_webhook_or_is_nobody_is_no_different(served: Served) -> None:
    fresh = served.campaign()["id"]
    for c in (fresh, "nobody"):
        assert httpx.post(f"{served.url}/webhooks/label-studio/{c}", headers=SECRET).status_code == 401
