"""No secret of the running stack stands where others read: logs, database, exports, metrics, arguments of processes."""

import json
import re
import sqlite3
from pathlib import Path

from service.demo.docstrings import Corpus
from tests.loop.world import World


def secrets_of(world: World) -> list[str]:
    folder = Path(world.settings.data)
    found = [*json.loads((folder / "secrets.json").read_text()).values(), world.settings.label_studio_token]
    found.append((folder / "token").read_text().strip())
    with sqlite3.connect(
        f"file:{world.studio / 'label_studio.sqlite3'}?mode=ro", uri=True, timeout=30
    ) as connection:
        for (headers,) in connection.execute("SELECT headers FROM webhook"):
            found += json.loads(headers).values()
    assert len(set(found)) >= 5
    assert all(len(secret) >= 20 for secret in found)
    return found


def test_secrets_stay_secret(world: World, docstrings: Corpus, model: str) -> None:
    campaign = world.create(labels=docstrings.labels, model=model)
    world.post(f"/v1/campaigns/{campaign}/pool", [{"text": one.text} for one in docstrings.pool[1200:1250]])
    world.project(campaign)
    world.api.get("/v1/campaigns", headers={"Authorization": f"Bearer {world.settings.label_studio_token}"})
    folder = Path(world.settings.data)
    said = {str(path): path.read_bytes() for path in (folder / "logs").rglob("*") if path.is_file()}
    for name in ("postil.sqlite", "postil.sqlite-wal"):
        said[name] = (folder / name).read_bytes()
    for path in (f"/v1/campaigns/{campaign}", f"/v1/campaigns/{campaign}/jobs", "/v1/tokens", "/metrics"):
        said[path] = world.api.get(path).content
    for what in ("labels", "annotations"):
        said[what] = world.api.get(f"/v1/campaigns/{campaign}/export?what={what}").content
    said[f"{campaign}'s events"] = world.api.get(f"/v1/campaigns/{campaign}/events?follow=false").content
    pids = {status.pid for status in world.stack.states().values() if status.pid}
    said |= {f"arguments of {pid}": Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids}

    found = [
        (name, secret[:4])
        for secret in secrets_of(world)
        for name, text in said.items()
        if secret.encode() in text
    ]

    assert len(said) > 12
    assert found == []
    private = [path for path in (folder / "secrets.json", folder / "token") if path.stat().st_mode & 0o077]
    assert private == []
    assert re.search(
        rb"[0-9a-f]{64}", said["postil.sqlite"] + said["postil.sqlite-wal"]
    )  # hashes do stand there
