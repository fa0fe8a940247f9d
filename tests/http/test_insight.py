"""The cards of the page that tell more than the curve does, in a real browser against a real server."""

import re
from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from service.predictions import Spans
from service.store import events
from tests.http.conftest import TOPICS, Served, fill
from tests.http.test_confusions import with_test_set
from tests.http.test_maps import POINTS, drawn
from tests.http.test_page import Visit, sign_in, visit


@pytest.fixture
def visited(chromium: Browser) -> Iterator[Visit]:
    visited = visit(chromium)
    yield visited
    assert visited.wrong == []


def card(page: Page, title: str) -> Locator:
    found = page.locator("section", has=page.get_by_role("heading", name=title, exact=True))
    found.scroll_into_view_if_needed()
    return found


def test_a_confusion_leads_to_its_texts_by_mouse_and_by_keyboard(
    served: Served, filled: str, visited: Visit
) -> None:
    page = visited.page
    sign_in(served, page, filled)
    found = card(page, "What is taken for what")
    expect(found.locator("tbody button")).to_have_count(16)
    expect(found).to_contain_text("Round 5, 80 hold-out texts: 5 are taken for something else.")
    expect(found).to_contain_text("fits the campaign to its own measurement")
    wrong = found.get_by_role("button", name=re.compile("taken for .+: [1-9]"))
    name = str(wrong.first.get_attribute("aria-label"))
    wrong.first.click()
    texts = found.get_by_role("region", name="Texts behind a confusion")
    expect(texts.get_by_role("heading")).to_have_text(re.sub(r": (\d+) of 20$", r": \1", name))
    expect(texts.get_by_role("listitem").first).to_contain_text("<b>not bold</b> & the rest")
    expect(texts.get_by_role("link", name="open").first).to_have_attribute(
        "href", re.compile(r"^http://127\.0\.0\.1:9/projects/7/data\?task=20\d\d$")
    )
    assert found.locator("b, i").count() == 0
    texts.get_by_role("button", name="Close").click()
    expect(texts).to_be_hidden()

    first = found.get_by_role("button", name=re.compile(f"^{TOPICS[0]} rightly told"))
    first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(found.get_by_role("button", name=re.compile(f"^{TOPICS[1]} rightly told"))).to_be_focused()
    page.keyboard.press("Enter")
    expect(texts.get_by_role("heading")).to_contain_text(f"{TOPICS[1]} rightly told")
    expect(texts).to_be_focused()

    chosen = found.get_by_label("Round")
    chosen.fill("1")
    chosen.press("Enter")
    expect(found).to_contain_text("Round 1, 80 hold-out texts: 33 are taken for something else.")
    expect(texts).to_be_hidden()
    chosen.fill("")
    chosen.press("Enter")
    expect(found).to_contain_text("Round 5, 80 hold-out texts: 5 are taken for something else.")


