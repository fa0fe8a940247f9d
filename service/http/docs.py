"""The documentation at `/docs`: Markdown of `service/docs`, made into pages that need no script and no token."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound
from starlette.exceptions import HTTPException
from starlette.responses import Response

from service.http.page import FOLDER as PARTS
from service.http.page import versioned

FOLDER = Path(__file__).parents[1] / "docs"
SECURITY = FOLDER.parent / "SECURITY.md"
OVERVIEW, REFERENCE = "overview", "api"
GROUPS = {
    "Begin": (OVERVIEW, "quickstart", "adopt", "problems", "strategies", "simulate"),
    "How it works": (
        *("campaign", "dashboard", "curve", "cost", "people", "audit", "domains", "labels"),
        *("auto-labels", "synthetic"),
    ),
    "Take away": ("export", "adapters"),
    "Run it": ("operating", "settings", "doctor", "label-studio", "security"),
    "Build on it": ("client", REFERENCE, "plug-in"),
}
"""The order in which pages are read; those that nobody put here come last."""
MORE = "More"


@dataclass(frozen=True)
class Page:
    name: str
    """As in its address."""
    title: str
    lead: str
    """The first sentence: what the page is."""
    html: str
    sections: tuple[tuple[str, str], ...]
    """(anchor, title) of its chapters."""
    anchors: frozenset[str]
    """All there are in it, those of smaller headings too."""


def show(page: str) -> Response:
    """A page of the documentation."""
    found = pages().get(page)
    if found is None:
        raise HTTPException(404, f"the documentation has no page {page!r}: see /docs")
    return answer(found)


def overview() -> Response:
    """What the documentation has."""
    return answer(pages()[OVERVIEW])


def answer(page: Page) -> Response:
    """The page as HTML, with the way to all others."""
    html = _frame()
    for mark, part in {
        "{title}": escape(page.title),
        "{ways}": _ways(page),
        "{content}": page.html + (_contents() if page.name == OVERVIEW else ""),
        "{next}": _next(page),
    }.items():
        html = html.replace(mark, part, 1)
    return Response(html, media_type="text/html; charset=utf-8", headers={"Cache-Control": "no-cache"})


@cache
def pages() -> dict[str, Page]:
    """Every page that is a file, by its name."""
    paths = {path.stem: path for path in FOLDER.glob("*.md")} | {SECURITY.stem.lower(): SECURITY}
    return {name: render(name, path.read_text(encoding="utf-8")) for name, path in paths.items()}


def order(names: Sequence[str]) -> dict[str, list[str]]:
    """{group: pages in it} of these pages, as they are read; the reference of the API is always there."""
    there = {*names, REFERENCE}
    found = {group: [name for name in known if name in there] for group, known in GROUPS.items()}
    found[MORE] = sorted(there.difference(*GROUPS.values()))
    return {group: listed for group, listed in found.items() if listed}


def render(name: str, text: str) -> Page:
    """A page out of Markdown that begins with `# Title`. HTML in it stays text."""
    markdown = MarkdownIt("commonmark", {"html": False, "highlight": _code}).enable("table")
    tokens = markdown.parse(text)
    headings = _anchor(tokens)
    for token in tokens:
        for one in token.children or ():
            if one.type == "link_open":
                one.attrs["href"] = address(str(one.attrs["href"]))
    markdown.add_render_rule("table_open", _table_open)
    markdown.add_render_rule("table_close", _table_close)
    paragraph = next((at for at, token in enumerate(tokens) if token.type == "paragraph_open"), None)
    lead = _plain(tokens[paragraph + 1]) if paragraph is not None else ""
    return Page(
        name,
        next((title for level, _, title in headings if level == "h1"), name),
        first_sentence(lead),
        markdown.renderer.render(tokens, markdown.options, {}),
        tuple((anchor, title) for level, anchor, title in headings if level == "h2"),
        frozenset(anchor for _, anchor, _ in headings),
    )


def first_sentence(text: str) -> str:
    """Without the dot at its end, in one line."""
    return re.split(r"(?<=[.!?])\s", " ".join(text.split()), maxsplit=1)[0].rstrip(".")


def slug(title: str) -> str:
    """The id of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-")


def address(href: str) -> str:
    """Where a link between files leads when they are served: `export.md#csv` is /docs/export#csv."""
    target, mark, anchor = href.partition("#")
    if target.endswith(".md") and "://" not in target:
        target = f"/docs/{Path(target).stem.lower()}"
    return target + mark + anchor


def _anchor(tokens: Sequence[Token]) -> list[tuple[str, str, str]]:
    """Give every heading an id; (level, id, title) of each."""
    found, seen = [], Counter[str]()
    for at, token in enumerate(tokens):
        if token.type != "heading_open":
            continue
        title = _plain(tokens[at + 1])
        anchor = slug(title)
        seen[anchor] += 1
        if seen[anchor] > 1:
            anchor = f"{anchor}-{seen[anchor] - 1}"
        token.attrs["id"] = anchor
        found.append((token.tag, anchor, title))
    return found


def _plain(token: Token) -> str:
    parts = ("\n" if one.type in ("softbreak", "hardbreak") else one.content for one in token.children or ())
    return "".join(parts)


def _code(code: str, language: str, attributes: str) -> str:
    """The code with Pygments' classes; '' where it has no language, and is only escaped."""
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        return ""
    return str(highlight(code, lexer, HtmlFormatter(nowrap=True)))


def _table_open(self: Any, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    return '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>\n'


def _table_close(self: Any, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    return "</table></div>\n"


@cache
def _frame() -> str:
    return versioned((PARTS / "docs.html").read_text())


def _titles() -> dict[str, str]:
    return {name: page.title for name, page in pages().items()} | {REFERENCE: "HTTP API"}


def _path(name: str) -> str:
    return "/docs" if name == OVERVIEW else f"/docs/{escape(name)}"


def _ways(page: Page) -> str:
    """All pages by group, and the chapters of this one."""
    titles, lines = _titles(), []
    for group, names in order(list(pages())).items():
        lines.append(f"<h2>{group}</h2>\n<ul>")
        for name in names:
            here = name == page.name
            current, inside = (' aria-current="page"' if here else ""), ""
            if here and 1 < len(page.sections) <= 12:
                chapters = (f'<li><a href="#{a}">{escape(title)}</a></li>' for a, title in page.sections)
                inside = f"<ul>{''.join(chapters)}</ul>"
            lines.append(f'<li><a href="{_path(name)}"{current}>{escape(titles[name])}</a>{inside}</li>')
        lines.append("</ul>")
    return "\n".join(lines)


def _contents() -> str:
    """Every page with what it is, for the overview."""
    leads = {name: page.lead for name, page in pages().items()}
    leads[REFERENCE] = "Every route with what it takes and answers, out of the service's own description"
    titles, lines = _titles(), []
    for group, names in order(list(leads)).items():
        lines.append(f"<h2>{group}</h2>\n<dl>")
        lines += [
            f'<dt><a href="{_path(name)}">{escape(titles[name])}</a></dt><dd>{escape(leads[name])}.</dd>'
            for name in names
            if name != OVERVIEW
        ]
        lines.append("</dl>")
    return "\n".join(lines)


def _next(page: Page) -> str:
    names = [name for group in order(list(pages())).values() for name in group]
    after = names[names.index(page.name) + 1 :][:1]
    return "".join(f'Next: <a href="{_path(name)}">{escape(_titles()[name])}</a>' for name in after)
