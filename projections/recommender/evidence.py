"""Which interactions say that a learner took an item?  The events that the item tables count.

VIEW, START, COMPLETE, CLICK, LIKE, BOOKMARK, SHARE, ATTEMPT and RATE from 3 stars up say so; PROGRESS repeats what
START said, SKIP and DISLIKE say the opposite.  A further event on the item that the learner had last, within half an
hour, belongs to the same visit and is not counted again: otherwise who reports a video's progress in ten steps would
have ten visits.
"""

from __future__ import annotations

import numpy as np

from models.columns import Float32, Int16, Int64, Mask
from schemas.interactions import TYPE_OF_CODE, InteractionType

VISIT_MS = 30 * 60_000
LEAST_RATING = 3.0
_TAKING = frozenset(InteractionType) - {
    InteractionType.PROGRESS,
    InteractionType.SKIP,
    InteractionType.DISLIKE,
}
_TAKES = np.array([kind in _TAKING for kind in TYPE_OF_CODE], bool)
_RATE = InteractionType.RATE.code
PARAMETERS = {"taking": [kind.code for kind in _TAKING], "rate": _RATE, "least_rating": LEAST_RATING}
"""For a statement that says the same: a type of ``taking``, but not ``rate`` below ``least_rating``."""


def taking(types: Int16, rating: Float32) -> Mask:
    """(n,) whether an event says that its item was taken.

    Args:
        types: (n,) ``InteractionType`` codes.
        rating: (n,) stars, NaN where there are none.
    """
    return np.asarray(_TAKES[types] & ~((types == _RATE) & (rating < LEAST_RATING)))


def visits(learner: Int64, item: Int64, at_ms: Int64, last_item: Int64, last_at_ms: Int64) -> Mask:
    """(n,) whether an event begins a visit, rather than going on with the one before it.

    Args:
        learner: (n,) who, any integers.
        item: (n,) what.
        at_ms: (n,) when.
        last_item: (n,) the item that this learner had last before the batch; -1 for none.
        last_at_ms: (n,) when.
    """
    order = np.argsort(learner, kind="stable")
    who, what, when = learner[order], item[order], at_ms[order]
    first = np.ones(len(order), bool)
    first[1:] = who[1:] != who[:-1]
    before_item = np.where(first, last_item[order], np.roll(what, 1))
    before_ms = np.where(first, last_at_ms[order], np.roll(when, 1))
    begins = np.empty(len(order), bool)
    begins[order] = (what != before_item) | (np.abs(when - before_ms) > VISIT_MS)
    return begins
