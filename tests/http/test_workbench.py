"""What is done from the page: campaigns begun and steered, data sent, results taken away; by whom, and how well it is
shown to everybody."""

import gzip
import io
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, FilePayload, Locator, Page, Route, expect

from tests.axe import findings
from tests.http.conftest import ROUNDS, Served
from tests.http.test_page import Visit, sign_in, visit

REFUSED = "the server responded with a status of 4"
"""What the browser says of an answer that this page expects and shows."""
POOL = '{"id": "a", "text": "one"}\n{"id": "b"}\n{"id": "c", "text": "three"}\n{"id": "d", "text": "one"}\n'


class Desk(Visit):
    """A page on which nothing may go wrong but what is `expected`, by words of it."""

    expected: str | None = None


@pytest.fixture
def desk(chromium: Browser) -> Iterator[Desk]:
    desk = Desk(visit(chromium).page)
    yield desk
    assert [words for words in desk.wrong if desk.expected is None or desk.expected not in words] == []


def file(name: str, content: str | bytes, kind: str = "") -> FilePayload:
    return {
        "name": name,
        "mimeType": kind,
        "buffer": content.encode() if isinstance(content, str) else content,
    }


def go(served: Served, page: Page, where: str, token: str | None = None) -> None:
    """Sign in, and open a view."""
    page.goto(f"{served.url}/#token={token or served.token}")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.goto(f"{served.url}/#/{where}")


def field(page: Page, name: str) -> Locator:
    return page.locator(f"[data-field={name}]")


def refusal(page: Page, name: str) -> Locator:
    return field(page, name).locator(".wrong")


def guest(served: Served, access: str, *campaigns: str) -> str:
    body = {"name": access, "access": access, "campaigns": list(campaigns) or None}
    secret: str = served.http.post("/v1/tokens", json=body).json()["secret"]
    return secret


def receive(page: Page) -> Locator:
    """Uploads of this page, one an item."""
    return page.locator(".sends > li")


def test_a_campaign_is_started_and_what_is_wrong_stands_beside_its_field(served: Served, desk: Desk) -> None:
    page = desk.page
    go(served, page, "")
    page.get_by_role("link", name="New campaign").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("New campaign")
    start = page.get_by_role("button", name="Start the campaign")
    taken = served.campaign()["name"]
    desk.expected = REFUSED

    def refused(name: str, words: str) -> None:
        start.click()
        expect(refusal(page, name)).to_contain_text(words)
        expect(page.locator(".wrong:visible")).to_have_count(1)
        expect(field(page, name).locator("[aria-invalid]")).to_be_focused()

    refused("name", "give 1 to 200 characters")
    page.get_by_label("Name").fill("a/b")
    refused("name", "it cannot hold a '/'")
    page.get_by_label("Name").fill(taken)
    page.get_by_label("Labels", exact=True).fill("good")
    refused("labels", "label")
    page.get_by_label("Labels", exact=True).fill("good, or so\n\n bad \n")
    expect(field(page, "labels").locator(".hint")).to_have_text("One a line: 2 labels.")
    page.get_by_label("Budget").fill("0")
    refused("budget", "budget is 0")
    page.get_by_label("Budget").fill("120")
    page.get_by_label("Overlap").fill("2")
    page.get_by_label("Round size").fill("25")
    refused("name", "exists already")
    page.get_by_label("Name").fill(f"{taken}, by hand")
    page.get_by_label("Instruction").fill("Is it good?")
    page.get_by_label("Strategy").select_option("margin")
    expect(field(page, "strategy").locator(".hint")).not_to_be_empty()
    page.get_by_label("Instruction").press("Control+A")
    start.click()

    expect(page.get_by_role("heading", level=1)).to_have_text(f"{taken}, by hand")
    expect(page.locator("[data-section=data]")).to_be_focused()
    made = served.http.get(f"/v1/campaigns/{taken}, by hand").json()
    wanted = {
        "problem": "single_label",
        "labels": ["good, or so", "bad"],
        "budget": 120,
        "round_size": 25,
        "overlap": 2,
        "instruction": "Is it good?",
        "strategy": "margin",
    }
    assert wanted.items() <= made.items()


