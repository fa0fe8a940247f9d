"""Projections: embeddings laid out in the plane, so that what is alike is near.

By principal components and t-SNE (van der Maaten and Hinton 2008; scikit-learn's, by Barnes and Hut) of some landmarks;
all others are placed among those of them that they are most like, which is how a layout is kept while texts come.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]

LANDMARKS = 2_000
"""Texts that t-SNE lays out: seconds; it takes longer than in proportion."""
COMPONENTS = 50
"""Principal components that it sees, as its authors do."""
PERPLEXITY = 30.0
STEPS = 500
NEIGHBOURS = 5
BLOCK = 1_000


def lay_out(embeddings: Floats, seed: int, before: Floats | None = None) -> NDArray[np.float32]:
    """(n, d) -> (n, 2), the same for the same seed. `before` (n, 2): where they were, to begin there."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    n = len(embeddings)
    if n < 4:
        return np.array([[at, 0] for at in range(n)], np.float32).reshape(-1, 2)
    width = min(COMPONENTS, n, embeddings.shape[1])
    reduced = PCA(width, svd_solver="full", random_state=seed).fit_transform(embeddings.astype(np.float32))
    start = reduced[:, :2] if before is None else before
    spread = start[:, 0].std() or 1.0
    tsne = TSNE(
        2,
        perplexity=min(PERPLEXITY, (n - 1) / 3),
        init=(start / spread * 1e-4).astype(np.float32),
        max_iter=STEPS,
        random_state=seed,
    )
    found: NDArray[np.float32] = tsne.fit_transform(reduced)
    scaled: NDArray[np.float32] = found / np.abs(found).max()
    return scaled


def place(embeddings: Floats, landmarks: Floats, at: Floats) -> NDArray[np.float32]:
    """(n, 2): each of (n, d) at the mean of the landmarks (m, d), m >= 1, nearest to it, which are at (m, 2).

    The nearer ones weigh more, by the inverse square of the distance.
    """
    found = np.empty((len(embeddings), 2), np.float32)
    known = landmarks.astype(np.float32)
    squares = (known**2).sum(axis=1)
    count = min(NEIGHBOURS, len(known))
    for start in range(0, len(embeddings), BLOCK):
        some = embeddings[start : start + BLOCK].astype(np.float32)
        distances = np.maximum((some**2).sum(axis=1)[:, None] + squares - 2 * some @ known.T, 0)
        nearest = np.argpartition(distances, count - 1, axis=1)[:, :count]
        weights = 1 / (np.take_along_axis(distances, nearest, axis=1) + 1e-6)
        weights /= weights.sum(axis=1, keepdims=True)
        found[start : start + BLOCK] = (weights[:, :, None] * at[nearest]).sum(axis=1)
    return found
