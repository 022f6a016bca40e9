r"""Which items go with which, in whatever order? Symmetric item-item counts over the last 50 events of a learner.

Every event i adds 1 to G[h_d, i] and G[i, h_d] for the 50 events before it. Score of x for the recent items j_0, j_1,
... (newest first): sum_a .85^a G[j_a, x] / sqrt((n_ja + 1) (n_x + 5)), a < 20: the cosine of Sarwar et al. (WWW
2001), shrunk. It is the taste source: on films it beats the directed table, on courses it does not. Cost: 100 row
updates an event.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.recommendation.bounded_rows import Rows, entry_for
from models.recommendation.compiled import compiled

AGE = 0.85


@compiled
def count_far(rows: Rows, ring: NDArray[np.int32], length: int, item: int) -> None:
    """Pair a new event with the learner's whole ring before it, both ways."""
    for d in range(length):
        past = ring[d] + 0  # as wide as ``item``: one compiled version instead of two
        if past != item:
            rows.weights[past, entry_for(rows, past, item), 0] += 1.0
            rows.weights[item, entry_for(rows, item, past), 0] += 1.0
