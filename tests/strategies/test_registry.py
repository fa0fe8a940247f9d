from pathlib import Path

import numpy as np
import pytest

from strategies import registry
from strategies.base import View

BUILT_IN = [
    *(
        "auto",
        "badge",
        "balanced_margin",
        "bald",
        "cal",
        "cluster_margin",
        "cvirs",
        "density_margin",
        "discovery",
    ),
    *(
        "diverse_margin",
        "diverse_mnlp",
        "diverse_uncertainty",
        "entropy",
        "facility_location",
        "k_center",
        "kmeans",
        "least_confidence",
    ),
    *("margin", "max_uncertainty", "mean_uncertainty", "mnlp", "power_bald", "power_entropy", "power_margin"),
    *("prob_cover", "random", "rare_uncertainty", "signal", "token_entropy", "typiclust", "variation_ratio"),
    "weighted",
]

MODULE = """
import numpy as np
from strategies.base import Picks, Strategy

def _last(view, count, rng):
    return Picks(np.arange(view.size)[::-1][:count].copy(), np.zeros(count))

last = Strategy("last", frozenset(), _last, "The newest first.")
renamed = last
margin = Strategy("margin", frozenset(), _last, "An impostor.")
"""


def install(site: Path, name: str, entry_points: str) -> None:
    """What an installer leaves behind of a distribution: its metadata."""
    folder = site / f"{name}-1.5.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
    (folder / "entry_points.txt").write_text(f"[postil.strategies]\n{entry_points}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "newest_first.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_built_in_strategies() -> None:
    assert sorted(registry.BUILT_IN) == BUILT_IN
    assert registry.get("random").needs == frozenset()
    assert registry.get("margin").needs == {"probabilities"}
    assert registry.get("typiclust").needs == {"embeddings", "labeled_embeddings"}


def test_a_problem_has_the_strategies_fit_for_it(site: Path) -> None:
    install(site, "newest-first", "last = newest_first:last\nmargin = newest_first:margin")
    every = {"auto", "k_center", "kmeans", "last", "prob_cover", "random", "typiclust", "weighted"}

    assert set(registry.names("spans")) == every | {"mnlp", "token_entropy", "diverse_mnlp"}
    assert set(registry.names("multi_label")) == every | {
        "mean_uncertainty", "max_uncertainty", "diverse_uncertainty", "rare_uncertainty", "cvirs", "signal",
    }  # fmt: skip
    assert {"margin", "discovery", "facility_location", "badge"} | every <= set(
        registry.names("single_label")
    )
    assert not {"mnlp", "cvirs"} & set(registry.names("single_label"))


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"no strategy 'marging'; choose one of .*margin, .*typiclust"):
        registry.get("marging")


def test_a_plug_in_is_found_and_works(site: Path) -> None:
    install(site, "newest-first", "last = newest_first:last")

    assert "last" in registry.names()
    picks = registry.get("last").select(View(4), 2, np.random.default_rng(0))
    assert picks.positions.tolist() == [3, 2]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("no_such_module:thing", "cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'"),
        ("newest_first:nothing", "cannot be loaded: AttributeError"),
        ("newest_first:np", "is a module, not a strategies.base.Strategy"),
        ("newest_first:renamed", "calls itself 'last'"),
    ],
)
def test_a_broken_plug_in_names_itself_and_harms_no_other(site: Path, value: str, problem: str) -> None:
    install(site, "broken-one", f"broken = {value}")
    install(site, "newest-first", "last = newest_first:last")

    with pytest.raises(
        ValueError, match=rf"plug-in strategy 'broken' \({value}, of broken-one 1.5\) {problem}"
    ):
        registry.get("broken")
    assert {"broken", "last", *BUILT_IN} <= set(registry.names())
    assert registry.get("last").name == "last"


def test_a_built_in_name_cannot_be_taken_over(site: Path) -> None:
    install(site, "impostor", "margin = newest_first:margin")

    assert registry.get("margin").needs == {"probabilities"}
    assert registry.names().count("margin") == 1


def test_two_plug_ins_of_one_name_are_an_error(site: Path) -> None:
    install(site, "newest-first", "last = newest_first:last")
    install(site, "newer-first", "last = newest_first:last")

    with pytest.raises(
        ValueError, match=r"'last' is given by newe\w+-first 1.5, newe\w+-first 1.5: uninstall"
    ):
        registry.get("last")
