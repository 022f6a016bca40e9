"""Which cells of a table may be shown?  None of one to four learners, and none that the total would give away."""

from __future__ import annotations

import numpy as np

from models.columns import Float64, Int64, Mask
from models.learner_days import FEWEST_LEARNERS


def too_few(learners: Int64) -> Mask:
    """(n,) cells of one to four learners; an empty cell says nothing about anybody."""
    return (learners > 0) & (learners < FEWEST_LEARNERS)


def withheld(learners: Int64, sizes: Int64 | Float64 | None = None) -> Mask:
    """(n,) cells that are not shown beside their total.

    Primary: cells of too few learners.  Complementary: if there are any, the smallest of the others too, so that the
    total less what is shown is a sum over at least five learners.

    Args:
        learners: (n,) learners of each cell, exact below five.
        sizes: (n,) what "smallest" goes by; None: the learners.

    >>> withheld(np.array([9, 3, 0, 7, 8])).tolist()
    [False, True, False, True, False]
    """
    hidden = too_few(learners)
    others = ~hidden & (learners > 0)
    if hidden.any() and others.any():
        order = np.where(others, learners if sizes is None else sizes, np.inf)
        hidden[np.argmin(order)] = True
    return hidden
