r"""Which item is next, given all the latest ones together? A ridge regression from histories to next items.

Every event is one example: x = sum_a .8^a e_(h_a) over the 20 events before it (newest first), y = the item taken.
Then

    B = (X^T X + lambda I)^-1 X^T Y,   score(x) = sum_a .85^a B[j_a, x],  a < 20

Unlike transitions, which count every pair for itself, it shares a next item out among the items before it. Source:
SLIST, Choi et al., Session-aware Linear Item-Item Models, WWW 2021. Batch, daily: O(M^3) time for the M most taken
items, as in ``ease``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array

AGE = 0.85
MEMORY = 20
EXAMPLE_AGE = 0.8
SHRINKAGE = 6.0  # lambda as a multiple of the mean number of events of a learner


def examples(
    learner: NDArray[np.int32], item: NDArray[np.int32], items: NDArray[np.int64]
) -> tuple[csr_array, csr_array]:
    """Return X and Y, both (n, M) sparse, of n events in log order over the item slots ``items`` (M,)."""
    place = np.full(int(max(item.max(), items.max())) + 1, -1)
    place[items] = np.arange(len(items))
    order = np.argsort(learner, kind="stable")
    who, what = learner[order], place[item[order]]
    n = len(who)
    rows, columns, weights = [], [], []
    for a in range(1, MEMORY + 1):
        target = np.flatnonzero(who[a:] == who[:-a]) + a
        target = target[(what[target] >= 0) & (what[target - a] >= 0) & (what[target] != what[target - a])]
        rows.append(target)
        columns.append(what[target - a])
        weights.append(np.full(len(target), EXAMPLE_AGE ** (a - 1)))
    having = what >= 0
    shape = (n, len(items))
    x = csr_array((np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))), shape=shape)
    y = csr_array((np.ones(int(having.sum())), (np.flatnonzero(having), what[having])), shape=shape)
    return x, y


def train_ridge(learner: NDArray[np.int32], items: NDArray[np.int64], item: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return B (M, M) for the item slots ``items`` (M,) from n events in log order."""
    x, y = examples(learner, item, items)
    gram = (x.T @ x).toarray()
    gram[np.diag_indices_from(gram)] += SHRINKAGE * len(learner) / len(np.unique(learner))
    weights = cho_solve(cho_factor(gram, lower=True, overwrite_a=True), (x.T @ y).toarray())
    np.fill_diagonal(weights, 0.0)
    return np.asarray(weights)
