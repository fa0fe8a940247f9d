"""How unsure a tagger is of the tokens of a text.

The means over tokens come with the view, so that long texts are not preferred for their length. MNLP: Shen,
Yun, Lipton, Kronrod, Anandkumar: Deep Active Learning for Named Entity Recognition (ICLR 2018), section 4;
token entropy: Settles, Craven: An Analysis of Active Learning Strategies for Sequence Labeling Tasks (EMNLP
2008), section 3.1.
"""

import numpy as np
from numpy.random import Generator

from strategies.base import Picks, Strategy, View, best

MNLP_COLUMN = 0
ENTROPY_COLUMN = 1


def _strategy(name: str, column: int, summary: str) -> Strategy:
    def choose(view: View, count: int, rng: Generator) -> Picks:
        assert view.token_uncertainty is not None  # checked by Strategy.select
        return best(view.token_uncertainty[:, column].astype(np.float64), count, rng)

    return Strategy(name, frozenset({"token_uncertainty"}), choose, summary, frozenset({"spans"}))


MNLP = _strategy("mnlp", MNLP_COLUMN, "The texts whose likeliest tags are least likely, on the mean token.")
TOKEN_ENTROPY = _strategy(
    "token_entropy", ENTROPY_COLUMN, "The texts whose tokens' probability is spread most over all tags."
)
