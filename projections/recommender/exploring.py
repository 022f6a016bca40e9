"""Which list tries something that no model would show yet?  One place of a tenth of the lists, by the list's id.

The place shows an item from further down the list that was shown least so far, drawn as
`models.recommendation.exploration` says; the item that stood there changes places with it.  Each list says with which
probability its item stands at the place, so that what comes of it can be weighed.  Learners who opted out, pinned the
place, or have too few candidates are never explored with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from models.columns import Float32, Int16, Int32, Int64
from models.recommendation.exploration import SHARE, SLOT, explore
from projections.recommender import reasons

FROM_PLACE = 20
"""Candidates behind this place are seldom seen: they come into question."""
POOL = 10
"""The least shown of them."""
_SCALE = float(1 << 64)


class Part(NamedTuple):
    """The items of one list, best first; n items."""

    item: Int32
    """(n,) slots."""
    terms: Float32
    """(n, 4)"""
    source: Int16
    """(n,) see `reasons`."""


class Explored(NamedTuple):
    """A list after the decision."""

    part: Part
    propensity: float
    """Of the item at `SLOT`; 0: this list is never explored with."""


@dataclass(frozen=True, slots=True)
class Exposures:
    """How often items were shown and taken up, by item slot."""

    impressions: Int64
    clicks: Int64

    @classmethod
    def of(cls, rows: Mapping[int, tuple[int, int]], slots: Mapping[int, int], size: int) -> Exposures:
        """From (impressions, clicks) by item key."""
        made = cls(np.zeros(size, np.int64), np.zeros(size, np.int64))
        for key, (shown, clicked) in rows.items():
            slot = slots.get(key, size)
            if slot < size:
                made.impressions[slot], made.clicks[slot] = shown, min(shown, clicked)
        return made

    def at(self, item: Int32) -> tuple[Int64, Int64]:
        """(impressions, clicks) of items; 0 for what is newer than the figures."""
        known = item < len(self.impressions)
        place = np.where(known, item, 0)
        return np.where(known, self.impressions[place], 0), np.where(known, self.clicks[place], 0)


NOTHING_SHOWN = Exposures(np.zeros(1, np.int64), np.zeros(1, np.int64))


def explored(part: Part, exposures: Exposures, list_id: str, share: float = SHARE) -> Explored:
    """The list with its place decided; the same for the same list id and exposures.

    Args:
        part: the items.
        exposures: of all items.
        list_id: decides.
        share: of the lists that explore; 0 switches it off.
    """
    own = np.flatnonzero(part.source[FROM_PLACE:] >= 0) + FROM_PLACE
    if not len(own) or share <= 0.0 or part.source[SLOT] == reasons.PINNED_CODE:
        return Explored(part, 0.0)
    seed = int.from_bytes(hashlib.blake2b(list_id.encode(), digest_size=8, person=b"explore").digest(), "big")
    if seed / _SCALE >= share:
        return Explored(part, 1.0 - share)
    impressions, clicks = exposures.at(part.item[own])
    least = np.argsort(impressions, kind="stable")[:POOL]
    found = explore(clicks[least], impressions[least], np.random.default_rng(seed), share=1.0)
    place = int(own[least[found.place]])
    swapped = np.arange(len(part.item))
    swapped[[SLOT, place]] = place, SLOT
    changed = Part(part.item[swapped], part.terms[swapped], part.source[swapped])
    changed.source[SLOT] = reasons.EXPLORED_CODE
    return Explored(changed, share * found.propensity)
