"""What a simulated campaign says of itself, by the code that says it of a real one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from service import exam, predictions
from service.exam import Sitting, Truth
from service.gain import behind, gain
from service.predictions import ADAPTER, Spans
from service.records import HEADLINES, Campaign, Place
from service.stopping import stopping


class Signals:
    """All rounds so far, their predictions in `folder`."""

    def __init__(self, campaign: Campaign, folder: Path) -> None:
        self.campaign, self.folder = campaign, folder
        self.rounds: list[tuple[Path, int, int, Mapping[str, tuple[float, ...]]]] = []

    def add(
        self,
        trained_on: int,
        control_labels: int,
        places: list[Place],
        models: Mapping[str, NDArray[np.floating] | Spans],
        thresholds: Mapping[str, tuple[float, ...]],
    ) -> None:
        """A round: what its models say of `places`."""
        folder = self.folder / str(len(self.rounds) + 1)
        folder.mkdir()
        predictions.write(folder, places, models)
        self.rounds.append((folder, trained_on, control_labels, thresholds))

    def told(self, known: Truth) -> dict[str, Any]:
        """Keys: measured (the headline metric and its interval), rows (examples it stands on), stopping, gain, and
        `behind`: whether random labels have clearly taught more."""
        sat = [
            Sitting(number, trained_on, control, exam.exam(self.campaign, folder, known, number, thresholds))
            for number, (folder, trained_on, control, thresholds) in enumerate(self.rounds, 1)
        ]
        newest = sat[-1].exam
        made: dict[str, Any] = {"measured": None, "rows": len(newest.at)}
        if newest.has(ADAPTER):
            made["measured"] = newest.interval(newest.marks(ADAPTER))
        made["stopping"] = stopping(sat, HEADLINES[self.campaign.problem])
        made["gain"] = gain(sat)
        made["behind"] = behind(sat)
        plain: dict[str, Any] = msgspec.to_builtins(made)
        return plain
