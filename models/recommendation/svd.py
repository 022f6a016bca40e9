r"""Which hidden tastes explain who took what? Truncated SVD of the learner-item matrix (PureSVD).

With X the 0/1 matrix of learners by items and X ~ U S V^T cut at k factors, a learner with history row x (even one
who was not in X) gets the scores x V V^T: fold-in is exact. Source: Cremonesi, Koren and Turrin, RecSys 2010. Batch,
daily: O(k nnz) time a sweep; M k numbers kept. Cost of a list: O(k (history + M)).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds


def taken_matrix(learner: NDArray[np.int32], item: NDArray[np.int32], learners: int, items: int) -> csr_array:
    """Return the 0/1 matrix (learners, items) of n events; repeats count once."""
    matrix = csr_array((np.ones(len(learner)), (learner, item)), shape=(learners, items))
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def train_svd(taken: csr_array, factors: int = 32, seed: int = 0) -> NDArray[np.float64]:
    """Return V (M, k), the item factors with unit columns; k is cut to what the matrix allows.

    Raises:
        ValueError: the matrix has fewer than 2 learners or items.
    """
    if min(taken.shape) < 2:
        raise ValueError(f"SVD needs at least 2 learners and 2 items, got {taken.shape}")
    k = min(factors, min(taken.shape) - 1)
    start = np.random.default_rng(seed).normal(size=min(taken.shape))
    _, _, right = svds(taken, k=k, v0=start)
    return np.ascontiguousarray(right[::-1].T)


def score_svd(factors: NDArray[np.float64], history: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the scores (M,) of all items for a learner who took the items ``history``."""
    return np.asarray(factors @ factors[history].sum(axis=0))
