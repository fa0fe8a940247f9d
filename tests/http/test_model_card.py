"""The model card inside a downloaded adapter."""

import io
import json
import tarfile

import pytest
import yaml
from huggingface_hub import ModelCard

from service import standalone
from service.store import campaigns, rounds
from tests.http.conftest import MEASURED, ROUNDS, TOPICS, Served, fill


def card(served: Served, campaign: str, number: int) -> str:
    response = served.http.get(f"/v1/campaigns/{campaign}/adapters/{number}")
    assert response.status_code == 200, response.text
    with tarfile.open(fileobj=io.BytesIO(response.content)) as tar:
        file = tar.extractfile(f"{campaign}-round-{number}/README.md")
        assert file is not None
        return file.read().decode()


def test_its_front_matter_is_hugging_faces(served: Served, filled: str) -> None:
    text = card(served, filled, 3)
    matter = yaml.safe_load(text.split("---\n")[1])
    assert (matter["base_model"], matter["library_name"]) == ("all-MiniLM-L6-v2", "peft")
    (result,) = ModelCard(text).data.eval_results
    assert (result.task_type, result.metric_type) == ("text-classification", "accuracy")
    assert result.metric_value == round((40 + 7 * 3) / MEASURED, 4)


def test_it_tells_what_is_known(served: Served, filled: str) -> None:
    text = card(served, filled, 3)
    for words in (
        f"\n{', '.join(TOPICS)}\n",
        "Trained on the labels of 180 texts",
        "- 80 hold-out: drawn at random, only measures.",
        "- 80 control: drawn at random, trains too.",
        "On 80 examples of the hold-out",
        # 61 of 80; Wilson: (.7625 + z²/160 ± z √(.7625 · .2375/80 + z²/25600)) / (1 + z²/80) with z = 1.96.
        "| accuracy | 0.762 [0.659, 0.842] |",
        "| accuracy of logistic regression, same labels | 0.637 |",
        "| 1 | 60 | 0.588 [0.478, 0.689] | – |",
        "| 3 | 180 | 0.762 [0.659, 0.842] |",
        "Its commonest errors: ",
        "postil audit",
        "Campaign `" + filled,
    ):
        assert words in text, f"{words!r} is not in\n{text}"
    assert "| 4 | 240 |" not in text
    assert standalone.use("single_label") in text
    assert "| 5 | 300 |" in card(served, filled, ROUNDS)


def test_it_is_of_today(served: Served) -> None:
    c = fill(served, "carded")
    api = served.api
    manifest = {
        "max_length": 256,
        "temperature": 0.8125,
        "lineage": {"packages": {"torch": "2.13.0"}},
    }
    with api.database.transaction() as connection:
        with api.files.new(f"adapters/{c}/whole") as folder:
            (folder / "postil.json").write_text(json.dumps(manifest))
        people = [
            {"annotator": 1, "answers": 90, "accuracy": 0.95},
            {"annotator": 2, "answers": 9, "accuracy": None},
        ]
        facts = {"trained_on": 300, "control_labels": 80, "near_measured": 2, "propagated": 7}
        rounds.change(connection, c, 5, adapter=f"adapters/{c}/whole", metrics=facts | {"annotators": people})
        campaigns.change(connection, c, name="<b>| pipes")
    text = card(served, c, 5)
    for words in (
        "# \\<b\\>\\| pipes, round 5",
        "after a temperature of 0.812 fitted",
        "Of a text the first 256 tokens are read.",
        "- 2 were left out: their texts are like one that measures.",
        "- 7 near-duplicates trained",
        "2 annotators, with so many answers, and as often right as the round took them for: 90 (0.95 right), 9.",
        "Made with torch 2.13.0.",
        "| law | 40 |",
    ):
        assert words in text, f"{words!r} is not in\n{text}"
    renamed = {"rename": "numbers", "to": "figures"}
    assert served.http.post(f"/v1/campaigns/{c}/labels/changes", json=renamed).status_code == 201
    assert "| figures | 20 |" in card(served, c, 5)
    assert "networking, data formats, numbers, dates" in card(served, c, 5)


@pytest.mark.parametrize("problem", ["multi_label", "spans"])
def test_the_lines_of_each_problem_are_python(problem: str) -> None:
    compile(standalone.use(problem), problem, "exec")
