"""Do the lists show the whole catalogue, or the same few items to everybody?  Coverage of the last lists, and a floor.

Coverage is the share of the items with events that stood among the first 10 of the last `WINDOW` lists.  While it is
below `FLOOR` (once the window is full), popular items are damped a little more with each tick; above it, a little less.
The damping is part of the trending term, so that the terms still sum to the score.
"""

from __future__ import annotations

import numpy as np

from models.columns import Int32, Int64
from projections.recommender.growth import padded

WINDOW = 2_000
"""Lists."""
FLOOR = 0.6
STEP = 0.02
MOST_DAMPING = 2.0
PLACES = 10


class Coverage:
    """The last lists' first items; not part of the snapshot, since it only describes what was written lately."""

    def __init__(self) -> None:
        self._last_shown: Int64 = np.full(1024, -1, np.int64)
        self.lists = 0
        """Lists noted ever."""
        self.damping = 0.0
        self._taken = 0

    def note(self, shown: Int32, counts: Int32) -> None:
        """Takes over (L, 10 or more) item slots of lists with so many items each."""
        if not len(shown):
            return
        held = np.arange(shown.shape[1])[None, :PLACES] < counts[:, None]
        items = shown[:, :PLACES][held[:, : shown.shape[1]]]
        if len(items):
            size = max(len(self._last_shown), 2 * (int(items.max()) + 1))
            self._last_shown = padded(self._last_shown, size, fill=-1)
            order = self.lists + np.repeat(np.arange(len(shown)), held.sum(axis=1))
            self._last_shown[items] = order
        self.lists += len(shown)

    def shown_items(self) -> int:
        """Different items among the first 10 of the last lists."""
        return int((self._last_shown >= max(0, self.lists - WINDOW)).sum())

    def take_new(self) -> int:
        """Lists noted since the last call."""
        new, self._taken = self.lists - self._taken, self.lists
        return new

    def steer(self, known_items: int) -> None:
        """Moves the damping towards the floor."""
        if self.lists < WINDOW or known_items == 0:
            return
        below = self.shown_items() < FLOOR * min(known_items, WINDOW * PLACES)
        self.damping = min(max(self.damping + (STEP if below else -STEP), 0.0), MOST_DAMPING)
