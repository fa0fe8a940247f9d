"""A Label Studio that somebody else runs: none of our settings, a personal access token, away now and then."""

from dataclasses import replace
from pathlib import Path

import pytest

from service.demo.docstrings import Corpus
from service.label_studio.annotator import Annotator, personal_access_token
from service.label_studio.problems import problem
from service.settings import Settings
from service.stack.label_studio import LabelStudio
from service.stack.ports import free_port
from service.stack.processes import Program
from service.stack.stack import Stack
from tests.conftest import running
from tests.loop.world import World

BUDGET = 40


def foreign(server: LabelStudio) -> Program:
    """Label Studio as anyone starts it: no flags of ours, webhooks to private addresses and legacy tokens refused."""
    ours = server.program()
    names = (
        "PATH",
        "HOME",
        "LABEL_STUDIO_BASE_DATA_DIR",
        "LABEL_STUDIO_HOST",
        "COLLECT_ANALYTICS",
        "SENTRY_DSN",
    )
    names += ("LABEL_STUDIO_USERNAME", "LABEL_STUDIO_PASSWORD", "LATEST_VERSION_CHECK", "FRONTEND_SENTRY_DSN")
    return replace(
        ours,
        command=[str(server.venv / "bin" / "label-studio"), *ours.command[3:]],
        environ={name: ours.environ[name] for name in names if name in ours.environ},
        ready=lambda: server.answers(),
    )


@pytest.mark.timeout(500)
def test_a_campaign_on_somebody_elses_label_studio_that_goes_away(
    label_studio_settings: Settings, tmp_path: Path, docstrings: Corpus, model: str
) -> None:
    """Given a server that is away when the campaign is made, and again in its midst, then work goes on whenever it is
    back, without webhooks, and every answer is there once."""
    server = LabelStudio(
        label_studio_settings, tmp_path / "theirs", free_port(), "password 8412", "no-token-of-ours"
    )
    program = foreign(server)
    with running(program, tmp_path):
        token = personal_access_token(server.url, server.email, server.password)
    settings = Settings(
        data=str(tmp_path / "ours"),
        url="http://127.0.0.1:0",
        label_studio_url=server.url,
        label_studio_token=token,
    )
    labels, pool = docstrings.labels, docstrings.pool[1600:1800]
    truth = {one.text: one.label for one in pool}
    asks = problem("single_label", labels)
    with Stack(settings) as stack:
        stack.start()
        world = World(stack, server.folder)
        campaign = world.create(labels=labels, model=model, budget=BUDGET, round_size=20)
        world.post(f"/v1/campaigns/{campaign}/pool", [{"text": one.text} for one in pool])

        def answer(count: int) -> None:
            with Annotator(server.url, token) as annotator:
                for _ in range(count):
                    task = world.wait(lambda: annotator.next(project), "a task", 60)
                    annotator.submit(task, asks.to_result(truth[task.data["text"]]), 1.0)

        def trouble() -> str:
            return str(world.status(campaign)["label_studio_error"] or "")

        world.wait(lambda: "is it running?" in trouble(), "word that Label Studio is away", 60)
        with running(program, tmp_path):
            project = world.project(campaign)
            (warning,) = world.get(f"/v1/campaigns/{campaign}")["warnings"]
            assert "takes no webhook" in warning
            answer(BUDGET // 2)
            world.wait(lambda: world.last_round(campaign).get("ranked_at"), "the first round")
            world.wait(lambda: world.label_studio.model_version(project) == "r1", "its order", 60)
            assert not trouble()
        world.wait(lambda: "is it running?" in trouble(), "word that Label Studio is away again", 60)
        renamed = world.api.patch(f"/v1/campaigns/{campaign}", json={"name": f"{campaign} renamed"})
        assert renamed.status_code == 200, renamed.text
        with running(program, tmp_path):
            answer(BUDGET // 2)
            world.wait(lambda: world.status(campaign)["phase"] == "budget reached", "the budget", 60)
            world.wait(lambda: world.last_round(campaign).get("labels") == BUDGET, "the last round")
            world.assert_nothing_lost(campaign, project)
            shown = world.label_studio.send("GET", f"/api/projects/{project}/").json()
            assert shown["title"] == f"{campaign} renamed"
        world.close()
