"""The examples in the middle of the pool's clusters, whatever has a label already.

Kang, Ryu, Kwon: Using Cluster-Based Sampling to Select Initial Training Set for Active Learning in Text
Classification (PAKDD 2004): as many clusters as picks, of each the example nearest the centre. Here the
largest cluster comes first.
"""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from strategies.base import PROBLEMS, Picks, Strategy, View, best
from strategies.blocks import distances
from strategies.clusters import groups, in_turns, k_means


def _choose(view: View, count: int, rng: Generator) -> Picks:
    assert view.embeddings is not None  # checked by Strategy.select
    embeddings = view.embeddings
    cluster, centres = k_means(embeddings, count, rng)

    def middle(members: NDArray[np.int64], several: int) -> NDArray[np.int64]:
        gaps = distances(embeddings[members], centres[cluster[members[0]]])
        return members[best(-gaps, several, rng).positions]

    clusters = [(members, 0, len(members)) for members in groups(cluster)]
    return in_turns(clusters, count, view.size, middle)


KMEANS = Strategy(
    "kmeans",
    frozenset({"embeddings"}),
    _choose,
    "The example in the middle of each of as many clusters as are asked for.",
    PROBLEMS,
)
