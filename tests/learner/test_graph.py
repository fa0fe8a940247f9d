import numpy as np
import pytest

from workers import graph
from workers.graph import Graph


def unit(*points: list[float]) -> np.ndarray:
    table = np.array(points, np.float32)
    return table / np.linalg.norm(table, axis=1, keepdims=True)


def test_a_link_of_one_side_holds_for_both() -> None:
    """Given b nearest to a and c, with one neighbour each, then b is linked to both, and a to c is not."""
    links = Graph.of(unit([1, 0], [0.9, 0.3], [0.6, 0.8]), neighbours=1).links.toarray()

    ab, bc = 0.9 / np.hypot(0.9, 0.3), (0.6 * 0.9 + 0.3 * 0.8) / np.hypot(0.9, 0.3)
    assert links[0, 2] == links[2, 0] == 0
    # D of a is ab, of b ab + bc, of c bc.
    assert pytest.approx(links) == links.T
    assert links[0, 1] == pytest.approx(ab / np.sqrt(ab * (ab + bc)))
    assert links[1, 2] == pytest.approx(bc / np.sqrt(bc * (ab + bc)))
    assert links.diagonal().tolist() == [0, 0, 0]


def test_opposites_are_no_neighbours() -> None:
    assert Graph.of(unit([1, 0], [-1, 0])).links.nnz == 0
    assert Graph.of(unit([1, 0])).links.toarray().tolist() == [[0]]


def test_labels_spread_to_the_closed_form() -> None:
    """Zhou et al., equation 4: F = (1 - α) (I - αS)^-1 Y."""
    rng = np.random.default_rng(0)
    made = Graph.of(unit(*rng.normal(size=(30, 5)).tolist()), neighbours=4)
    seeds = np.zeros((30, 2), np.float32)
    seeds[0, 0] = seeds[1, 1] = 1
    exact = (1 - graph.ALPHA) * np.linalg.solve(np.eye(30) - graph.ALPHA * made.links.toarray(), seeds)
    assert made.spread(seeds) == pytest.approx(exact, abs=0.015)  # .9^40 of it is missing


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    points = unit(*np.random.default_rng(1).normal(size=(50, 6)).tolist())
    whole = Graph.of(points).links.toarray()
    monkeypatch.setattr(graph, "BLOCK", 7)
    assert Graph.of(points).links.toarray() == pytest.approx(whole, abs=1e-6)
