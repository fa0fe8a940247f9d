"""The examples in the middle of the pool's clusters, whatever has a label already.

Kang, Ryu, Kwon: Using Cluster-Based Sampling to Select Initial Training Set for Active Learning in Text
Classification (PAKDD 2004): as many clusters as picks, of each the example nearest the centre. Here the
largest cluster comes first.
"""

import numpy as np
from numpy.random import Generator

from strategies.base import PROBLEMS, Picks, Strategy, View, best
from strategies.blocks import distances
from strategies.clusters import in_turns, k_means


def _choose(view: View, count: int, rng: Generator) -> Picks:
    assert view.embeddings is not None  # checked by Strategy.select
    cluster, centres = k_means(view.embeddings, count, rng)
    clusters = []
    for one in np.unique(cluster).tolist():
        members = np.flatnonzero(cluster == one)
        gaps = distances(view.embeddings[members], centres[one])
        clusters.append((members[best(-gaps, count, rng).positions], 0, len(members)))
    return in_turns(clusters, count, view.size)


KMEANS = Strategy(
    "kmeans",
    frozenset({"embeddings"}),
    _choose,
    "The example in the middle of each of as many clusters as are asked for.",
    PROBLEMS,
)
