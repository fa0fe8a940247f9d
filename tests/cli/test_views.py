"""What the command line reads of an answer is in the API's description."""

from typing import get_type_hints, is_typeddict

import pytest

from service.client import views
from service.http import app, openapi

SCHEMAS = openapi.describe(app.ENDPOINTS)["components"]["schemas"]
OTHERWISE = {
    "Adoption": "AdoptionView",
    "Answer": "Said",
    "Asked": "service.rounds.ask.Asked",
    "Campaign": "CampaignView",
    "Group": "service.groups.Group",
    "Job": "JobView",
    "LabelChange": "LabelChangeView",
    "LogEvent": "Event",
    "Point": "service.curve.Point",
    "Pool": "PoolView",
    "Project": "LabelStudioProject",
    "Queue": "QueueCount",
    "Rejected": "Rejection",
    "Round": "RoundView",
    "Shard": "ShardView",
    "Strategy": "StrategyView",
    "Synthesis": "SynthesisView",
    "Task": "TaskView",
    "Upload": "UploadView",
}
"""Names of the API where they differ."""
FREE = ("Progress",)
"""Each kind of job has its own."""


@pytest.mark.parametrize("name", [name for name, one in vars(views).items() if is_typeddict(one)])
def test_every_key_is_told(name: str) -> None:
    if name not in FREE:
        told = SCHEMAS[OTHERWISE.get(name, name)]["properties"]
        assert get_type_hints(getattr(views, name)).keys() <= told.keys()
