"""The doctor: examines an installation part by part, whatever is missing of it, and changes nothing."""

from collections.abc import Iterator, Mapping

from service.doctor import machine, parts
from service.doctor.finding import Check, Finding, wrong
from service.doctor.site import Site
from service.errors import Invalid
from service.settings import Settings

INSTALL = "pip install -c constraints.txt -e '.[worker]'"
CHECKS: dict[str, Check] = {
    "python": machine.python,
    "packages": machine.packages,
    "extras": machine.extras,
    "data folder": machine.folder,
    "ports": machine.ports,
    "sources": machine.sources,
    "generators": machine.generators,
    "redis": parts.redis,
    "database": parts.database,
    "files": parts.files,
    "api": parts.api,
    "token": parts.token,
    "workers": parts.workers,
    "clocks": parts.clocks,
    "models": parts.models,
}


def examine(environ: Mapping[str, str] | None = None) -> Iterator[tuple[str, Finding]]:
    """(check, finding) as they are found, of the installation that `environ` names (default: this process')."""
    try:
        site = Site.find(Settings.read(environ))
    except Invalid as error:
        yield "settings", wrong(str(error), f"mend {error.field or 'it'}")
        return
    except ImportError as error:
        yield "packages", _lacks(error)
        return
    for name, check in {**CHECKS, **_studio()}.items():
        try:
            for finding in check(site):
                yield name, finding
        except ImportError as error:
            yield name, _lacks(error)
        except Exception as error:  # noqa: BLE001 - one part that fails in a new way must not hide the others
            yield name, wrong(f"{type(error).__name__}: {' '.join(str(error).split())}", "see the logs")


def _lacks(error: ImportError) -> Finding:
    return wrong(f"the package {(error.name or str(error)).partition('.')[0]} is missing", INSTALL)


def _studio() -> dict[str, Check]:
    """Checks that need packages as they are read."""
    try:
        from service.doctor import studio
    except ImportError:
        return {}
    return {
        "label studio": studio.server,
        "label studio's token": studio.token,
        "way back": studio.way_back,
        "projects": studio.projects,
    }
