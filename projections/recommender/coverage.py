"""Do the lists show the whole catalogue, or the same few items to everybody?  Coverage of the last lists, and a floor.

Coverage is the share of the items with events that stood among the first 10 of the last `WINDOW` lists.  While it is
not `MARGIN` above `FLOOR` (once the window is full), popular items are damped a little more with each tick; else,
slowly, less.  Damping moves the choice of places 6 to 20, not the scores, and leaves the first places alone: most hits
are there.
"""

from __future__ import annotations

import numpy as np

from models.columns import Int32, Int64
from projections.recommender.growth import padded

WINDOW = 2_000
"""Lists."""
FLOOR = 0.6
MARGIN = 0.02
"""Steered to above the floor: the window tells late, so that coverage swings about what it is steered to."""
STEP, STEP_BACK = 0.02, 0.005
MOST_DAMPING = 6.0
PLACES = 10


class Coverage:
    """The last lists' first items; not part of the snapshot, since it only describes what was written lately."""

    def __init__(self) -> None:
        self._last_shown: Int64 = np.full(1024, -1, np.int64)
        self.lists = 0
        """Lists noted ever."""
        self.damping = 0.0
        self.shown_popularity = 0.0
        """Fading mean, over about `WINDOW` lists, of the events of what they show."""
        self._taken = 0

    def note(self, shown: Int32, counts: Int32, events: Int32 | None = None) -> None:
        """Takes over lists.

        Args:
            shown: (L, 10 or more) item slots of each.
            counts: (L,) items it has.
            events: (N,) events of every item slot, for `shown_popularity`; None: not followed.
        """
        if not len(shown):
            return
        held = np.arange(shown.shape[1])[None, :PLACES] < counts[:, None]
        items = shown[:, :PLACES][held[:, : shown.shape[1]]]
        if len(items):
            size = max(len(self._last_shown), 2 * (int(items.max()) + 1))
            self._last_shown = padded(self._last_shown, size, fill=-1)
            order = self.lists + np.repeat(np.arange(len(shown)), held.sum(axis=1))
            self._last_shown[items] = order
            if events is not None:
                # A plain mean until the fading one has enough to fade.
                rate = max(len(shown) / WINDOW, len(shown) / (self.lists + len(shown)))
                self.shown_popularity += min(1.0, rate) * (float(events[items].mean()) - self.shown_popularity)
        self.lists += len(shown)

    def shown_items(self) -> int:
        """Different items among the first 10 of the last lists."""
        return int((self._last_shown >= max(0, self.lists - WINDOW)).sum())

    def popularity_bias(self, events: Int32) -> float:
        """How popular what is shown is beside what is taken, by events of an item: 1 alike, above 1 lists favour hits.

        Args:
            events: (N,) of every item slot; what is taken has sum n^2 / sum n events on average.
        """
        counted = events.astype(np.float64)
        taken = float(counted @ counted) / max(1.0, float(counted.sum()))
        return self.shown_popularity / taken if taken else 0.0

    def take_new(self) -> int:
        """Lists noted since the last call."""
        new, self._taken = self.lists - self._taken, self.lists
        return new

    def steer(self, known_items: int) -> None:
        """Moves the damping towards the floor."""
        if self.lists < WINDOW or known_items == 0:
            return
        below = self.shown_items() < (FLOOR + MARGIN) * min(known_items, WINDOW * PLACES)
        self.damping = min(max(self.damping + (STEP if below else -STEP_BACK), 0.0), MOST_DAMPING)
