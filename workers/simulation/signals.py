"""What a simulated campaign says of itself, by the code that says it of a real one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from service import exam, predictions
from service.exam import Exam, Sitting, Truth
from service.gain import behind, gain
from service.groups import classes, domains, weakest
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
        """Keys: measured (the headline metric and its interval), rows (examples it stands on), stopping, gain,
        `behind` (whether random labels have clearly taught more), and `weakest` (domain and class)."""
        sat = [
            Sitting(number, trained_on, control, self._exam(number, known))
            for number, (_, trained_on, control, _) in enumerate(self.rounds, 1)
        ]
        newest = sat[-1].exam
        made: dict[str, Any] = {"measured": None, "rows": len(newest.at)}
        if newest.has(ADAPTER):
            made["measured"] = newest.interval(newest.marks(ADAPTER))
        made["stopping"] = stopping(sat, HEADLINES[self.campaign.problem])
        made["gain"] = gain(sat)
        made["behind"] = behind(sat)
        made["weakest"] = weakest(newest, self.campaign.labels)
        plain: dict[str, Any] = msgspec.to_builtins(made)
        return plain

    def worst(self, known: Truth) -> dict[str, Any]:
        """Of the newest round: `domains` (scores by name where there are enough examples) and the metrics WORST."""
        newest = self._exam(len(self.rounds), known)
        by_domain, by_class = (
            {one.name or "": round(one.score.value, 5) for one in found if one.score is not None}
            for found in (domains(newest), classes(newest, self.campaign.labels))
        )
        return {
            "domains": by_domain,
            "worst_domain": min(by_domain.values(), default=0.0),
            "worst_class": min(by_class.values(), default=0.0),
        }

    def _exam(self, number: int, known: Truth) -> Exam:
        folder, _, _, thresholds = self.rounds[number - 1]
        return exam.exam(self.campaign, folder, known, number, thresholds)
