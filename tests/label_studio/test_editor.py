"""Label Studio's page in a real browser: what the API cannot show."""

import uuid

import pytest
from playwright.sync_api import Browser, Page, expect

from service.label_studio.annotator import invite
from service.label_studio.client import Client
from service.label_studio.problems import MultiLabel, SingleLabel, Spans
from service.label_studio.tasks import NewTask
from service.vocabulary import MARK
from tests.label_studio.conftest import PASSWORD

TEXT = "<b>not bold</b> & <img src=x onerror=alert(1)> $ext_id"
LABELS = ("plain", "$text & <i>more</i>")


def opened(client: Client, project: int, browser: Browser) -> Page:
    """The project's first task, before a new person."""
    email = f"{uuid.uuid4().hex[:12]}@postil.test"
    invite(client, email, PASSWORD)
    page = browser.new_page()
    page.goto(f"{client.url}/user/login/")
    page.fill("input[name=email]", email)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "login" not in url)
    page.goto(f"{client.url}/projects/{project}/data?labeling=1")
    return page


def submit(page: Page) -> None:
    with page.expect_response(lambda response: "/annotations" in response.url) as sent:
        page.get_by_role("button", name="Submit").first.click()
    assert sent.value.status == 201


def mark(page: Page, word: str) -> None:
    """Drag the mouse over the word's last place in the text."""
    box = page.evaluate(
        """word => {
            const walker = document.createTreeWalker(document.querySelector(".lsf-htx-richtext"), NodeFilter.SHOW_TEXT);
            let found = null;
            while (walker.nextNode()) if (walker.currentNode.data.includes(word)) found = walker.currentNode;
            const range = document.createRange();
            const start = found.data.lastIndexOf(word);
            range.setStart(found, start);
            range.setEnd(found, start + word.length);
            const { left, right, top, bottom } = range.getBoundingClientRect();
            return { left, right, middle: (top + bottom) / 2 };
        }""",
        word,
    )
    page.mouse.move(box["left"] + 1, box["middle"])
    page.mouse.down()
    page.mouse.move(box["right"] - 1, box["middle"], steps=5)
    page.mouse.up()


def test_a_person_sees_text_and_labels_as_they_are(client: Client, chromium: Browser) -> None:
    labels = SingleLabel(LABELS)
    project = client.ensure_project("Editor", labels.label_config(), "", f"postil:{uuid.uuid4()}")
    client.import_tasks(
        project,
        [
            NewTask({"text": TEXT, "ext_id": "shown"}, "r0", 0.1, labels.to_result(LABELS[1], 0.7)),
            NewTask({"text": "http://127.0.0.1:1/address.txt", "ext_id": "blind"}, "r0", 0.2, []),
        ],
    )

    page = opened(client, project, chromium)

    # pre-annotated: the text is no markup, the label no variable
    expect(page.get_by_text(TEXT, exact=True)).to_be_visible(timeout=30_000)
    expect(page.locator("input[type=checkbox]:checked")).to_have_count(1)
    submit(page)

    # blind: the address is shown, not fetched; nothing is ticked; the hotkey answers
    expect(page.get_by_text("http://127.0.0.1:1/address.txt", exact=True)).to_be_visible(timeout=30_000)
    expect(page.locator("input[type=checkbox]:checked")).to_have_count(0)
    page.keyboard.press("2")
    expect(page.locator("input[type=checkbox]:checked")).to_have_count(1)
    submit(page)

    found = {task.ext_id: task for pages in client.changed_tasks(project, None) for task in pages}
    (shown,) = found["shown"].annotations
    (blind,) = found["blind"].annotations
    assert (labels.from_result(shown.result), shown.result[0]["origin"]) == (LABELS[1], "prediction")
    assert (labels.from_result(blind.result), blind.result[0]["origin"]) == (LABELS[1], "manual")
    assert shown.lead_time is not None
    assert None not in (shown.parent_prediction, blind.parent_prediction)


def test_a_person_chooses_several_labels_or_none(client: Client, chromium: Browser) -> None:
    labels = MultiLabel(("sport", "$text", "law"))
    project = client.ensure_project("Topics", labels.label_config(), "", f"postil:{uuid.uuid4()}")
    shown = labels.show({"labels": ["sport", "$text"], "confidences": {"sport": 0.9, "$text": 0.6}})
    client.import_tasks(
        project,
        [
            NewTask({"text": "pre-annotated", "ext_id": "shown"}, "r0", 0.1, shown),
            NewTask({"text": "none of them", "ext_id": "blind"}, "r0", 0.2, []),
        ],
    )
    page = opened(client, project, chromium)
    ticked = page.locator("input[type=checkbox]:checked")

    expect(page.get_by_text("pre-annotated", exact=True)).to_be_visible(timeout=30_000)
    expect(ticked).to_have_count(2)
    page.keyboard.press("1")
    expect(ticked).to_have_count(1)
    page.keyboard.press("3")
    expect(ticked).to_have_count(2)
    submit(page)
    expect(page.get_by_text("none of them", exact=True)).to_be_visible(timeout=30_000)
    expect(ticked).to_have_count(0)
    submit(page)

    found = {task.ext_id: task.annotations for page_ in client.changed_tasks(project, None) for task in page_}
    assert labels.from_result(found["shown"][0].result) == ["$text", "law"]
    assert labels.from_result(found["blind"][0].result) == []


