"""What MLflow and TensorBoard are told: the real ones, in folders."""

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from service.measure import single_label
from service.records import Campaign
from service.rounds.advance import advance
from service.settings import Settings
from service.store import campaigns, events, rounds
from service.store.campaigns import NewCampaign
from service.store.database import Database
from tests import topical
from tests.conftest import missing
from tests.filling import answer
from workers import door, trackers
from workers.context import Context

# Of the packages', which are none of ours.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    if find_spec("mlflow") is None or find_spec("tensorboard") is None:
        missing("there are no trackers: pip install 'postil[mlflow,tensorboard]'")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    for name in trackers.PATIENCE:
        monkeypatch.delenv(name, raising=False)


def told_to_mlflow(folder: Path, name: str) -> list[tuple[int, float]]:
    """(step, value) of a metric in the one run that there is."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=str(folder))
    experiment = client.get_experiment_by_name(trackers.EXPERIMENT)
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    return [(one.step, one.value) for one in client.get_metric_history(run.info.run_id, name)]


def told_to_tensorboard(folder: Path, name: str) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (run,) = folder.iterdir()
    read = EventAccumulator(str(run)).Reload()
    return [(one.step, pytest.approx(one.value)) for one in read.Scalars(name)]


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    database = Database(f"sqlite:///{tmp_path / 'postil.sqlite'}")
    database.upgrade()
    with database.transaction() as connection:
        made = campaigns.create(connection, NewCampaign("what? a/name..", ["a", "b"], "none"))
    database.close()
    return made


def test_numbers_have_names_that_trackers_take() -> None:
    probabilities = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.6, 0.4, 0.0]])
    metrics = single_label.measure(probabilities, np.array([0, 1, 1]), np.random.default_rng(0))
    found = trackers.numbers(metrics, ["müde ✓", "a/b", "a.b"], {"labels": 3})
    assert found["labels"] == 3
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["accuracy_low"] < found["accuracy"] < found["accuracy_high"]
    # Of the class "a/b" one of two was found, and nothing else was said to be it.
    assert (found["precision_of/a_b_1"], found["recall_of/a_b_1"]) == (1.0, 0.5)
    assert found["f1_of/müde _"] == pytest.approx(2 / 3)
    assert {"f1_of/a_b_2", "ece", "log_loss"} <= found.keys()
    assert not any(one.startswith(f"{name}/") for one in found for name in found)
    assert trackers.numbers(None, ["a"], {"labels": 3}) == {"labels": 3}


def test_each_tracker_has_a_campaigns_rounds_in_one_place(campaign: Campaign, tmp_path: Path) -> None:
    settings = Settings(mlflow_url=str(tmp_path / "mlflow"), tensorboard=str(tmp_path / "boards"))
    for step in (50, 100):
        told = {"accuracy": step / 200, "f1_of/müde _": 0.5}
        assert list(trackers.tell(settings, campaign, step, told)) == []
    assert told_to_mlflow(tmp_path / "mlflow", "accuracy") == [(50, 0.25), (100, 0.5)]
    assert told_to_mlflow(tmp_path / "mlflow", "f1_of/müde _") == [(50, 0.5), (100, 0.5)]
    assert told_to_tensorboard(tmp_path / "boards", "accuracy") == [(50, 0.25), (100, 0.5)]


def test_who_is_not_asked_is_not_told(campaign: Campaign) -> None:
    assert not trackers.asked(Settings())
    assert list(trackers.tell(Settings(), campaign, 50, {"accuracy": 1.0})) == []


def test_a_tracker_that_is_away_or_missing_is_named(
    campaign: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    settings = Settings(
        mlflow_url="http://somebody:secret@127.0.0.1:9", tensorboard=str(tmp_path / "file" / "boards")
    )
    away, nowhere = trackers.tell(settings, campaign, 50, {"accuracy": 1.0})
    assert away.startswith("POSTIL_MLFLOW_URL: no numbers were taken there: ")
    assert "secret" not in away
    assert nowhere.startswith("POSTIL_TENSORBOARD: no numbers were taken there: ")
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    without, lost = trackers.tell(settings, campaign, 50, {"accuracy": 1.0})
    assert without == "POSTIL_MLFLOW_URL is set, and mlflow is not there: pip install 'postil[mlflow]'"
    assert lost.endswith("pip install 'postil[tensorboard]'")


def test_a_round_is_told_and_fails_by_no_tracker(valkey: str, tmp_path: Path) -> None:
    settings = Settings(
        data=str(tmp_path / "data"),
        redis_url=valkey,
        mlflow_url=str(tmp_path / "mlflow"),
        tensorboard="/dev/null/boards",
    )
    context = Context(settings)
    context.database.upgrade()
    c = topical.begin(context, tmp_path, 80, round_size=24)
    with context.database.transaction() as connection:
        answer(connection, c, {at: {1: "ab"[at % 2]} for at in range(20)})
        answer(connection, c, {at: {1: "ab"[at % 2]} for at in range(20, 40)}, role="hold-out")
        advance(connection, c)
    while door.work(context, "gpu"):
        pass
    with context.database.reading() as connection:
        (round_,) = rounds.all_of(connection, c)
        log = [one["data"]["text"] for one in events.since(connection, c, 0) if one["kind"] == "warning"]
    assert round_.state == "done"
    (warning,) = [one for one in log if one.startswith("POSTIL")]
    assert warning.startswith("POSTIL_TENSORBOARD: no numbers were taken there: ")
    step = round_.metrics["trained_on"]
    assert told_to_mlflow(tmp_path / "mlflow", "trained_on") == [(step, step)]
    ((_, accuracy),) = told_to_mlflow(tmp_path / "mlflow", "accuracy")
    assert 0 <= accuracy <= 1
    context.database.close()
    context.doorbell.redis.close()
