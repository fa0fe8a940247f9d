"""Reports: one file that asks for nothing, with what the API says, and its plots."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.predictions import Spans
from tests.cli.conftest import Ran, run
from tests.http.conftest import MEASURED, TOPICS, Served, fill
from tests.http.test_confusions import with_test_set

LOADS = {"src", "srcset", "data", "poster", "action"}
PNG = b"\x89PNG\r\n\x1a\n"


class Page(HTMLParser):
    """What a page consists of, what it would load, and the ids that are on it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = {name: value or "" for name, value in attrs}
        self.loaded += [value for name, value in given.items() if name in LOADS]
        self.links += [value for name, value in given.items() if name.endswith("href")]
        self.ids += [given["id"]] if "id" in given else []


def report(served: Served, campaign: str, out: Path, **settings: str) -> Ran:
    known = {"POSTIL_URL": served.url, "POSTIL_TOKEN": served.token, "POSTIL_DATA": str(out.parent)}
    return run(("report", campaign, "--out", str(out)), known | settings)


def test_a_report_is_one_file_and_its_plots(served: Served, filled: str, tmp_path: Path) -> None:
    ran = report(served, filled, tmp_path / "it.html")

    assert ran.status == 0, ran.err
    html = (tmp_path / "it.html").read_text("utf-8")
    page = Page(html)
    assert page.loaded == []
    assert all(link.startswith("#") for link in page.links)
    assert set(page.tags) & {"script", "link", "img", "iframe", "object", "image"} == set()
    assert re.findall(r"url\((?!#)|@import", html) == []
    assert page.tags.count("svg") == 3
    assert len(set(page.ids)) == len(page.ids), "each plot has ids of its own"
    assert "docstrings &lt;i&gt;by topic" in html
    assert "<i>by" not in html
    text = re.sub(r"<[^>]+>", " ", html)
    for words in (
        "Round 5: accuracy 93.8 % [86.2, 97.3] on 80 hold-out examples, drawn at random.",
        "labels saved so far",
        "Expected of 100 labels more",
        "5 not.",
        "None was made: postil audit",
        "Bonett and Price",
        "12% of the words are unknown to all-MiniLM-L6-v2",
        *TOPICS,
    ):
        assert words in text, words
    assert "not bold" not in text, "no text of the pool"
    assert sorted(path.name for path in (tmp_path / "it").iterdir()) == [
        "confusion.png",
        "curve.png",
        "groups.png",
    ]
    assert all(path.read_bytes().startswith(PNG) for path in (tmp_path / "it").iterdir())
    assert str(MEASURED) in text


def test_of_a_campaign_that_has_just_begun(served: Served, tmp_path: Path) -> None:
    c = served.campaign(name="just begun")["id"]
    ran = report(served, c, tmp_path / "report.html")
    assert ran.status == 0, ran.err
    assert "There is no round yet" in (tmp_path / "report.html").read_text("utf-8")
    assert not (tmp_path / "report").exists()


def test_without_matplotlib_there_are_no_plots(served: Served, filled: str, tmp_path: Path) -> None:
    """A package that cannot be found is not there, whatever is installed."""
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'matplotlib' else find(name, *rest)\n"
    )
    ran = report(served, filled, tmp_path / "it.html", PYTHONPATH=f"{tmp_path}:{Path(__file__).parents[2]}")
    assert ran.status == 0, ran.err
    assert "pip install 'postil[report]'" in ran.err
    html = (tmp_path / "it.html").read_text("utf-8")
    assert ("<svg" in html, "Round 5: accuracy" in html, (tmp_path / "it").exists()) == (False, True, False)


@pytest.mark.parametrize("name", ["nobody"])
def test_what_there_is_not(served: Served, tmp_path: Path, name: str) -> None:
    ran = report(served, name, tmp_path / "it.html")
    assert (ran.status, "nobody" in ran.err, list(tmp_path.iterdir())) == (1, True, [])


def test_roles_hold(served: Served, tmp_path: Path) -> None:
    one, other = fill(served, "mine"), served.campaign()["id"]
    made = served.http.post(
        "/v1/tokens", json={"name": "guest", "access": "viewer", "campaigns": [one]}
    ).json()
    assert report(served, one, tmp_path / "it.html", POSTIL_TOKEN=made["secret"]).status == 0
    assert report(served, other, tmp_path / "no.html", POSTIL_TOKEN=made["secret"]).status == 1


@pytest.mark.parametrize("problem", ["multi_label", "spans"])
def test_of_every_problem(served: Served, tmp_path: Path, problem: str) -> None:
    """Without domains, and with too few texts for a class to be scored, there is the curve alone."""
    lines: list[dict[str, Any]] = {
        "multi_label": [{"text": "one", "labels": ["a", "b"]}, {"text": "two", "labels": []}],
        "spans": [{"text": "one", "spans": [[0, 3, "a"]]}, {"text": "two", "spans": []}],
    }[problem]
    said: Any = np.array([[0.75, 0.25], [0.125, 0.75]], np.float32)
    if problem == "spans":
        said = Spans(np.array([(0, 0, 2, 0)], np.int32), np.array([0.5], np.float32))
    c = with_test_set(served, problem, lines, said, thresholds={"adapter": [0.5, 0.5]})
    ran = report(served, c, tmp_path / "it.html")
    assert ran.status == 0, ran.err
    html = (tmp_path / "it.html").read_text("utf-8")
    assert html.count("<svg") == 1
    assert ("wrong boundary" if problem == "spans" else "missed") in html
