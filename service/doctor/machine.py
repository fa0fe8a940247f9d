"""Checks of this machine: Python, packages, the data folder, ports, what imports and generators may reach."""

import importlib.util
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from service.doctor.finding import Finding, ok, warning, wrong
from service.doctor.site import Site
from service.errors import Invalid

OLDEST_PYTHON = (3, 11)
LITTLE_BYTES, TOO_LITTLE_BYTES = 5 << 30, 1 << 29
CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
"""Versions that were tested; an installed package does not have them beside it."""
SHOWN = 5
FSSPEC = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "az": "adlfs"}


def python(site: Site) -> Iterable[Finding]:
    """Python is new enough."""
    found = platform.python_version()
    if sys.version_info < OLDEST_PYTHON:
        yield wrong(f"Python {found}", "install Postil with Python 3.11 or newer")
    else:
        yield ok(f"Python {found}")


def packages(site: Site) -> Iterable[Finding]:
    """What Postil needs is installed, in versions that it works with."""
    try:
        wanted = metadata.requires("postil") or []
    except metadata.PackageNotFoundError:
        yield wrong("the package postil is not installed", "pip install -c constraints.txt -e '.[worker]'")
        return
    missing = sorted(set(_missing(wanted)))
    if missing:
        yield wrong(
            f"missing or too old: {', '.join(missing)}", "pip install -c constraints.txt -e '.[worker]'"
        )
        return
    other = list(_untested(CONSTRAINTS))
    if other:
        more = f", and {len(other) - SHOWN} more" if len(other) > SHOWN else ""
        yield warning(
            f"other versions than were tested: {', '.join(other[:SHOWN])}{more}",
            "pip install -c constraints.txt -e '.[worker]', if anything is odd",
        )
    else:
        yield ok(f"postil {metadata.version('postil')} has what it needs")


def _missing(wanted: Iterable[str]) -> Iterator[str]:
    """Requirements without an extra that are not met."""
    from packaging.requirements import Requirement

    for line in wanted:
        one = Requirement(line)
        if one.marker is not None and not one.marker.evaluate({"extra": ""}):
            continue
        try:
            if not one.specifier.contains(metadata.version(one.name), prereleases=True):
                yield str(one)
        except metadata.PackageNotFoundError:
            yield str(one)


def _untested(constraints: Path) -> Iterator[str]:
    """Installed packages of other versions than `constraints` has."""
    if not constraints.is_file():
        return
    for name, version in re.findall(r"^([\w.-]+)==(\S+)$", constraints.read_text(), re.M):
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        if found.partition("+")[0] != version.partition("+")[0]:  # 2.13.0+cpu is 2.13.0
            yield f"{name} {found}, not {version}"


def extras(site: Site) -> Iterable[Finding]:
    """The extras that the settings and workers need."""
    url = site.settings.database_url
    needed = {
        "postgresql": ("psycopg", url.startswith("postgres")),
        "bucket": ("obstore", bool(site.settings.files_url)),
    }
    for extra, (module, used) in needed.items():
        if used and importlib.util.find_spec(module) is None:
            yield wrong(f"the settings need {module}", f"pip install 'postil[{extra}]'")
    if importlib.util.find_spec("torch") is None:
        yield warning(
            "no PyTorch here, so no workers", "pip install 'postil[worker]' where workers are to run"
        )


def folder(site: Site) -> Iterable[Finding]:
    """The data folder can be written, and there is space."""
    there = site.folder
    if there.is_dir():
        try:
            with tempfile.NamedTemporaryFile(dir=there):
                pass
        except OSError as error:
            yield wrong(f"{there} cannot be written: {error.strerror}", "give it to the user who runs Postil")
            return
    above = next(path for path in (there, *there.parents) if path.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        yield wrong(f"{there} cannot be made: {above} cannot be written", "set POSTIL_DATA to another folder")
        return
    free = shutil.disk_usage(above).free
    words = f"{there} has {free / 1e9:.1f} GB of free space"
    if free < TOO_LITTLE_BYTES:
        yield wrong(words, "make space: uploads and rounds fail without")
    elif free < LITTLE_BYTES:
        yield warning(words, "make space before it is full")
    else:
        yield ok(words)


def ports(site: Site) -> Iterable[Finding]:
    """Ports that `postil up` remembers are its own programs', or free."""
    from service.stack.ports import get, is_free

    paths = {"api": "/healthz", "label-studio": "/health"}
    for name, port in site.ports.items():
        if name in paths and not is_free(port):
            answer = get(port, paths[name])
            if answer is None or answer[0] != 200:
                yield warning(
                    f"port {port}, remembered for {name}, is another program's",
                    "end that program, or start `postil up` anew: it takes another port and says which",
                )


def sources(site: Site) -> Iterable[Finding]:
    """What POSTIL_SOURCES allows can be read."""
    for prefix in re.split(r"[\s,]+", site.settings.sources):
        scheme, mark, _ = prefix.partition("://")
        if mark and scheme in FSSPEC and importlib.util.find_spec(FSSPEC[scheme]) is None:
            yield wrong(
                f"POSTIL_SOURCES has {prefix}, and no {FSSPEC[scheme]}", f"pip install {FSSPEC[scheme]}"
            )
        elif prefix and not mark and not Path(prefix).is_absolute():
            yield wrong(f"POSTIL_SOURCES has {prefix}", "name an absolute path, or a URL")
        elif prefix and not mark and not os.access(prefix, os.R_OK):
            yield warning(
                f"POSTIL_SOURCES has {prefix}, which is not here or cannot be read",
                "see that the workers can read it, and the API",
            )


def generators(site: Site) -> Iterable[Finding]:
    """What POSTIL_GENERATORS allows is a URL, and its key is there."""
    from service.generators import allowed

    for prefix in re.split(r"[\s,]+", site.settings.generators):
        if not prefix:
            continue
        try:
            _, variable = allowed(prefix.partition("#")[0], prefix)
        except Invalid as error:
            yield wrong(f"POSTIL_GENERATORS: {error}", "mend that URL")
            continue
        if variable and not os.environ.get(variable):
            yield warning(
                f"POSTIL_GENERATORS names {variable}, which is not set here", "set it where workers run"
            )