def test_strategies_fit_what_a_text_gets(served: Served, desk: Desk) -> None:
    page = desk.page
    go(served, page, "new")
    listed = served.http.get("/v1/strategies").json()["strategies"]
    for words, problem in (("One label", "single_label"), ("Any labels", "multi_label"), ("Spans", "spans")):
        page.get_by_role("radio", name=words).check()
        fit = [one["name"] for one in listed if problem in one["problems"]]
        assert page.get_by_label("Strategy").locator("option").all_text_contents() == fit
    expect(field(page, "formula")).to_be_hidden()
    page.get_by_label("Strategy").select_option("weighted")
    expect(field(page, "formula")).to_be_visible()
    summary = next(one["summary"] for one in listed if one["name"] == "weighted")
    expect(field(page, "strategy").locator(".hint")).to_have_text(summary)


def test_a_pool_is_sent_with_a_receipt_and_only_once(served: Served, desk: Desk) -> None:
    page, c = desk.page, served.campaign()["id"]
    sign_in(served, page, c)
    files = page.get_by_label("Files to send")
    files.set_input_files(file("pool.jsonl", POOL))
    expect(receive(page)).to_contain_text("4 lines, 2 new, 1 seen before, 1 left out.")
    expect(receive(page).locator(".bad-lines li")).to_have_text(re.compile("^line 2.*text"))
    row = page.get_by_role("region", name="Uploads").locator("tbody tr")
    expect(row).to_have_count(1)
    expect(row).to_have_text(re.compile("pooldone42011$"))
    assert served.http.get(f"/v1/campaigns/{c}").json()["status"]["examples"] == 2
    keys = [one["key"] for one in served.http.get(f"/v1/campaigns/{c}/pool").json()["uploads"]]
    assert re.fullmatch(rf"page:pool:{len(POOL)}:\d+:pool\.jsonl", keys[0])


def test_all_forms_one_after_the_other_and_by_dropping_them(served: Served, desk: Desk) -> None:
    page, c = desk.page, served.campaign()["id"]
    sign_in(served, page, c)
    table = pa.table({"text": ["of a table", "of a second row"]})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    page.get_by_label("Files to send").set_input_files(
        [
            file("a.csv", "text,id\nof a cell,x\n", "text/csv"),
            file("b.jsonl.gz", gzip.compress(b'{"text": "packed"}\n'), "application/gzip"),
            file("c.parquet", sink.getvalue()),
            file("d.txt", "text"),
        ]
    )
    for at, words in enumerate(["1 line, 1 new", "1 line, 1 new", "2 lines, 2 new", "ends with neither"]):
        expect(receive(page).nth(at)).to_contain_text(words)
    dropped = page.evaluate_handle(
        """() => {
          const held = new DataTransfer();
          held.items.add(new File(["text\\ndropped\\n"], "e.csv"));
          return held;
        }"""
    )
    page.locator(".drop").dispatch_event("drop", {"dataTransfer": dropped})
    expect(receive(page).nth(4)).to_contain_text("1 line, 1 new")
    assert served.http.get(f"/v1/campaigns/{c}").json()["status"]["examples"] == 5