def test_of_many_labels_the_pairs_that_are_confused_most(served: Served, visited: Visit) -> None:
    """Given 13 labels of three texts each, of which two of a are taken for b, then that pair comes first."""
    labels = "abcdefghijklm"
    lines = [{"text": f"text {at}", "label": labels[at // 3]} for at in range(39)]
    guess = np.array([1, 1, 0, 5, *range(4, 39)])
    guess[4:] = np.arange(4, 39) // 3
    said = (np.eye(13)[guess] * 0.87 + 0.01).astype(np.float32)
    c = with_test_set(served, "single_label", lines, said, labels)
    sign_in(served, visited.page, c)
    found = card(visited.page, "What is taken for what")
    expect(found.locator("tbody tr")).to_have_count(2)
    expect(found.locator("tbody tr").first).to_have_text(re.compile(r"^ab266\.7 %3$"))
    found.get_by_role("button", name="a taken for b: 2 of 3").click()
    expect(found.locator("ol li")).to_have_count(2)


def test_of_spans_what_is_wrong_and_where(served: Served, visited: Visit) -> None:
    lines = [{"text": "🙂 Ada met Bo", "id": "x", "spans": [[2, 5, "a"], [10, 12, "b"]]}]
    said = Spans(np.array([(0, 2, 9, 0)], np.int32), np.array([0.5], np.float32))
    sign_in(served, visited.page, with_test_set(served, "spans", lines, said))
    found = card(visited.page, "What is taken for what")
    expect(found).to_contain_text("0 spans right, 1 wrong boundary, 1 missed")
    found.get_by_role("button", name="a, wrong boundary: 1").click()
    expect(found.locator("mark.true")).to_have_text("Ada")
    expect(found.locator("mark.said")).to_have_text(["Ada", " met"])


def test_of_several_labels_a_table_for_each(served: Served, visited: Visit) -> None:
    lines = [
        {"text": "one", "labels": ["a", "b"]},
        {"text": "two", "labels": []},
        {"text": "three", "labels": []},
    ]
    said = np.array([[0.75, 0.25], [0.125, 0.125], [0.125, 0.75]], np.float32)
    c = with_test_set(served, "multi_label", lines, said, thresholds={"adapter": [0.5, 0.5]})
    sign_in(served, visited.page, c)
    found = card(visited.page, "What is taken for what")
    expect(found.locator("tbody tr").first).to_have_text("b0111")
    found.get_by_role("button", name="b wrongly told: 1").click()
    expect(found.locator("ol li")).to_contain_text("three")


def test_small_charts_of_domains_and_classes(served: Served, filled: str, visited: Visit) -> None:
    page = visited.page
    sign_in(served, page, filled)
    found = card(page, "Weak spots, round by round")
    charts = found.get_by_role("img")
    expect(charts).to_have_count(2 + len(TOPICS))
    weakest = served.http.get(f"/v1/campaigns/{filled}/curve/groups").json()
    for chart, one in zip(charts.all(), [*weakest["domains"], *weakest["classes"]], strict=True):
        expect(chart).to_have_attribute(
            "aria-label", re.compile(rf"^{one['name']}: .+ in round 5, .+ in round 1$")
        )
    expect(found.locator("svg").first.locator("circle")).to_have_count(5)


def test_a_map_is_asked_for_and_its_points_are_texts(served: Served, visited: Visit) -> None:
    c = fill(served, "a map of it")
    page = visited.page
    sign_in(served, page, c)
    found = card(page, "Map of the pool")
    expect(found).to_contain_text("Nobody had it drawn yet.")
    found.get_by_role("button", name="Draw the map").click()
    expect(found).to_contain_text("It is being drawn")
    expect(found.get_by_role("button")).to_be_disabled()
    drawn(served, c)
    with served.api.database.transaction() as connection:
        events.record(connection, c, "map-drawn", points=len(POINTS))
    points = found.locator(".scatterlayer .point")
    expect(points).to_have_count(len(POINTS), timeout=20_000)
    expect(found).to_contain_text("2 labeled, 0 in the queue, 1 uncertain to the adapter, 9 not asked")
    found.get_by_text("Queued and uncertain texts as a list").click()
    expect(found.get_by_label("Queued and uncertain texts").get_by_role("listitem")).to_contain_text(
        "How <b>it</b> is in 550"
    )
    expect(found.get_by_role("button", name="Draw it anew")).to_be_enabled()
    box = points.first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(found.locator(".hovertext")).to_be_visible()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(found.locator(".behind")).to_contain_text("How <b>it</b> is in")


def test_the_curve_is_a_table_too(served: Served, filled: str, visited: Visit) -> None:
    page = visited.page
    sign_in(served, page, filled)
    page.get_by_text("The curve as a table").click()
    rows = page.get_by_role("region", name="The curve as a table").locator("tbody tr")
    expect(rows).to_have_count(5)
    expect(rows.first).to_have_text(
        re.compile(r"^530093\.8 % \[86\.2, 97\.3\]\+8\.8 \[−1\.1, \+18\.2\]76\.3 %80: 72\.5 %")
    )
