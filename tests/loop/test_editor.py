"""A person's browser: a task is open while a round ends and puts the queue in a new order."""

import pytest
from playwright.sync_api import Browser

from service.demo.docstrings import Corpus
from service.label_studio.problems import problem
from tests.loop.world import World


@pytest.mark.timeout(400)
def test_an_open_task_outlives_a_rerank(
    world: World, docstrings: Corpus, model: str, chromium: Browser
) -> None:
    labels, pool = docstrings.labels, docstrings.pool[1300:1600]
    campaign = world.create(labels=labels, model=model, round_size=25, low_water=40)
    world.post(f"/v1/campaigns/{campaign}/pool", [{"text": one.text} for one in pool])
    project = world.project(campaign)
    asks = problem("single_label", labels)
    truth = {one.text: one.label for one in pool}
    addresses = world.stack.addresses()
    page = chromium.new_page()
    page.goto(f"{addresses.label_studio}/user/login/")
    page.fill("input[name=email]", addresses.label_studio_email)
    page.fill("input[name=password]", addresses.label_studio_password)
    page.click("button[type=submit]")
    page.goto(f"{addresses.label_studio}/projects/{project}/data?labeling=1")
    page.wait_for_selector("text=Submit")
    page.locator(f"input[name='{labels[0]}']").first.check()
    before = set(world.answers_in_label_studio(project))
    with world.annotator() as someone:
        for _ in range(25):
            task = someone.next(project)
            assert task is not None
            someone.submit(task, asks.to_result(truth[task.data["text"]]), 1.0)
    world.wait(
        lambda: [one for one in world.rounds(campaign) if one["ranked_at"]], "a round that ranks the queue"
    )
    world.wait(lambda: world.label_studio.model_version(project) == "r1", "the new order in Label Studio", 60)
    others = before | set(world.answers_in_label_studio(project))
    page.get_by_role("button", name="Submit").first.click()
    new = world.wait(
        lambda: set(world.answers_in_label_studio(project)) - others, "the open task's answer", 30
    )
    assert len(new) == 1
    world.assert_nothing_lost(campaign, project)
