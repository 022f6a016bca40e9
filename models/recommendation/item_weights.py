r"""Which weights did batch training give to pairs of items, cut to what is worth keeping?

M items; row j holds at most K entries (x, B[j, x]): the heaviest with B > 0, heaviest first, or those of largest size
of either sign, in the order of the items, where what speaks against an item matters too. A learner's score of x is
sum_a .85^a B[j_a, x] over the newest 20 items j_0, j_1, ... Trainers give the dense B (M, M); EASE, the
ridge and SVD have files of their own, here is

    cosine   B = n_jx / sqrt(n_j n_x), n_jx = learners who took both, zero diagonal (Sarwar et al., WWW 2001)

No learner is in the result.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from models.recommendation.bounded_rows import Rows

ROW = 100  # entries kept a row: what a row of the recommender's tables holds


class ItemWeights(NamedTuple):
    """Rows of the heaviest weights."""

    items: NDArray[np.int64]  # (M,) item keys
    ids: NDArray[np.int32]  # (M, K) places in ``items``; 0 behind a row's end
    weights: NDArray[np.float32]  # (M, K) never 0 before a row's end, 0 behind it


def heaviest(items: NDArray[np.int64], dense: NDArray[np.float64], row: int = ROW) -> ItemWeights:
    """Return the at most ``row`` heaviest positive entries of each row of ``dense`` (M, M) over item keys (M,)."""
    kept = min(row, len(items))
    ids = np.argsort(-dense, axis=1, kind="stable")[:, :kept].astype(np.int32)
    weights = np.take_along_axis(dense, ids, axis=1).astype(np.float32)
    positive = weights > 0.0
    return ItemWeights(items, np.where(positive, ids, 0).astype(np.int32), np.where(positive, weights, 0.0))


def largest(items: NDArray[np.int64], dense: NDArray[np.float64], row: int) -> ItemWeights:
    """Return the at most ``row`` entries of largest size of each row of ``dense`` (M, M), in the order of the items."""
    kept = min(row, len(items))
    ids = np.sort(np.argpartition(-np.abs(dense), kept - 1, axis=1)[:, :kept], axis=1)
    weights = np.take_along_axis(dense, ids, axis=1).astype(np.float32)
    # Zeros behind the others, whose order stays.
    order = np.argsort(weights == 0.0, axis=1, kind="stable")
    ids, weights = np.take_along_axis(ids, order, axis=1), np.take_along_axis(weights, order, axis=1)
    return ItemWeights(items, np.where(weights != 0.0, ids, 0).astype(np.int32), weights)


def rows_of(model: ItemWeights, slots: NDArray[np.int64], rows: Rows) -> None:
    """Replace ``rows`` by the model's, item m standing at slot ``slots[m]``; what a row has no room for is left out."""
    kept = min(rows.ids.shape[1], model.ids.shape[1])
    rows.length[:] = 0
    rows.ids[slots, :kept] = slots[model.ids[:, :kept]]
    rows.weights[slots, :kept, 0] = model.weights[:, :kept]
    rows.length[slots] = (model.weights[:, :kept] != 0.0).sum(axis=1)


def matrix(model: ItemWeights) -> csr_array:
    """Return B (M, M), sparse."""
    m, k = model.ids.shape
    rows = np.repeat(np.arange(m), k)
    kept = model.weights.ravel() != 0.0
    return csr_array((model.weights.ravel()[kept], (rows[kept], model.ids.ravel()[kept])), shape=(m, m))


def taken_matrix(learner: NDArray[np.int32], items: NDArray[np.int64], item: NDArray[np.int32]) -> csr_array:
    """Return X (L, M), 0/1: which learner took which of the item slots ``items`` (M,), from n events."""
    place = np.full(int(max(item.max(), items.max())) + 1, -1)
    place[items] = np.arange(len(items))
    kept = place[item] >= 0
    shape = (int(learner.max()) + 1, len(items))
    taken = csr_array((np.ones(int(kept.sum())), (learner[kept], place[item[kept]])), shape=shape)
    taken.sum_duplicates()
    taken.data[:] = 1.0
    return taken


def train_cosine(learner: NDArray[np.int32], items: NDArray[np.int64], item: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return B (M, M) of the cosine similarity of the item slots ``items`` (M,), from n events; O(M^2) bytes."""
    taken = taken_matrix(learner, items, item)
    together = (taken.T @ taken).toarray()
    norm = 1.0 / np.sqrt(np.maximum(np.diag(together), 1.0))
    together *= norm[:, None] * norm[None, :]
    np.fill_diagonal(together, 0.0)
    return np.asarray(together)
