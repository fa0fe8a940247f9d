"""Trackers of experiments: MLflow and TensorBoard get each round's numbers, where the settings name them.

Both are told by the worker that trained, once the round is committed: a tracker that is away costs a line and no round.
One run of MLflow, or folder of TensorBoard, holds a campaign; steps are labels trained on. What is told stays as it was
measured that day, where the learning curve is measured anew.
"""

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence

from service.exam import Metrics
from service.measure.intervals import Interval
from service.records import Campaign
from service.settings import Settings

EXPERIMENT, CAMPAIGN = "postil", "postil.campaign"
"""MLflow's experiment, and the tag that a campaign's run is found by."""
NAME_CHARS = 100
PATIENCE = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""What the environment says of MLflow, unless it says otherwise: a server that is away holds no worker up."""

Numbers = Mapping[str, float]


def numbers(metrics: Metrics | None, labels: Sequence[str], others: Numbers) -> dict[str, float]:
    """By name: every metric, `f1_of/<label>`, `precision_of/…` and `recall_of/…` of each label, and `others`.

    No name is the beginning of another one's path: MLflow may keep them as files.
    """
    found = dict(others)
    if metrics is None:
        return found
    for name in metrics.__struct_fields__:
        value = getattr(metrics, name)
        if isinstance(value, Interval):
            found |= {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
    for label, one in zip(_names(labels), metrics.per_class, strict=True):
        found |= {f"{name}_of/{label}": getattr(one, name) for name in ("f1", "precision", "recall")}
    return found


def asked(settings: Settings) -> bool:
    return bool(settings.mlflow_url or settings.tensorboard)


def tell(settings: Settings, campaign: Campaign, step: int, numbers: Numbers) -> Iterator[str]:
    """Tell those that the settings name; what went wrong, in words."""
    for variable, place, write in (
        ("POSTIL_MLFLOW_URL", settings.mlflow_url, _mlflow),
        ("POSTIL_TENSORBOARD", settings.tensorboard, _tensorboard),
    ):
        if not place:
            continue
        try:
            write(place, settings, campaign, step, numbers)
        except ModuleNotFoundError as error:
            extra = variable.removeprefix("POSTIL_").removesuffix("_URL").lower()
            yield f"{variable} is set, and {error.name} is not there: pip install 'postil[{extra}]'"
        except Exception as error:  # noqa: BLE001 - whatever a tracker raises must cost no round
            words = (str(error).strip() or type(error).__name__).partition("\n")[0]
            # An address may hold a password, and the words an address.
            yield f"{variable}: no numbers were taken there: {words.replace(place.rstrip('/'), 'it')}"


def _mlflow(url: str, settings: Settings, campaign: Campaign, step: int, numbers: Numbers) -> None:
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    client = MlflowClient(tracking_uri=url)
    known = client.get_experiment_by_name(EXPERIMENT)
    experiment = client.create_experiment(EXPERIMENT) if known is None else known.experiment_id
    runs = client.search_runs([experiment], f"tags.`{CAMPAIGN}` = '{campaign.id}'")
    if runs:
        run = runs[0].info.run_id
    else:
        facts = {"problem": campaign.problem, "model": campaign.model, "address": settings.url}
        tags = {CAMPAIGN: campaign.id, **{f"postil.{name}": value for name, value in facts.items()}}
        run = client.create_run(experiment, tags=tags, run_name=campaign.name).info.run_id
    at = int(time.time() * 1000)
    told = [Metric(name, value, at, step) for name, value in numbers.items()]
    for start in range(0, len(told), 1_000):  # a server takes no more at a time
        client.log_batch(run, metrics=told[start : start + 1_000])


def _tensorboard(folder: str, settings: Settings, campaign: Campaign, step: int, numbers: Numbers) -> None:
    from torch.utils.tensorboard import SummaryWriter

    name = f"{_plain(campaign.name)[: NAME_CHARS // 2]}-{campaign.id}"
    with SummaryWriter(os.path.join(folder, name)) as writer:
        for one, value in numbers.items():
            writer.add_scalar(one, value, step)


def _names(labels: Sequence[str]) -> list[str]:
    """Labels as parts of a metric's name: MLflow allows letters, digits and few signs, and no two of one name."""
    made = [_plain(label)[:NAME_CHARS] for label in labels]
    return [name if made.count(name) == 1 else f"{name}_{at}" for at, name in enumerate(made)]


def _plain(text: str) -> str:
    return re.sub(r"[^\w -]", "_", text)
