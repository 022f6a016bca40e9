r"""Which hidden tastes explain who took what, if not taking is only weak evidence? Implicit alternating least squares.

Minimises sum over taken (u, i) of (1 - p_u q_i)^2 + alpha0 sum over all (u, i) of (p_u q_i)^2 + the penalties lambda
(|S_u| + alpha0 M)^nu |p_u|^2 and lambda (|S_i| + alpha0 U)^nu |q_i|^2, by exact solves in turn. A learner's factors

    p_u = (sum_{i in S_u} q_i q_i^T + alpha0 Q^T Q + penalty I)^-1 sum_{i in S_u} w_i q_i

depend on his items alone, so folding in a new history is exact; w fades by age (1 in training). While a history is
short beside the catalogue, the system hardly depends on it, and scores are a sum over the history's items:

    B = Q (alpha0 Q^T Q + penalty I)^-1 Q^T (`item_rows`), with the penalty of a history of 20

which is what a table of items can hold. Source: Hu, Koren and
Volinsky, ICDM 2008; the parameters of Rendle et al., Revisiting iALS, RecSys 2022. Batch, daily: O(nnz k^2 + (U + M)
k^3) a sweep. Cost of a fold-in: O(history k^2 + k^3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from models.recommendation.item_weights import ItemWeights, largest

FACTORS = 48
UNOBSERVED = 0.1  # alpha0
PENALTY = 0.01  # lambda
PENALTY_POWER = 1.0  # nu
SWEEPS = 8
AGE = 0.9
USUAL_HISTORY = 20


class ItemFactors(NamedTuple):
    """What is kept of a trained model: no learner is in it, since histories are folded in."""

    items: NDArray[np.int64]  # (M,) item keys
    factors: NDArray[np.float32]  # (M, k)


@dataclass(frozen=True, slots=True)
class Factors:
    """A trained model. M items, k factors."""

    item: NDArray[np.float64]  # (M, k)
    gram: NDArray[np.float64]  # (k, k), Q^T Q
    penalty_scale: float  # alpha0 M


def _solve(
    other: NDArray[np.float64], gram: NDArray[np.float64], rows: NDArray[np.int64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the exact factors (k,) of one row that has the columns ``rows``."""
    q = other[rows]
    penalty = PENALTY * (len(rows) + UNOBSERVED * len(other)) ** PENALTY_POWER
    left = q.T @ q + UNOBSERVED * gram
    left[np.diag_indices_from(left)] += penalty
    return np.asarray(np.linalg.solve(left, weights @ q), np.float64)


def _half(taken: csr_array, other: NDArray[np.float64]) -> NDArray[np.float64]:
    gram = other.T @ other
    out = np.zeros((taken.shape[0], other.shape[1]))
    for row in range(taken.shape[0]):
        columns = taken.indices[taken.indptr[row] : taken.indptr[row + 1]].astype(np.int64)
        if len(columns):
            out[row] = _solve(other, gram, columns, np.ones(len(columns)))
    return out


def train_ials(taken: csr_array, factors: int = FACTORS, sweeps: int = SWEEPS, seed: int = 0) -> Factors:
    """Return item factors of the 0/1 matrix ``taken`` (U, M); the same seed gives the same factors."""
    item = np.random.default_rng(seed).normal(scale=1.0 / np.sqrt(factors), size=(taken.shape[1], factors))
    by_learner, by_item = csr_array(taken), csr_array(taken.T)
    for _ in range(sweeps):
        item = _half(by_item, _half(by_learner, item))
    return factors_of(item)


def factors_of(item: NDArray[np.float64]) -> Factors:
    """Return the model of item factors (M, k)."""
    return Factors(item, item.T @ item, UNOBSERVED * len(item))


def item_rows(model: ItemFactors, row: int) -> ItemWeights:
    """Return B, zero on the diagonal, as the at most ``row`` entries of largest size of each row: O(M^2 k) time."""
    q = model.factors.astype(np.float64)
    left = UNOBSERVED * (q.T @ q)
    left[np.diag_indices_from(left)] += PENALTY * (USUAL_HISTORY + UNOBSERVED * len(q)) ** PENALTY_POWER
    dense = q @ np.linalg.solve(left, q.T)
    np.fill_diagonal(dense, 0.0)
    return largest(model.items, dense, row)


def fold_in(model: Factors, history: NDArray[np.int64], age: float = AGE) -> NDArray[np.float64]:
    """Return the factors (k,) of a learner with that history, newest first; an item a places back weighs ``age``^a."""
    return _solve(model.item, model.gram, history, np.power(age, np.arange(len(history), dtype=np.float64)))


def score_ials(model: Factors, history: NDArray[np.int64], age: float = AGE) -> NDArray[np.float64]:
    """Return the scores (M,) of all items for a learner with that history, newest first."""
    return np.asarray(model.item @ fold_in(model, history, age))
