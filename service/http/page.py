"""The page at `/` and its files. Its content comes over the API, by the visitor's own session."""

from functools import cache
from importlib.metadata import version
from pathlib import Path

import plotly
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

FOLDER = Path(__file__).parent / "page"
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
NAMES = {path.name: path for path in FOLDER.iterdir() if path.suffix in TYPES} | {"plotly.min.js": PLOTLY}
A_YEAR = "public, max-age=31536000, immutable"


def index() -> Response:
    """The page."""
    return _page("index.html")


def similar(c: str, key: str) -> Response:
    """A page of its own that shows labeled examples like one, to whoever is signed in."""
    return _page("similar.html")


def _page(file: str) -> Response:
    return Response(_html(file), media_type="text/html; charset=utf-8", headers={"Cache-Control": "no-cache"})


def static(name: str, request: Request) -> Response:
    """A file of the page; it may be kept for ever where its address carries its version."""
    path = NAMES.get(name)
    if path is None:
        raise HTTPException(404, f"there is no file {name!r}")
    kept = A_YEAR if "v" in request.query_params else "no-cache"
    return FileResponse(path, media_type=TYPES[path.suffix], headers={"Cache-Control": kept})


@cache
def _html(file: str) -> str:
    return versioned((FOLDER / file).read_text())


def versioned(html: str) -> str:
    """HTML whose links to files of the page carry their versions."""
    for name, path in NAMES.items():
        mark = version("plotly") if path is PLOTLY else f"{path.stat().st_mtime_ns:x}"
        html = html.replace(f"/static/{name}", f"/static/{name}?v={mark}")
    return html
