"""The page at `/`, in a real browser against a real server."""

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect

from service.store import events, jobs, labels, rounds
from service.store.labels import Revision
from tests.filling import answer
from tests.http.conftest import ROUNDS, TOPICS, Served, fill
from tests.http.test_people import finish


class Visit:
    """A page, and what went wrong on it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.wrong: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("requestfailed", self._failed)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(message.text)

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the page left what it had asked for
            self.wrong.append(f"{request.method} {request.url}: {request.failure}")


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def visit(browser: Browser, scheme: str = "light", width: int = 1280) -> Visit:
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})  # type: ignore[arg-type]
    return Visit(context.new_page())


@pytest.fixture
def visited(chromium: Browser) -> Iterator[Visit]:
    visited = visit(chromium)
    yield visited
    assert visited.wrong == []


def sign_in(served: Served, page: Page, campaign: str) -> None:
    page.goto(f"{served.url}/#token={served.token}")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.goto(f"{served.url}/#/campaign/{campaign}")


@pytest.mark.parametrize("width", [1280, 390])
def test_a_campaign_is_shown_without_errors_and_fits(
    served: Served, filled: str, chromium: Browser, scheme: str, width: int
) -> None:
    visited = visit(chromium, scheme, width)
    page = visited.page
    sign_in(served, page, filled)
    expect(page.get_by_role("heading", level=1)).to_have_text("docstrings <i>by topic")
    curve = page.get_by_role("img", name="Learning curve")
    expect(curve).to_have_attribute("aria-label", re.compile("Round 5: 93.8 % right"))
    expect(curve.locator(".scatterlayer .trace")).to_have_count(5 + 3)
    expect(curve.locator(".scatterlayer .trace .point")).to_have_count(3 * ROUNDS)
    expect(page.locator("[aria-live=polite]")).to_have_text("labeling")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert visited.wrong == []


def test_the_curve_says_what_was_saved_and_what_more_would_bring(
    served: Served, filled: str, visited: Visit
) -> None:
    page = visited.page
    sign_in(served, page, filled)
    words = page.locator("section", has=page.get_by_role("heading", name="Learning curve")).locator("p")
    saved = r"^(About|Perhaps) −?[\d,]+ labels saved so far \[.+\] against random draws \(extrapolated\)\.$"
    expect(words.get_by_text("saved so far")).to_have_text(re.compile(saved))
    more = (
        r"^Predictions still change: kappa( 0\.\d\d,?){3} from round to round\. Expected of 100 labels more: "
    )
    expect(words.get_by_text("Predictions")).to_have_text(re.compile(more))


def test_domains_and_classes_with_the_weakest_named(served: Served, filled: str, visited: Visit) -> None:
    page = visited.page
    sign_in(served, page, filled)
    found = served.http.get(f"/v1/campaigns/{filled}/curve/groups").json()
    card = page.locator("section", has=page.get_by_role("heading", name="Domains and classes"))
    rows = card.locator("tbody tr")
    expect(rows).to_have_count(2 + len(TOPICS))
    for row, one in zip(rows.all(), [*found["domains"], *found["classes"]], strict=True):
        expect(row).to_contain_text(one["name"])
        expect(row).to_contain_text(f"{100 * one['score']['value']:.1f} %")
    weak = found["weakest"]["domain"]["group"]["name"]
    expect(card.locator("p").first).to_have_text(
        re.compile(
            rf"eakest domain: {weak}, accuracy .+ on 40 examples, 93.8 % of all. 50.0 % of the examples and"
        )
    )
    expect(card.locator("p").nth(1)).to_have_text(re.compile("eakest class: .+ of the errors"))


def test_all_parts_of_a_campaign(served: Served, filled: str, visited: Visit) -> None:
    page = visited.page
    sign_in(served, page, filled)
    rows = page.get_by_role("region", name="Rounds").locator("tbody tr")
    expect(rows).to_have_count(ROUNDS + 1)
    expect(rows.first).to_contain_text("training")
    expect(rows.nth(1)).to_contain_text("93.8 %")
    tasks = page.get_by_role("list", name="Queue").get_by_role("listitem")
    expect(tasks).to_have_count(59)
    expect(tasks.first).to_contain_text("<b>not bold</b> & the rest")
    expect(tasks.first).to_contain_text("margin 0.12 between dates and numbers")
    expect(tasks.first.get_by_role("link", name="open")).to_have_attribute(
        "href", "http://127.0.0.1:9/projects/7/data?task=2440"
    )
    expect(page.get_by_role("link", name="Open Label Studio")).to_have_attribute(
        "href", "http://127.0.0.1:9/projects/7"
    )
    bar = page.get_by_role("progressbar", name="round 6: training on 356 labels")
    expect(bar).to_have_js_property("value", 0.42)
    expect(page.get_by_text("12% of the words are unknown").first).to_be_visible()
    expect(page.locator(".counts")).to_contain_text("437")
    assert page.locator("main b, main i").count() == 0
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the adapter of round 2").click()
    assert download.value.suggested_filename == f"{filled}-round-2.tar"


def test_what_happens_is_seen_without_a_reload(served: Served, visited: Visit) -> None:
    page, c = visited.page, served.campaign()["id"]
    sign_in(served, page, c)
    phase = page.locator("[aria-live=polite]")
    expect(phase).to_have_text("waiting for a pool")
    expect(page.get_by_text("The curve begins with the first round")).to_be_visible()
    served.post_lines(f"/v1/campaigns/{c}/pool", '{"text": "one"}\n{"text": "two"}\n')
    expect(phase).to_have_text("labeling")
    expect(page.get_by_role("list", name="Log")).to_contain_text("upload finished")
    with served.api.database.transaction() as connection:
        jobs.add(connection, jobs.NewJob(c, "encode:0", "encode", f"test-{c}"))
        claim = jobs.claim(connection, f"test-{c}", "me", lease_s=600)
        assert claim is not None
        jobs.renew(connection, claim, {"done": 1, "total": 4, "doing": "encoding shard 0"}, 600)
        rounds.start(connection, c, 1, label_version=0, labels=0, shards=[0], strategy="margin", seed=0)
        events.record(connection, c, "round-started", round=1)
    expect(page.get_by_role("progressbar", name="encoding shard 0")).to_have_js_property("value", 0.25)
    expect(page.get_by_role("region", name="Rounds").locator("tbody tr")).to_contain_text("training")


def test_pause_and_resume(served: Served, visited: Visit) -> None:
    page, c = visited.page, served.campaign()["id"]
    sign_in(served, page, c)
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("[aria-live=polite]")).to_have_text("paused")
    assert served.http.get(f"/v1/campaigns/{c}").json()["paused"] is True
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    assert served.http.get(f"/v1/campaigns/{c}").json()["paused"] is False


def test_a_campaign_that_is_deleted_is_told(served: Served, visited: Visit) -> None:
    page, c = visited.page, served.campaign()["id"]
    sign_in(served, page, c)
    expect(page.locator("[aria-live=polite]")).to_have_text("waiting for a pool")
    with page.expect_console_message(lambda one: "404" in one.text):  # the browser tells of it, too
        assert served.http.delete(f"/v1/campaigns/{c}").status_code == 204
    expect(page.get_by_role("status")).to_have_text("Deleted")
    visited.wrong.clear()


def test_the_token_leaves_the_address_and_no_script_can_read_what_stands_for_it(
    served: Served, filled: str, visited: Visit
) -> None:
    page = visited.page
    page.goto(f"{served.url}/#token={served.token}")
    expect(page.get_by_role("link", name="docstrings <i>by topic").first).to_be_visible()
    assert served.token not in page.url
    page.reload()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    kept = "JSON.stringify([document.cookie, {...sessionStorage}, {...localStorage}])"
    assert page.evaluate(kept) == '["",{},{"postil-signed-in":"1"}]'
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Token")).to_be_visible()
    assert page.evaluate("Object.values(sessionStorage).length + Object.values(localStorage).length") == 0
    assert page.context.cookies() == []


def test_a_viewer_sees_no_switch(served: Served, filled: str, visited: Visit) -> None:
    made = served.http.post("/v1/tokens", json={"name": "guest", "access": "viewer", "campaigns": [filled]})
    page = visited.page

    page.goto(f"{served.url}/#token={made.json()['secret']}")

    # The only campaign it is for opens at once.
    expect(page.get_by_role("heading", level=1)).to_have_text("docstrings <i>by topic")
    expect(page.get_by_role("heading", name="Learning curve")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Pause|Resume"))).to_have_count(0)


def test_signing_in_by_hand(served: Served, filled: str, chromium: Browser) -> None:
    page = visit(chromium).page
    page.goto(served.url)
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("That token is not known here.")
    page.get_by_label("Token").fill(served.token)
    page.get_by_label("Token").press("Enter")
    expect(page.get_by_role("heading", name="Campaigns", level=1)).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="docstrings <i>by topic").click()
    expect(page.get_by_role("heading", name="Learning curve")).to_be_visible()


def test_files_carry_their_version_and_may_be_kept(served: Served) -> None:
    html = httpx.get(served.url)
    assert html.headers["cache-control"] == "no-cache"
    addresses = re.findall(r'"(/static/[^"]+)"', html.text)
    assert len(addresses) == 5
    for address in addresses:
        file = httpx.get(f"{served.url}{address}")
        assert (file.status_code, "?v=" in address) == (200, True)
        assert file.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert httpx.get(f"{served.url}/static/api.js").headers["cache-control"] == "no-cache"


def test_who_answers_and_where_they_differ(served: Served, visited: Visit) -> None:
    c = fill(served, "people who differ")
    page = visited.page
    sign_in(served, page, c)
    differ = page.get_by_label("Disagreements")
    expect(differ).to_have_text("No two people said different things of a text.")
    with served.api.database.transaction() as connection:
        answer(connection, c, {100: {2: "dates"}, 101: {2: TOPICS[101 % 4]}})
        (first,) = [row for row in labels.current(connection, c) if row.row == 100]
        revised = Revision(first.version, first.value, 0.4, 0.4, "1 of 2 answers, right with 40%")
        labels.revise(connection, c, [revised])
        events.record(connection, c, "labels-weighed", round=6, changed=1)
    expect(differ).to_contain_text("40%", timeout=30_000)
    expect(differ).to_contain_text("dates#2: dates#1: networking")
    people = page.get_by_role("region", name="Annotators").locator("tbody tr")
    expect(people).to_have_count(2)
    expect(people.last).to_contain_text("#2")


def test_an_audit_is_asked_for_and_shown_with_its_advice(served: Served, visited: Visit) -> None:
    c = fill(served, "audited")
    page = visited.page
    sign_in(served, page, c)
    card = page.locator("section", has=page.get_by_role("heading", name="Audit of pool and labels"))
    expect(card).to_contain_text("Nobody looked yet.")
    card.get_by_role("button", name="Look now").click()
    expect(card.get_by_role("button")).to_be_disabled()
    finish(served, c)
    with served.api.database.transaction() as connection:
        events.record(connection, c, "audited", advice=1)
    expect(card).to_contain_text("Label: there is none.", timeout=10_000)
    expect(card).to_contain_text("unknown exact, 11.1 %")
    card.get_by_text("Repeated most (1)").click()
    expect(card.get_by_text("<b>twice</b>")).to_be_visible()
    expect(card.get_by_role("button")).to_be_enabled()


def test_what_it_costs_is_told_with_its_advice(served: Served, visited: Visit) -> None:
    c = fill(served, "costs on a page")
    served.http.patch(f"/v1/campaigns/{c}", json={"hour_price": 36.0, "currency": "<b>EUR", "budget": 490})
    page = visited.page
    sign_in(served, page, c)
    card = page.locator("section", has=page.get_by_role("heading", name="What it costs"))
    expect(card).to_contain_text("So far: 15 min (8.82 <b>EUR) of people and 42 s of workers.")
    by_round = page.get_by_role("region", name="Cost by round").locator("tbody tr")
    expect(by_round).to_have_count(ROUNDS + 2)
    expect(by_round.last).to_contain_text("opening–49643715 min0.0 s8.82 <b>EUR")
    expect(page.get_by_role("region", name="What more labels cost").locator("tbody tr")).to_have_count(3)
    expect(page.get_by_text("the budget of answers is used up")).to_be_visible()
    assert page.locator("main b").count() == 0
    served.http.patch(f"/v1/campaigns/{c}", json={"hour_price": 72.0})
    expect(card).to_contain_text("17.64 <b>EUR", timeout=45_000)
