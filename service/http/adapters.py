"""Adapters: what there are, and one to take away, in PEFT's own format."""

import os
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Row
from starlette.responses import Response, StreamingResponse

from service import curve, model_card
from service.errors import NotFound
from service.http.api import Api
from service.http.schemas import Adapters, AdapterView, CurveQuery
from service.predictions import ADAPTER
from service.records import HEADLINES
from service.store import rounds

CHUNK_BYTES = 1 << 18


def list_all(api: Api, c: str) -> Adapters:
    """The adapters of all rounds that were trained, with today's headline metric."""
    with api.reading(c) as (connection, campaign):
        done = rounds.all_of(connection, campaign.id)
        known = curve.truth(connection, api.files, campaign)
        active = rounds.active(connection, campaign)
    scores = {one.number: one.exam.score(ADAPTER) for one in curve.sittings(api.files, campaign, done, known)}
    headline = HEADLINES[campaign.problem]
    return Adapters(
        [
            _view(
                api,
                row,
                headline,
                scores.get(row.number),
                active is not None and row.number == active.number,
            )
            for row in done
            if row.adapter is not None
        ]
    )


def download(api: Api, c: str, n: int) -> Response:
    """One round's adapter as a tar file: PEFT's own files, head.safetensors, postil.json, and a model card of today."""
    with api.reading(c) as (connection, campaign):
        row = rounds.get(connection, campaign.id, n)
        if row.adapter is None or not api.files.exists(row.adapter):
            raise NotFound(f"round {n} of campaign {campaign.name!r} has no adapter: it is {row.state}")
        needed, shown = curve.chosen(rounds.trained(connection, campaign.id), CurveQuery().points)
        done = rounds.some(connection, campaign.id, [*needed, n])
        truth = curve.truth(connection, api.files, campaign)
        about = model_card.known(connection, api.files, campaign, row, truth)
    learned = curve.learning(api.files, campaign, done, truth, shown | {n})
    card, files = model_card.write(about, learned).encode(), _files(api, row)
    name = f"{campaign.id}-round-{n}"
    sizes = [len(card), *(path.stat().st_size for path in files)]
    size = sum(tarfile.BLOCKSIZE + _padded(one) for one in sizes) + 2 * tarfile.BLOCKSIZE
    headers = {
        "Content-Length": str(size),
        "Content-Disposition": f'attachment; filename="{name}.tar"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(_tar(name, card, files), media_type="application/x-tar", headers=headers)


def _view(api: Api, row: Row[Any], headline: str, score: float | None, active: bool) -> AdapterView:
    return AdapterView(
        round=row.number,
        labels=row.labels,
        trained_on=(row.metrics or {}).get("trained_on"),
        headline=headline,
        score=score,
        created_at=row.started_at + row.train_seconds if row.train_seconds is not None else None,
        size_bytes=sum(path.stat().st_size for path in _files(api, row)),
        active=active,
    )


def _files(api: Api, row: Row[Any]) -> list[Path]:
    folder = api.files.path(row.adapter)
    return sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []


def _tar(folder: str, card: bytes, files: list[Path]) -> Iterator[bytes]:
    info = tarfile.TarInfo(f"{folder}/{model_card.NAME}")
    info.size, info.mtime = len(card), int(time.time())
    yield info.tobuf(tarfile.USTAR_FORMAT) + card + b"\0" * (_padded(info.size) - info.size)
    for path in files:
        with path.open("rb") as file:
            info = tarfile.TarInfo(f"{folder}/{path.name}")
            stat = os.fstat(file.fileno())
            info.size, info.mtime = stat.st_size, int(stat.st_mtime)
            yield info.tobuf(tarfile.USTAR_FORMAT)
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
            yield b"\0" * (_padded(info.size) - info.size)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)


def _padded(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
