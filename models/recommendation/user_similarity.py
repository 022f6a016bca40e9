r"""What did the learners take who are most like this one? User-based nearest neighbours by cosine.

With X the 0/1 matrix of learners by items, cos(u, v) = |S_u and S_v| / sqrt(|S_u| |S_v|); the k = 50 most similar
learners v vote for their items with cos(u, v). Source: Herlocker et al., SIGIR 1999. Cost of a list: one sparse
product, O(nnz of the columns taken). The streaming form with order and age, which the blend uses, is
``session_neighbours``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

NEIGHBOURS = 50


def similar_learners(
    taken: csr_array, history: NDArray[np.int64], neighbours: int = NEIGHBOURS
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the most similar rows of ``taken`` (U, M) to a set of items, and their cosines, most similar first.

    A learner with exactly the same items is included (cosine 1): a caller asking for a row of ``taken`` drops it.
    """
    asked = np.zeros(taken.shape[1])
    asked[history] = 1.0
    shared = np.asarray(taken @ asked)
    size = np.asarray(taken.sum(axis=1)).ravel()
    cosine = shared / np.sqrt(np.maximum(size, 1.0) * max(1, len(np.unique(history))))
    order = np.argsort(-cosine, kind="stable")[:neighbours]
    order = order[cosine[order] > 0.0]
    return order, cosine[order]


def score_users(taken: csr_array, history: NDArray[np.int64], neighbours: int = NEIGHBOURS) -> NDArray[np.float64]:
    """Return the scores (M,) of all items for a learner who took the items ``history``."""
    who, cosine = similar_learners(taken, history, neighbours)
    return np.asarray(taken[who].T @ cosine)
