"""Checks of the parts that an installation is made of: Redis, the database, the files, the API, the workers, clocks."""

import sqlite3
import time
import uuid
from collections.abc import Iterable

from service.doctor.finding import Finding, ok, warning, wrong
from service.doctor.site import Site, is_local
from service.errors import FilesUnavailable, Invalid

OLDEST_REDIS = (6, 2)
OLDEST_SQLITE = (3, 35, 0)
"""The first with RETURNING."""
SKEW_S = 10.0


def redis(site: Site) -> Iterable[Finding]:
    """Redis answers to its password, is new enough, and may be written."""
    from redis.exceptions import AuthenticationError, ConnectionError, RedisError

    from service.doorbell import connect

    url = site.settings.redis_url
    if not url:
        yield wrong(
            "POSTIL_REDIS_URL is empty, and `postil up` never ran in this data folder",
            f"set it, or {site.start}",
        )
        return
    try:
        client = connect(url)
    except ValueError as error:
        yield wrong(f"POSTIL_REDIS_URL is no URL of Redis: {error}", "redis://:password@host:6379/0")
        return
    where = client.connection_pool.connection_kwargs
    name = f"Redis at {where.get('host', where.get('path'))}:{where.get('port', '')}".rstrip(":")
    mend = site.start if "redis" in site.embedded else "mend POSTIL_REDIS_URL, or start that server"
    with client:
        try:
            info = client.info()
            client.set(key := f"postil-doctor:{uuid.uuid4().hex}", "", ex=10)
            client.delete(key)
        except AuthenticationError as error:
            yield wrong(f"{name} refuses the password: {error}", "put the right one into POSTIL_REDIS_URL")
        except ConnectionError as error:
            if "certificate" in str(error).lower() or "SSL" in str(error):
                yield wrong(f"{name}, TLS: {error}", "rediss://…?ssl_ca_certs=FILE with its authority's file")
            elif url.startswith("redis://") and "closed" in str(error).lower():
                yield wrong(f"{name} hangs up: {error}", "if it wants TLS, write rediss:// for redis://")
            else:
                yield wrong(f"{name} does not answer: {error}", mend)
        except RedisError as error:
            yield wrong(f"{name} refuses: {error}", "Postil needs a server that it may write to")
        else:
            yield _version(name, info)


def _version(name: str, info: dict[str, object]) -> Finding:
    kind = "Valkey" if info.get("server_name") == "valkey" else "Redis"
    said = str(info.get("valkey_version") or info["redis_version"])
    # Valkey says as redis_version which Redis it is like.
    like = tuple(int(part) for part in str(info["redis_version"]).split(".")[:2])
    if like < OLDEST_REDIS:
        return wrong(f"{name} is {kind} {said}", "Postil needs Redis 6.2, Valkey, or newer")
    return ok(f"{name} is {kind} {said}")


def database(site: Site) -> Iterable[Finding]:
    """The database answers, and has the newest schema."""
    from sqlalchemy.exc import SQLAlchemyError

    if site.sqlite is not None:
        found = _sqlite(site)
        if found is not None:
            yield found
            return
    try:
        with site.database() as database:
            yield _schema(database.name, database.revision())
    except Invalid as error:
        yield wrong(str(error), "mend POSTIL_DATABASE_URL")
    except SQLAlchemyError as error:
        words = " ".join(str(getattr(error, "orig", None) or error).split())
        yield wrong(f"the database does not answer: {words}", "mend POSTIL_DATABASE_URL, or start the server")


def _sqlite(site: Site) -> Finding | None:
    """What is wrong with the file; None: nothing."""
    assert site.sqlite is not None
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        return wrong(f"SQLite {sqlite3.sqlite_version}", "use a Python with SQLite 3.35 or newer")
    if not site.sqlite.is_file():
        return warning(f"no database at {site.sqlite} yet", f"the API makes it: {site.start}")
    try:
        with sqlite3.connect(f"file:{site.sqlite}?mode=ro", uri=True, timeout=10) as connection:
            mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
        connection.close()
    except sqlite3.Error as error:
        return wrong(
            f"{site.sqlite} cannot be read: {error}", "bring it back from a backup: `postil restore`"
        )
    if mode != "wal":
        return wrong(
            f"{site.sqlite} keeps no write-ahead log (journal mode {mode})",
            "put POSTIL_DATA on a disk of this machine: network drives often cannot",
        )
    return None


def _schema(name: str, revision: str | None) -> Finding:
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError

    from service.store import migrations

    script = ScriptDirectory(str(next(iter(migrations.__path__))))
    newest = script.get_current_head()
    if revision == newest:
        return ok(f"{name} has the newest schema, {newest}")
    try:
        known = revision is None or script.get_revision(revision) is not None
    except CommandError:
        known = False
    if known:
        return wrong(f"{name} has schema {revision}, not {newest}", "start the API anew: it upgrades it")
    return wrong(
        f"{name} has schema {revision}, which a newer Postil made", "install that version here as well"
    )


