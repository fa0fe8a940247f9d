"""Label Studio's page in a real browser: what the API cannot show."""

import uuid
from typing import Any

from playwright.sync_api import Browser, expect

from service.label_studio.annotator import invite
from service.label_studio.client import Client
from service.label_studio.problems import SingleLabel
from service.label_studio.tasks import NewTask
from tests.label_studio.conftest import PASSWORD

TEXT = "<b>not bold</b> & <img src=x onerror=alert(1)> $ext_id"
LABELS = ("plain", "$text & <i>more</i>")


def test_a_person_sees_text_and_labels_as_they_are(
    client: Client, label_studio: Any, chromium: Browser
) -> None:
    email = f"{uuid.uuid4().hex[:12]}@postil.test"
    invite(client, email, PASSWORD)
    labels = SingleLabel(LABELS)
    project = client.ensure_project("Editor", labels.label_config(), "", f"postil:{uuid.uuid4()}")
    client.import_tasks(
        project,
        [
            NewTask({"text": TEXT, "ext_id": "shown"}, "r0", 0.1, labels.to_result(LABELS[1], 0.7)),
            NewTask({"text": "http://127.0.0.1:1/address.txt", "ext_id": "blind"}, "r0", 0.2, []),
        ],
    )

    page = chromium.new_page()
    page.goto(f"{label_studio.url}/user/login/")
    page.fill("input[name=email]", email)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "login" not in url)
    page.goto(f"{label_studio.url}/projects/{project}/data?labeling=1")
    submit = page.get_by_role("button", name="Submit").first

    # pre-annotated: the text is no markup, the label no variable
    expect(page.get_by_text(TEXT, exact=True)).to_be_visible(timeout=30_000)
    expect(page.locator("input[type=checkbox]:checked")).to_have_count(1)
    submit.click()

    # blind: the address is shown, not fetched; nothing is ticked; the hotkey answers
    expect(page.get_by_text("http://127.0.0.1:1/address.txt", exact=True)).to_be_visible(timeout=30_000)
    expect(page.locator("input[type=checkbox]:checked")).to_have_count(0)
    page.keyboard.press("2")
    expect(page.locator("input[type=checkbox]:checked")).to_have_count(1)
    with page.expect_response(lambda response: "/annotations" in response.url) as sent:
        submit.click()
    assert sent.value.status == 201

    found = {task.ext_id: task for pages in client.changed_tasks(project, None) for task in pages}
    (shown,) = found["shown"].annotations
    (blind,) = found["blind"].annotations
    assert (labels.from_result(shown.result), shown.result[0]["origin"]) == (LABELS[1], "prediction")
    assert (labels.from_result(blind.result), blind.result[0]["origin"]) == (LABELS[1], "manual")
    assert shown.lead_time is not None
    assert None not in (shown.parent_prediction, blind.parent_prediction)
