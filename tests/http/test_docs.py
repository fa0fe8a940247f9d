"""The documentation at /docs: every page, the ways between them, and how they look."""

import re
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from service.http import docs
from service.http.app import ENDPOINTS
from tests.http.conftest import Served
from tests.http.test_page import visit

NAMES = sorted([*docs.pages(), docs.REFERENCE])


class Html(HTMLParser):
    """What a page says, where its links lead, and what may be linked to in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.classes: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.tags.append(tag)
        self.classes |= set((found.get("class") or "").split())
        if tag == "a":
            self.links.append(found.get("href") or "")
        if one := found.get("id"):
            self.ids.append(one)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def sites(served: Served) -> dict[str, Html]:
    """Every page by its path, as somebody without a token gets it."""
    paths = {f"/docs/{name}" for name in NAMES if name != docs.OVERVIEW} | {"/docs"}
    found = {}
    with httpx.Client(base_url=served.url) as stranger:
        for path in paths:
            answer = stranger.get(path)
            assert answer.status_code == 200, path
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            found[path] = Html(answer.text)
    return found


def test_pages_are_whole(sites: dict[str, Html]) -> None:
    for path, site in sites.items():
        assert site.tags.count("h1") == 1, path
        assert "script" not in site.tags, path
        assert len(site.ids) == len(set(site.ids)), path
        assert "{" not in site.text[:100], path


def test_all_links_lead_somewhere(served: Served, sites: dict[str, Html]) -> None:
    """To pages, to chapters in them, and to what the service has besides."""
    for path, site in sites.items():
        for link in site.links:
            if link.startswith("https://"):
                continue
            target, _, anchor = link.partition("#")
            target = target or path
            if target in sites:
                assert not anchor or anchor in sites[target].ids, f"{link} on {path}"
            else:
                assert target in ("/", "/openapi.json"), f"{link} on {path}"
                assert served.http.get(target).status_code == 200


def test_links_between_the_files_lead_somewhere_too() -> None:
    """Whoever reads them where the code is gets to the same places."""
    for path in [*docs.FOLDER.glob("*.md"), docs.SECURITY]:
        for link in re.findall(r"\]\(([^)]+)\)", path.read_text()):
            if not link.startswith(("https://", "#", "/docs/api", "/openapi.json")):
                assert (path.parent / link.partition("#")[0]).is_file(), f"{link} in {path.name}"


def test_every_page_leads_to_every_other(sites: dict[str, Html]) -> None:
    for site in sites.values():
        assert sites.keys() <= set(site.links)


def test_pages_come_in_their_order_and_strangers_last() -> None:
    found = docs.order(["zebra", "quickstart", "overview", "client", "aardvark"])
    assert found == {
        "Begin": ["overview", "quickstart"],
        "Build on it": ["client", "api"],
        "More": ["aardvark", "zebra"],
    }


def test_a_page_that_is_not_there(served: Served) -> None:
    answer = httpx.get(f"{served.url}/docs/nothing")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "the documentation has no page 'nothing': see /docs"


def test_the_reference_has_every_route(sites: dict[str, Html]) -> None:
    text = sites["/docs/api"].text
    for endpoint in ENDPOINTS:
        path = re.sub(r":\w+}", "}", endpoint.path)
        assert f"{endpoint.method} {path}\n" in text
    assert "round_size" in text


def test_markdown_becomes_html() -> None:
    page = docs.render(
        "x",
        "# A <b>title</b>\n\nIt is `one` thing. And more.\n\n## Same\n\n### Same\n\n| a | b |\n| --- | --- |\n"
        "| 1\\|2 | <i>x</i> |\n\n```python\nreturn 1\n```\n\n```unheard\n<&>\n```\n\n[y](y.md#same)"
        " [z](https://z.example/a.md) [s](../SECURITY.md)\n",
    )
    assert page.title == "A <b>title</b>"
    assert page.lead == "It is one thing"
    assert page.sections == (("same", "Same"),)
    assert page.anchors == {"a-btitleb", "same", "same-1"}
    site = Html(page.html)
    assert site.links == ["/docs/y#same", "https://z.example/a.md", "/docs/security"]
    assert {"b", "i", "script"}.isdisjoint(site.tags)
    assert {"k", "mi", "scroll"} <= site.classes
    assert "1|2" in site.text
    assert "&lt;&amp;&gt;" in page.html


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_and_break_no_rule(served: Served, chromium: Browser, scheme: str, width: int) -> None:
    visited = visit(chromium, scheme, width)
    page = visited.page
    for name in NAMES:
        page.goto(f"{served.url}/docs/{name}")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name
    assert visited.wrong == []


def test_the_dashboard_leads_there(served: Served, chromium: Browser) -> None:
    page = visit(chromium).page
    page.goto(served.url)
    page.get_by_role("link", name="Documentation").click()
    page.wait_for_url(re.compile("/docs$"))
    page.get_by_role("navigation", name="Documentation").get_by_role("link", name="Quickstart").click()
    page.wait_for_url(re.compile("/docs/quickstart$"))


def test_pages_are_in_the_package() -> None:
    """What an installation has besides Python is named in pyproject.toml."""
    import tomllib

    root = Path(__file__).parents[2]
    data = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    named = {path for pattern in data["service"] for path in (root / "service").glob(pattern)}
    assert {*docs.FOLDER.glob("*.md"), docs.SECURITY, docs.PARTS / "docs.html"} <= named
