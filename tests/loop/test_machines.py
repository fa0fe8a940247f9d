"""A campaign on several machines, one of which is cut off in the middle of a round."""

import ssl
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from service.demo.docstrings import Corpus
from service.settings import Settings
from service.stack.label_studio import LabelStudio
from service.stack.ports import LOOPBACK, free_port
from service.stack.valkey import Valkey
from service.store.database import Database
from service.store.schema import job
from tests.certificate import certificate
from tests.conftest import missing, running
from tests.host import Host, can_make_hosts
from tests.link import Link, by_way_of
from tests.loop.world import People, World, truthful, wait
from tests.objects import ObjectStore
from tests.postgresql import PostgreSQL

BUDGET = 110
PARTS = 3
WORK = ("train", "score")


@pytest.mark.timeout(900)
def test_a_campaign_on_five_machines_one_of_which_is_cut_off(
    postgresql: PostgreSQL,
    object_store: ObjectStore,
    label_studio_settings: Settings,
    docstrings: Corpus,
    model: str,
    tmp_path: Path,
) -> None:
    """Given PostgreSQL, an object store, Valkey with TLS and Label Studio, two machines with APIs and two with GPU
    workers, when the one that works at a round is cut off for longer than its lease, then the other ends that round,
    nothing is lost, and the first is of use again when it is back."""
    if not can_make_hosts():
        missing("no right to make network namespaces: run the tests as root")
    theirs = tmp_path / "servers"
    valkey = Valkey(theirs / "valkey", free_port(), "password-8412")
    studio = LabelStudio(
        label_studio_settings,
        theirs / "label-studio",
        free_port(),
        "password 8412",
        "token-of-the-administrator",
    )
    ca, key = certificate(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(ca, key)
    database_url, files_url = postgresql.empty(), object_store.new()
    with ExitStack() as opening:
        for program in (valkey.program(), studio.program()):
            opening.enter_context(running(program, theirs / program.name))
        hosts = {
            name: opening.enter_context(Host(name, tmp_path)) for name in ("api", "api-2", "gpu", "gpu-2")
        }
        port = free_port()
        url = f"http://{LOOPBACK}:{hosts['api'].shown(port)}"

        def settings(host: Host) -> tuple[Settings, dict[str, str]]:
            """Of a machine that reaches every server by a link of its own."""
            redis = host.reach("valkey", Link(valkey.port, at=host.namespace, tls=tls))
            objects = host.reach("objects", Link(object_store.port, at=host.namespace))
            mine = Settings(
                url=url,
                database_url=by_way_of(
                    database_url, host.reach("database", Link(postgresql.port, at=host.namespace))
                ),
                redis_url=by_way_of(valkey.url, redis).replace("redis://", "rediss://")
                + f"?ssl_ca_certs={ca}",
                files_url=files_url,
                label_studio_url=by_way_of(
                    studio.url, host.reach("studio", Link(studio.port, at=host.namespace))
                ),
                label_studio_token=studio.token,
                threads=1,
            )
            return mine, {**object_store.environ, "AWS_ENDPOINT": f"http://{LOOPBACK}:{objects}"}

        first, environ = settings(hosts["api"])
        hosts["api"].run(first, "api", "sync", environ=environ, port=port)
        wait((tmp_path / "api" / "token").exists, "the first token")
        own, environ = settings(hosts["api-2"])
        hosts["api-2"].run(own, "api", "cpu", environ=environ, port=port)
        for name in ("gpu", "gpu-2"):
            own, environ = settings(hosts[name])
            hosts[name].run(own, "gpu", environ=environ)

        ours = replace(first, data=str(tmp_path / "api"), label_studio_url=studio.url)
        world = World(ours, theirs / "label-studio")
        opening.callback(world.close)
        labels, pool = docstrings.labels, docstrings.pool[2000:2400]
        campaign = world.create(labels=labels, model=model, budget=BUDGET, round_size=30)
        size = len(pool) // PARTS
        for part in range(PARTS):
            world.post(
                f"/v1/campaigns/{campaign}/pool",
                [{"text": one.text} for one in pool[part * size : (part + 1) * size]],
            )
            world.wait(lambda part=part: _sealed(world, campaign) > part, "a shard")  # type: ignore[misc]
        project = world.project(campaign)
        database = Database(database_url)
        opening.callback(database.close)
        answer = truthful({one.text: one.label for one in pool}, labels)
        with People(world, project, labels, answer):
            name, work = world.wait(lambda: _at_work(database, hosts), "a machine in the midst of a round")
            hosts[name].cut_off("silent")
            world.wait(lambda: _state(database, work) == "done", "another machine to end it", 300)
            hosts[name].cut_off("open")
            world.wait(lambda: world.status(campaign)["phase"] == "budget reached", "the budget", 400)
        world.assert_nothing_lost(campaign, project)
        world.wait(lambda: world.last_round(campaign).get("labels") == BUDGET, "the last round")
        world.wait(lambda: world.last_round(campaign).get("ranked_at"), "its end")
        with database.reading() as connection:
            again = connection.execute(select(job).where(job.c.id == work)).one()
        assert again.attempts > 1
        assert not hosts[name].owns(again.owner)
        assert {one["state"] for one in world.rounds(campaign)} == {"done"}
    logs = [path.read_text(errors="replace") for path in tmp_path.glob("*/logs/*.log")]
    assert not any("DeadlockDetected" in one for one in logs)
    assert "lost its lease" in "".join(logs) or "belongs to another worker" in "".join(logs)


def _sealed(world: World, campaign: str) -> int:
    return int(world.status(campaign)["examples"]) // (400 // PARTS)


def _at_work(database: Database, hosts: dict[str, Host]) -> tuple[str, int] | None:
    """(machine, job) that is running."""
    with database.reading() as connection:
        running = connection.execute(select(job).where(job.c.state == "running", job.c.kind.in_(WORK))).all()
    return next(
        ((name, one.id) for one in running for name, host in hosts.items() if host.owns(one.owner)), None
    )


def _state(database: Database, work: int) -> str:
    with database.reading() as connection:
        return str(connection.execute(select(job.c.state).where(job.c.id == work)).scalar_one())
