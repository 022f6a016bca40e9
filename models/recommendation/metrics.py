"""How good are lists? Hit rate, NDCG, recall, coverage and popularity of what was shown.

For one relevant item at rank r (from 0): HR@k = [r < k], NDCG@k = [r < k] / log2(r + 2). For a set of R relevant items:
recall@k = hits / min(k, R) and NDCG@k = sum over hits of 1 / log2(rank + 2), divided by the same sum of a perfect list
(Jarvelin and Kekalainen, TOIS 2002). All are means over lists, in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

DEPTH = 10


def hit_rate(rank: NDArray[np.int32], depth: int = DEPTH) -> float:
    """Return the share of ranks (n,), from 0, that are among the first ``depth``; 0 for none."""
    return float((rank < depth).mean()) if len(rank) else 0.0


def ndcg(rank: NDArray[np.int32], depth: int = DEPTH) -> float:
    """Return the mean NDCG of ranks (n,), from 0, with one relevant item each; 0 for none."""
    return float(np.where(rank < depth, 1.0 / np.log2(rank + 2.0), 0.0).mean()) if len(rank) else 0.0


def set_recall(shown: Sequence[int], relevant: frozenset[int], depth: int = DEPTH) -> float:
    """Return the share of a learner's relevant items that stand in the first ``depth`` places, of those that could."""
    return len(relevant.intersection(shown[:depth])) / min(depth, len(relevant))


def set_ndcg(shown: Sequence[int], relevant: frozenset[int], depth: int = DEPTH) -> float:
    """Return the discounted gain of one list over that of a perfect list."""
    gain = 1.0 / np.log2(np.arange(depth) + 2.0)
    found = np.array([item in relevant for item in shown[:depth]], np.float64)
    return float(gain[: len(found)] @ found / gain[: min(depth, len(relevant))].sum())


def coverage(shown: NDArray[np.int32], items: int) -> float:
    """Return the share of ``items`` known items that stand in at least one of the lists (n, k), -1 = empty place."""
    return len(np.unique(shown[shown >= 0])) / max(1, items)
