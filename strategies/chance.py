"""Choosing at random: the yardstick of every other strategy."""

import numpy as np
from numpy.random import Generator

from strategies.base import PROBLEMS, Picks, Strategy, View


def _choose(view: View, count: int, rng: Generator) -> Picks:
    return Picks(rng.permutation(view.size)[:count].astype(np.int64), np.zeros(count))


RANDOM = Strategy("random", frozenset(), _choose, "Drawn at random; the yardstick for the others.", PROBLEMS)
