r"""Which items make a good list together? Maximal marginal relevance.

Items are picked one by one: the next maximises  lambda r(x) - (1 - lambda) max_{y picked} similarity(x, y),
with r the relevance scaled to [0, 1] over the candidates. Source: Carbonell and Goldstein, SIGIR 1998.
Cost: O(picked * candidates) look-ups. lambda = 1 keeps the order of relevance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BALANCE = 0.9  # lambda: relevance against diversity


def similarity_of(slots: NDArray[np.int64], ids: NDArray[np.int32], weights: NDArray[np.float32],
                  length: NDArray[np.int32]) -> NDArray[np.float64]:  # fmt: skip
    """Return pairwise similarities (n, n) of n item slots from bounded rows (as in ``bounded_rows``); 0 where unknown.

    A row may have dropped an entry that the other row of the pair holds, so the larger of the two counts.
    """
    place = {int(slot): k for k, slot in enumerate(slots)}
    out = np.zeros((len(slots), len(slots)))
    for k, slot in enumerate(slots):
        for item, weight in zip(ids[slot, : length[slot]].tolist(), weights[slot, : length[slot], 0], strict=True):
            other = place.get(item)
            if other is not None:
                out[k, other] = out[other, k] = max(out[k, other], weight)
    return out


def diversified(
    score: NDArray[np.float64], similarity: NDArray[np.float64], limit: int, balance: float = BALANCE
) -> NDArray[np.int64]:
    """Return the places of at most ``limit`` of n candidates in the order picked.

    Args:
        score: (n,) any real numbers; only their differences matter.
        similarity: (n, n) in [0, 1].
        limit: how many to pick.
        balance: lambda in [0, 1].

    Raises:
        ValueError: ``balance`` is outside [0, 1].
    """
    if not 0.0 <= balance <= 1.0:
        raise ValueError(f"balance is {balance}; it has to be between 0 (all diversity) and 1 (all relevance)")
    spread = float(np.ptp(score)) if len(score) else 0.0
    relevance = (score - score.min()) / spread if spread > 0.0 else np.ones(len(score))
    closest = np.zeros(len(score))
    left = np.ones(len(score), np.bool_)
    picked: list[int] = []
    for _ in range(min(limit, len(score))):
        value = np.where(left, balance * relevance - (1.0 - balance) * closest, -np.inf)
        best = int(value.argmax())
        picked.append(best)
        left[best] = False
        closest = np.maximum(closest, similarity[best])
    return np.array(picked, np.int64)