def test_a_page_that_is_open_while_labels_change(client: Client, chromium: Browser) -> None:
    """Given a page that shows a label which is then gone, then it says that label still; the next page shows the new
    ones, of which one has a mark that nobody sees, and an answer from before is shown without its label."""
    old, new = SingleLabel(("plain", "odd")), SingleLabel(("odd" + MARK, "curious", "simple"))
    project = client.ensure_project("Changing", old.label_config(), "", f"postil:{uuid.uuid4()}")
    tasks = [NewTask({"text": f"text {at}", "ext_id": f"{at}"}, "r0", at / 10, []) for at in (1, 2)]
    client.import_tasks(project, tasks)
    page = opened(client, project, chromium)
    expect(page.get_by_text("text 1", exact=True)).to_be_visible(timeout=30_000)

    client.update_labels(project, new.label_config())
    page.keyboard.press("2")
    submit(page)
    expect(page.get_by_text("text 2", exact=True)).to_be_visible(timeout=30_000)
    page.reload()
    expect(page.get_by_text("text 2", exact=True)).to_be_visible(timeout=30_000)
    expect(page.get_by_text("curious").first).to_be_visible()
    page.keyboard.press("1")
    expect(page.locator("input[type=checkbox]:checked")).to_have_count(1)
    submit(page)

    found = {task.ext_id: task for pages in client.changed_tasks(project, None) for task in pages}
    said = {key: task.annotations[0].result[0]["value"]["choices"] for key, task in found.items()}
    assert said == {"1": ["odd"], "2": ["odd" + MARK]}
    page.goto(f"{client.url}/projects/{project}/data?task={found['1'].id}")
    expect(page.get_by_text("text 1", exact=True).last).to_be_visible(timeout=30_000)
    expect(page.locator("input[type=checkbox]:checked")).to_have_count(0)


@pytest.mark.parametrize(
    "before",
    [
        "\U0001f600 ",  # two UTF-16 code units
        "Cafe\u0301 \U0001f468\u200d\U0001f469\u200d\U0001f467\U0001f3fd ",  # characters that combine
        "one\r\n two\n\n\tthree\r",  # ends of lines, white space that is not shown
        "&amp; <b>x</b>\u00a0\u2028 ",
    ],
)
def test_offsets_are_those_of_pythons_characters(client: Client, chromium: Browser, before: str) -> None:
    """A prediction is marked where it should be, and what a person marks arrives as the same stretch of the text."""
    entities = Spans(("PER", "$text"))
    text = f"{before}Bob saw \U0001f600Eve"
    project = client.ensure_project("Entities", entities.label_config(), "", f"postil:{uuid.uuid4()}")
    at = len(before)
    spans = [{"start": at, "end": at + 3, "label": "PER", "confidence": 0.9}]
    client.import_tasks(
        project,
        [
            NewTask({"text": text, "ext_id": "shown"}, "r0", 0.1, entities.show({"spans": spans})),
            NewTask({"text": "nothing here", "ext_id": "blind"}, "r0", 0.2, []),
        ],
    )
    page = opened(client, project, chromium)

    expect(page.locator(".htx-highlight")).to_have_text("Bob", timeout=30_000)
    page.keyboard.press("2")
    mark(page, "Eve")
    expect(page.locator(".htx-highlight")).to_have_count(2)
    submit(page)
    expect(page.get_by_text("nothing here", exact=True)).to_be_visible(timeout=30_000)
    submit(page)

    found = {task.ext_id: task.annotations for page_ in client.changed_tasks(project, None) for task in page_}
    (shown,) = found["shown"]
    eve = text.index("Eve")
    assert entities.from_result(shown.result, text) == [
        {"start": at, "end": at + 3, "label": "PER"},
        {"start": eve, "end": eve + 3, "label": "$text"},
    ]
    assert [(one["value"]["text"], one["origin"]) for one in shown.result] == [
        ("Bob", "prediction"),
        ("Eve", "manual"),
    ]
    assert entities.from_result(found["blind"][0].result, "nothing here") == []


def test_the_instruction_opens_and_nothing_else_stands_beside_the_text(
    client: Client, chromium: Browser
) -> None:
    """Given a task with reason, confidence and similar examples, then its page shows the instruction, the text
    and the labels, and none of these."""
    labels = SingleLabel(("good", "bad"))
    project = client.ensure_project(
        "Instructed", labels.label_config(), "Read it.\nThen choose <one>.", f"postil:{uuid.uuid4()}"
    )
    told = {
        "reason": "margin: good or bad?",
        "confidence": 0.51,
        "similar": "http://127.0.0.1:9/similar/c/0-1",
    }
    data = {"text": "So so.", "ext_id": "told", **told}
    client.import_tasks(project, [NewTask(data, "r0", 0.1, labels.to_result("good", 0.51))])

    page = opened(client, project, chromium)

    expect(page.get_by_text("So so.", exact=True)).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Then choose <one>.").first).to_be_visible()
    for words in ("margin", "similar", "0.51"):
        expect(page.get_by_text(words)).to_have_count(0)