def test_what_broke_off_is_sent_again_by_the_same_key(served: Served, desk: Desk) -> None:
    page, c = desk.page, served.campaign()["id"]
    sign_in(served, page, c)
    expect(page.get_by_label("Files to send")).to_be_attached()
    keys: list[str] = []
    desk.expected = "net::ERR_CONNECTION_RESET"

    def cut(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route(
        f"**/v1/campaigns/{c}/pool",
        lambda route: cut(route) if route.request.method == "POST" else route.continue_(),
    )
    page.get_by_label("Files to send").set_input_files(file("pool.jsonl", POOL))
    expect(receive(page)).to_contain_text("The connection broke")
    page.get_by_role("button", name="Send again: pool.jsonl").click()
    expect(receive(page)).to_contain_text("4 lines, 2 new")
    assert keys[0] == keys[1]

    # Once more, after a reload: the receipt it had, and nothing is stored.
    page.get_by_label("Files to send").evaluate(
        "(input, [content, key]) => { const held = new DataTransfer(); const at = Number(key.split(':')[3]);"
        " held.items.add(new File([content], 'pool.jsonl', { lastModified: at })); input.files = held.files;"
        " input.dispatchEvent(new Event('change')); }",
        [POOL, keys[0]],
    )
    expect(receive(page).nth(1)).to_contain_text("4 lines, 2 new, 1 seen before, 1 left out.")
    assert len(served.http.get(f"/v1/campaigns/{c}/pool").json()["uploads"]) == 1


def test_known_labels_and_a_test_set(served: Served, desk: Desk) -> None:
    page, c = desk.page, served.campaign()["id"]
    sign_in(served, page, c)
    page.get_by_label("Files to send").set_input_files(file("pool.jsonl", POOL))
    expect(receive(page).first).to_contain_text("2 new")
    page.get_by_role("radio", name="Known labels").check()
    expect(page.get_by_text('{"id": "…", "label": "good"}')).to_be_visible()
    page.get_by_label("Files to send").set_input_files(file("labels.jsonl", '{"id": "a", "label": "bad"}\n'))
    expect(receive(page).nth(1)).to_contain_text("1 line, 1 label.")
    page.get_by_role("radio", name="A test set").check()
    page.get_by_label("Files to send").set_input_files(
        file("test.csv", "text,label\nfour,good\nfive,weather\n")
    )
    expect(receive(page).nth(2)).to_contain_text("1 left out")
    rows = page.get_by_role("region", name="Uploads").locator("tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.first).to_contain_text("test set")
    status = served.http.get(f"/v1/campaigns/{c}").json()["status"]
    assert (status["examples"], status["labels"], status["test_examples"]) == (2, {"import": 1}, 1)


def test_settings_change_what_was_changed(served: Served, desk: Desk) -> None:
    page, c = desk.page, served.campaign(budget=50, instruction="Look.")["id"]
    sign_in(served, page, c)
    opener = page.get_by_role("button", name="Settings")
    opener.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Settings")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(opener).to_be_focused()

    opener.click()
    dialog.get_by_label("Round size").fill("0")
    desk.expected = REFUSED
    dialog.get_by_role("button", name="Save").click()
    expect(refusal(page, "round_size")).to_contain_text("round_size is 0: choose 1 to 100,000")
    dialog.get_by_label("Round size").fill("20")
    dialog.get_by_label("Budget").fill("")
    dialog.get_by_label("Strategy").select_option("entropy")
    dialog.get_by_label("Instruction").fill("Look twice.")
    dialog.get_by_label("Name").fill("renamed by hand")
    dialog.get_by_label("Name").press("Enter")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_have_text("renamed by hand")
    expect(page.locator(".what")).to_contain_text("entropy")
    (event,) = served.http.get(f"/v1/campaigns/{c}/events?follow=false").json()["events"]
    assert event["data"] == {
        "name": "renamed by hand",
        "round_size": 20,
        "budget": None,
        "strategy": "entropy",
        "instruction": "Look twice.",
    }


def test_exports_are_files_and_a_refusal_is_read(served: Served, filled: str, desk: Desk) -> None:
    page = desk.page
    sign_in(served, page, filled)
    page.get_by_role("button", name="Export").click()
    dialog = page.get_by_role("dialog", name="Export")
    dialog.get_by_role("radio", name="CSV").check()
    with page.expect_download() as download:
        dialog.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == f"{filled}-labels.csv"
    assert len(download.value.path().read_text().splitlines()) == 1 + 437
    expect(dialog).to_have_count(0)

    page.get_by_role("button", name="Export").click()
    dialog.get_by_role("radio", name="Auto-labels").check()
    desk.expected = REFUSED
    dialog.get_by_role("button", name="Download").click()
    expect(dialog.locator(".wrong:visible, .notice:visible")).to_contain_text(
        re.compile("hold-out|precision|scores")
    )


def test_an_adapter_is_chosen_where_campaigns_can_name_one(served: Served, filled: str, desk: Desk) -> None:
    page = desk.page
    found = served.http.get(f"/v1/campaigns/{filled}").json()
    if "adapter" not in found:
        sign_in(served, page, filled)
        expect(page.get_by_role("button", name="Download the adapter of round 2")).to_be_visible()
        expect(page.get_by_role("button", name=re.compile("^Use"))).to_have_count(0)
    held: dict[str, Any] = found | {"adapter": None}

    def answer(route: Route) -> None:
        if route.request.method == "PATCH":
            held.update(json.loads(route.request.post_data or ""))
        route.fulfill(json=held)

    page.route(f"**/v1/campaigns/{filled}", answer)
    page.goto("about:blank")
    sign_in(served, page, filled)
    rows = page.get_by_role("region", name="Rounds").locator("tbody tr")
    page.get_by_role("button", name="Use the adapter of round 2").click()
    expect(rows.nth(ROUNDS - 1)).to_contain_text("in use")
    assert held["adapter"] == 2
    page.get_by_role("button", name="Use the newest").click()
    expect(page.get_by_role("button", name="Use the adapter of round 2")).to_be_visible()
    assert held["adapter"] is None


def test_a_viewer_is_offered_nothing_that_changes(served: Served, filled: str, desk: Desk) -> None:
    page = desk.page
    go(served, page, "", guest(served, "viewer"))
    expect(page.get_by_role("link", name="docstrings <i>by topic")).to_be_visible()
    expect(page.get_by_role("link", name="New campaign")).to_have_count(0)
    page.goto(f"{served.url}/#/new")
    expect(page.get_by_role("heading", level=1)).to_have_text("Campaigns")
    expect(page.get_by_role("textbox", name="Name")).to_have_count(0)
    page.goto(f"{served.url}/#/campaign/{filled}")
    expect(page.get_by_role("region", name="Uploads")).to_be_visible()
    expect(page.get_by_role("button", name="Export")).to_be_visible()
    expect(
        page.get_by_role("button", name=re.compile("Pause|Resume|Settings|Look now|Save|^Use"))
    ).to_have_count(0)
    expect(page.locator("input[type=file], form")).to_have_count(0)

    # The API would not do it, either.
    desk.expected = REFUSED
    statuses = page.evaluate(
        """async (c) => {
          const { csrf } = await (await fetch("/v1/session")).json();
          const headers = { "X-CSRF-Token": csrf, "Content-Type": "application/json" };
          const all = "/v1/campaigns", one = `${all}/${c}`;
          const changes = [["PATCH", one], ["POST", all], ["POST", `${one}/pool`], ["POST", `${one}/audit`]];
          const ask = ([method, path]) => fetch(path, { method, body: "{}", headers });
          return Promise.all(changes.map(async (change) => (await ask(change)).status));
        }""",
        filled,
    )
    assert statuses == [403] * 4


def test_an_engineer_of_one_campaign_makes_no_others(served: Served, filled: str, desk: Desk) -> None:
    page = desk.page
    go(served, page, f"campaign/{filled}", guest(served, "engineer", filled))
    expect(page.get_by_role("button", name="Settings")).to_be_visible()
    page.get_by_role("link", name="Campaigns").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Campaigns")
    expect(page.get_by_role("link", name="New campaign")).to_have_count(0)


def test_all_campaigns_at_a_glance(served: Served, filled: str, desk: Desk) -> None:
    page = desk.page
    made = [served.campaign(budget=30)["name"] for _ in range(8)]
    go(served, page, "")
    one = page.get_by_role("listitem").filter(has=page.get_by_role("link", name="docstrings <i>by topic"))
    expect(one).to_contain_text("labeling")
    expect(one).to_contain_text("93.8 %")
    expect(one).to_contain_text("437")
    expect(one).to_contain_text("104 left to ask")
    expect(one).to_contain_text("12% of the words are unknown")
    expect(one.get_by_role("img", name="accuracy by round, from 58.8 % to 93.8 %")).to_be_visible()
    page.get_by_role("searchbox", name="Filter").fill(made[3].upper())
    shown = page.locator(".campaign:visible")
    expect(shown).to_have_count(1)
    expect(shown).to_contain_text("30 left to ask")
    # The list is asked for again, and who stands on a link goes on standing there.
    link = page.get_by_role("link", name=made[3], exact=True)
    link.focus()
    served.http.patch(f"/v1/campaigns/{made[3]}", json={"paused": True})
    expect(shown).to_contain_text("paused", timeout=15_000)
    expect(link).to_be_focused()
    page.get_by_role("searchbox", name="Filter").fill("nothing is called so")
    expect(page.get_by_text("No campaign fits the filter.")).to_be_visible()


def test_sections_are_found_by_name_and_by_keyboard(served: Served, filled: str, desk: Desk) -> None:
    page = desk.page
    go(served, page, f"campaign/{filled}/queue")
    queue = page.locator("section", has=page.get_by_role("heading", name="Queue"))
    expect(queue).to_be_focused()
    expect(queue).to_be_in_viewport()
    contents = page.get_by_role("navigation", name="On this page")
    headings = page.locator("main section h2").all_text_contents()
    expect(contents.get_by_role("link")).to_have_count(len(headings))
    contents.get_by_role("link", name="Rounds").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-section=rounds]")).to_be_focused()
    assert page.url.endswith(f"/campaign/{filled}/rounds")
    page.reload()
    expect(page.locator("[data-section=rounds]")).to_be_focused()


def test_work_that_waits_for_workers_that_are_not_there_is_told(served: Served, desk: Desk) -> None:
    page, c = desk.page, served.campaign()["id"]
    served.post_lines(f"/v1/campaigns/{c}/pool", POOL)
    sign_in(served, page, c)
    work = page.locator("section", has=page.get_by_role("heading", name="Work"))
    expect(work).to_contain_text(
        re.compile(r"No \w+ worker( and no \w+ worker)* is there, and work waits for one\.")
    )


def test_the_form_is_filled_in_by_keyboard_alone(served: Served, desk: Desk) -> None:
    page = desk.page
    go(served, page, "new")
    page.reload()  # from another view the focus goes to the content
    expect(page.get_by_role("heading", level=1)).to_have_text("New campaign")
    page.locator("body").press("Tab")  # the first stop of the page
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    name = f"by keyboard {served.campaign()['name']}"
    page.get_by_label("Name").focus()
    for keys in (name, "Tab", "Tab", "yes", "Enter", "no"):
        if keys in ("Tab", "Enter"):
            page.keyboard.press(keys)
        else:
            page.keyboard.type(keys)
    page.get_by_label("Overlap").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    assert served.http.get(f"/v1/campaigns/{name}").json()["labels"] == ["yes", "no"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_view_is_accessible_and_fits(
    served: Served, filled: str, chromium: Browser, scheme: str, width: int
) -> None:
    visited = visit(chromium, scheme, width)
    page = visited.page

    def look(view: str) -> None:
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert (view, wide <= 0) == (view, True)
        assert (view, findings(page)) == (view, [])
        headings = page.evaluate(
            "[...document.querySelectorAll('h1, h2, h3')].map((one) => Number(one.tagName[1]))"
        )
        assert headings[0] == 1
        assert re.findall("null|undefined|NaN", page.locator("main").inner_text()) == []
        assert all(now <= before + 1 for before, now in pairwise(headings))

    page.goto(served.url)
    expect(page.get_by_label("Token")).to_be_visible()
    look("sign in")
    go(served, page, "")
    expect(page.get_by_role("heading", level=1)).to_have_text("Campaigns")
    expect(page.locator(".campaign").first).to_be_visible()
    look("list")
    page.goto(f"{served.url}/#/new")
    expect(page.get_by_role("button", name="Start the campaign")).to_be_visible()
    look("new campaign")
    page.goto(f"{served.url}/#/campaign/{filled}")
    expect(
        page.get_by_role("img", name="Learning curve").locator(".scatterlayer .trace").first
    ).to_be_visible()
    look("campaign")
    for name in ("Settings", "Export"):
        page.get_by_role("button", name=name, exact=True).click()
        expect(page.get_by_role("dialog", name=name)).to_be_visible()
        look(name)
        page.keyboard.press("Escape")
    empty = served.campaign()
    page.goto(f"{served.url}/#/campaign/{empty['id']}/data")
    expect(page.get_by_role("heading", level=1)).to_have_text(empty["name"])
    page.get_by_label("Files to send").set_input_files([file("pool.jsonl", POOL), file("d.txt", "text")])
    expect(receive(page).nth(1)).to_contain_text("ends with neither")
    look("data")
    assert visited.wrong == []