def files(site: Site) -> Iterable[Finding]:
    """The object store takes a file and gives it back."""
    url = site.settings.files_url
    if not url:
        return
    from service.files import Files

    name = f"passing/doctor-{uuid.uuid4().hex}"
    try:
        files = Files(site.settings.files, url)
        with files.new(name) as folder:
            (folder / "trial").write_bytes(b"trial")
        files.remove(name)
    except (Invalid, FilesUnavailable, OSError) as error:
        yield wrong(f"POSTIL_FILES_URL: {error}", "mend the URL, the keys (AWS_…) or the store")
    else:
        yield ok(f"files are kept at {url}")


def api(site: Site) -> Iterable[Finding]:
    """The API answers, and all that it needs."""
    import httpx

    url = site.settings.url
    try:
        answer = httpx.get(f"{url}/readyz", timeout=10, trust_env=not is_local(url))
        parts = answer.json()["parts"]
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        yield wrong(
            f"no API answers at {url} ({error})", f"{site.start}, or `postil serve`, or mend POSTIL_URL"
        )
    except (ValueError, KeyError, TypeError):
        yield wrong(f"what answers at {url} is not Postil's API", "mend POSTIL_URL, or end that program")
    else:
        bad = [f"{part} {words}" for part, words in parts.items() if words != "ok"]
        yield wrong(f"the API at {url}: {', '.join(bad)}", "see its log") if bad else ok(f"the API at {url}")


def token(site: Site) -> Iterable[Finding]:
    """The command line's token is known to the API."""
    import httpx

    path = site.folder / "token"
    token = site.settings.token or (path.read_text().strip() if path.is_file() else "")
    where = "POSTIL_TOKEN" if site.settings.token else f"the file {path}"
    if not token:
        yield wrong(f"no token: POSTIL_TOKEN is empty and there is no {path}", "ask an admin for one")
        return
    try:
        answer = httpx.get(
            f"{site.settings.url}/v1/session",
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
            trust_env=not is_local(site.settings.url),
        )
        said = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return  # the API's own check says so
    if answer.status_code == 401:
        yield wrong(
            f"the API does not know the token in {where}", "ask an admin for one: `postil token create`"
        )
    elif answer.status_code != 200:
        yield warning(f"the API says {answer.status_code} to the token in {where}", "try again in a minute")
    elif said.get("access") == "viewer":
        yield warning(f"the token in {where} may only read", "an engineer's changes campaigns, too")
    else:
        yield ok(f"the token in {where} is one of {said.get('name')!r}, {said.get('access')}")


def workers(site: Site) -> Iterable[Finding]:
    """Every queue has a worker."""
    from redis.exceptions import RedisError

    from service.doorbell import QUEUES, Doorbell

    if not site.settings.redis_url:
        return
    try:
        doorbell = Doorbell(site.settings.redis_url)
        doorbell.redis.ping()
    except (RedisError, ValueError):
        return
    counts = {queue: doorbell.workers(queue) for queue in QUEUES}
    doorbell.redis.close()
    idle = [queue for queue, count in counts.items() if not count]
    if idle:
        verbs = ", ".join(f"`postil worker {queue}`" for queue in idle)
        yield wrong(f"no worker for {', '.join(idle)}", f"{site.start}, or {verbs}; and see their logs")
    else:
        yield ok(f"workers: {', '.join(f'{count} {queue}' for queue, count in counts.items())}")


def clocks(site: Site) -> Iterable[Finding]:
    """This machine's clock goes with those of Redis and the database."""
    from redis.exceptions import RedisError
    from sqlalchemy.exc import SQLAlchemyError

    from service.doorbell import connect
    from service.store.database import clock

    apart = {}
    try:
        with connect(site.settings.redis_url) as client:
            seconds, micro = client.time()
            apart["Redis"] = seconds + micro / 1e6 - time.time()
    except (RedisError, ValueError):
        pass
    if site.sqlite is None:
        try:
            with site.database() as database, database.reading() as connection:
                apart["the database"] = clock(connection) - time.time()
        except (SQLAlchemyError, Invalid):
            pass
    for name, skew in apart.items():
        if abs(skew) > SKEW_S:
            yield warning(
                f"the clock of {name} is {abs(skew):.0f} s {'before' if skew > 0 else 'behind'} this machine's",
                "let both be set by a time server (NTP)",
            )
    if apart and all(abs(skew) <= SKEW_S for skew in apart.values()):
        yield ok("clocks go together")


def models(site: Site) -> Iterable[Finding]:
    """The campaigns' models can be loaded here."""
    import importlib
    import importlib.util

    if importlib.util.find_spec("torch") is None:
        return
    names = sorted({campaign.model for campaign in site.campaigns()})
    if not names:
        return
    loadable = importlib.import_module("workers.loadable")  # by its name: the service never imports workers
    for name in names:
        problem = loadable.problem(name)
        yield wrong(problem, "see that the workers can load it") if problem else ok(f"the model {name} loads")
