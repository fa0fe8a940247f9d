"""Labeled examples like one: the route, and the page in a real browser."""

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from service.store import campaigns
from tests.filling import encode
from tests.http.conftest import TOPICS, Served, fill
from tests.http.test_page import sign_in, visit


@pytest.fixture(scope="module")
def read(served: Served) -> str:
    """A campaign whose pool was read: its embeddings lie on a circle, text by text."""
    c = fill(served, "alike")
    assert served.http.get(f"/v1/campaigns/{c}/similar/0-440").status_code == 409
    with served.api.database.transaction() as connection:
        campaigns.change(connection, c, encoder="tiny")
        angles = np.linspace(0, 1, 600)
        encode(connection, served.api.files, c, 0, np.stack([np.cos(angles), np.sin(angles)], axis=1))
    return c


def test_similar_examples(served: Served, read: str) -> None:
    """Given base embeddings, then the labeled texts nearest to one are shown with what was said of them; for none that
    is asked blind."""
    path = f"/v1/campaigns/{read}/similar"

    found = served.http.get(f"{path}/0-440").json()

    assert (found["id"], len(found["similar"])) == ("doc-440", 10)
    assert {one["id"] for one in found["similar"]} <= {f"doc-{at}" for at in range(400, 437)}
    assert {one["answer"] for one in found["similar"]} <= set(TOPICS)
    refused = [served.http.get(f"{path}/{key}") for key in ("0-3", "0-100", "odd", "0-600")]
    assert [one.status_code for one in refused] == [409, 409, 422, 404]


def test_the_page_of_similar_examples(served: Served, read: str, chromium: Browser) -> None:
    """Given a visitor who is not signed in, then the page says where to; else it shows texts and what was said of them,
    and of a blind one nothing but that it is."""
    visited = visit(chromium)
    page = visited.page
    page.goto(f"{served.url}/similar/{read}/0-440")
    expect(page.get_by_role("alert")).to_contain_text("Sign in on the dashboard")
    visited.wrong.clear()  # the 401

    sign_in(served, page, read)
    link = page.get_by_role("link", name="similar").first
    assert link.get_attribute("href") == f"{served.settings.url}/similar/{read}/0-440"
    page.goto(f"{served.url}/similar/{read}/0-440")

    expect(page.get_by_role("heading", level=1)).to_have_text("Similar labeled examples")
    expect(page.get_by_role("listitem")).to_have_count(10)
    expect(page.get_by_role("listitem").first).to_contain_text("100.0 % alike")
    expect(page.get_by_text("<b>not bold</b>").first).to_be_visible()
    assert visited.wrong == []
    page.goto(f"{served.url}/similar/{read}/0-3")
    expect(page.get_by_role("alert")).to_contain_text("is asked blind")
