import math

import numpy as np
import pytest
from numpy.typing import NDArray

from strategies import registry
from strategies.base import Picks, View
from strategies.discovery import posterior

NAMES = np.array([[1.0, 0.0], [0.0, 1.0]])
ROOT = math.sqrt(0.5)


def at(*degrees: float) -> NDArray[np.float64]:
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).reshape(-1, 2)


def select(view: View, count: int, seed: int = 0) -> Picks:
    return registry.get("discovery").select(view, count, np.random.default_rng(seed))


def test_the_posterior_is_a_softmax_over_the_names() -> None:
    """Cosines 1 and 0; .8 and .6; a row of zeros is like everything. 20 times their difference in the exponent."""
    found = posterior(np.array([[2.0, 0.0], [0.8, 0.6], [0.0, 0.0]]), NAMES, np.array([0, 1]))

    first = [1 / (1 + math.exp(-20)), 1 / (1 + math.exp(-4)), 0.5]
    np.testing.assert_allclose(found[:, 0], first, rtol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(
        posterior(np.array([[0.8, 0.6]]), NAMES, np.array([1])), [[1 / (1 + math.exp(4))]]
    )


@pytest.mark.parametrize("seed", range(4))
def test_the_class_with_the_fewest_labels_first_each_until_it_has_three(seed: int) -> None:
    """Class 0 has two labels, class 1 none: 1, 1, then both have two."""
    embeddings = at(10, 20, 50, 70, 75, 80)
    view = View(
        6,
        embeddings=embeddings,
        labeled_embeddings=at(0, 0, 0),
        labels=np.array([0, 0, -1]),
        prototypes=NAMES,
    )

    picks = select(view, 4, seed)

    # Nearest the second name: 5, 4, then 3; of the first: 0.
    assert picks.positions[:2].tolist() == [5, 4]
    assert sorted(picks.positions[2:].tolist()) == [0, 3]
    assert picks.scores.tolist() == [1, 0.75, 0.5, 0.25]


@pytest.mark.parametrize("seed", range(4))
def test_a_name_that_says_nothing_gives_the_farthest(seed: int) -> None:
    """Class 0 has enough; class 1 has no name: first what is farthest from the label, then from both."""
    names = np.array([[1.0, 0.0], [0.0, 0.0]])
    embeddings = at(5, 60, 90, 180)
    view = View(
        4,
        embeddings=embeddings,
        labeled_embeddings=at(0, 0, 0),
        labels=np.zeros(3, np.int64),
        prototypes=names,
    )

    # 180 degrees; then 90 is at right angles to both, then 60 is nearer 90 than 5 is far from 0.
    assert select(view, 3, seed).positions.tolist() == [3, 2, 1]


@pytest.mark.parametrize("seed", range(4))
def test_names_that_are_all_alike_say_nothing(seed: int) -> None:
    alike = np.array([[1.0, 0.0], [1.0, 0.0]])
    view = View(
        3, embeddings=at(5, 20, 170), labeled_embeddings=at(0), labels=np.array([-1]), prototypes=alike
    )

    assert select(view, 1, seed).positions.tolist() == [2]


def test_a_class_is_no_longer_looked_for_when_it_may_have_three() -> None:
    """The rest of the batch is TypiClust's: of two heaps one is where the picks came from."""
    embeddings = np.concatenate([at(88, 89, 90, 90), 100 + at(0, 120, 240)])
    names = np.array([[1.0, 0.0], [0.0, 1.0]])
    labels = np.zeros(3, np.int64)
    view = View(7, embeddings=embeddings, labeled_embeddings=at(0, 0, 0), labels=labels, prototypes=names)

    picks = select(view, 4)

    assert set(picks.positions[:3].tolist()) <= {0, 1, 2, 3}
    assert picks.positions[3] >= 4


def test_is_typiclust_when_no_class_is_short() -> None:
    rng = np.random.default_rng(0)
    view = View(
        60,
        embeddings=rng.normal(size=(60, 2)),
        labeled_embeddings=rng.normal(size=(6, 2)),
        labels=np.array([0, 0, 0, 1, 1, 1]),
        prototypes=NAMES,
    )

    expected = registry.get("typiclust").select(view, 10, np.random.default_rng(3))

    assert select(view, 10, 3).positions.tolist() == expected.positions.tolist()
    assert select(view, 10, 3).scores.tolist() == expected.scores.tolist()
