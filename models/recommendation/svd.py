r"""Which hidden tastes explain who took what? Truncated SVD of the learner-item matrix (PureSVD).

With X the 0/1 matrix of learners by items and X ~ U S V^T cut at k factors, a learner with history row x (even one
who was not in X) gets the scores x V V^T: fold-in is exact, and a sum over the history of rows of

    B = V V^T, V (M, k) the eigenvectors of X^T X with the largest eigenvalues,

here with a zero diagonal. Source: Cremonesi, Koren and Turrin, RecSys 2010. Batch, daily: O(M^2 k) time and O(M^2)
bytes for the M most taken items. No iteration from a random start: the same events give the same bytes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse import csr_array

from models.recommendation.item_weights import taken_matrix

RANK = 64


def item_factors(taken: csr_array, rank: int) -> NDArray[np.float64]:
    """Return V (M, k) of the 0/1 matrix ``taken`` (L, M); k is at most ``rank`` and the matrix's own rank."""
    last = taken.shape[1] - 1
    squares, v = eigh((taken.T @ taken).toarray(), subset_by_index=(max(0, last - rank + 1), last))
    return np.asarray(v[:, squares > 1e-12 * squares.max()])


def train_svd(learner: NDArray[np.int32], items: NDArray[np.int64], item: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return B (M, M) for the item slots ``items`` (M,) from n events.

    The rank is at most 64 and at most a third of the matrix's: near full rank V V^T is the identity and says nothing.
    """
    taken = taken_matrix(learner, items, item)
    rank = min(RANK, min(taken.shape) // 3)
    if rank < 1:
        return np.zeros((len(items), len(items)))
    v = item_factors(taken, rank)
    weights = v @ v.T
    np.fill_diagonal(weights, 0.0)
    return np.asarray(weights)
