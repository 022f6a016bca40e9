r"""What do learners do around this item? Distance-weighted, mostly forward co-occurrence, and short transitions.

For a new event i after the history h_0, h_1, ... (newest first, d = 0, 1, ... steps ago, h_d != i):

- co (d < 10):  C[h_d, i] += .6^d,  C[i, h_d] += .4 * .6^d
- tr (d < 10):  T[h_d, i] += .7^d,  T[i, h_d] += .1 * .7^d
- tr1 (d = 0):  S[h_0, i] += 1

All three share their pairs, so they are three weights of one bounded row. Scores of an item x for the recent items
j_0, j_1, ... (newest first, each once, a = 0, 1, ... < 20), n = events of an item:

- co(x)  = sum_a .65^a C[j_a, x] / (n_ja + 3)^.75 / (n_x + 5)^.15
- tr(x)  = sum_a .5^a T[j_a, x] / (n_ja + 1)
- tr1(x) = S[j_0, x] / (n_j0 + 2)

Idea: item-to-item co-occurrence (Linden et al. 2003) with the distance discount of sequence neighbours (Garg et al.,
STAN, SIGIR 2019). Cost: 20 row updates an event; 20 rows read a score.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.recommendation.bounded_rows import Rows, entry_for
from models.recommendation.compiled import compiled

WINDOW = 10  # steps back that an event is paired with
CHANNELS = 3  # weights of an entry: co, tr, tr1
CO_STEP, CO_BACK = 0.6, 0.4
TR_STEP, TR_BACK = 0.7, 0.1
CO_AGE, TR_AGE = 0.65, 0.5


@compiled
def _add(rows: Rows, row: int, item: int, co: float, tr: float, tr1: float) -> None:
    entry = entry_for(rows, row, item)
    rows.weights[row, entry, 0] += co
    rows.weights[row, entry, 1] += tr
    rows.weights[row, entry, 2] += tr1


@compiled
def count_near(rows: Rows, ring: NDArray[np.int32], length: int, item: int) -> None:
    """Pair a new event with the learner's ring before it (newest first)."""
    co, tr = 1.0, 1.0
    for d in range(min(length, WINDOW)):
        past = ring[d] + 0  # as wide as ``item``: one compiled version instead of two
        if past != item:
            _add(rows, past, item, co, tr, 1.0 if d == 0 else 0.0)
            _add(rows, item, past, CO_BACK * co, TR_BACK * tr, 0.0)
        co *= CO_STEP
        tr *= TR_STEP
