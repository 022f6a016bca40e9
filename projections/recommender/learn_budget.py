"""How much may be learnt when there is much to count?  A share of the events, so that a step keeps to its time.

Counting is never sampled.  What counting an event costs is measured in steps that hardly learn; the rest of a step's
time, divided by the events drawn, is what drawing one more would cost.
"""

from __future__ import annotations

import numpy as np

SMOOTHING = 0.2
TIME_SHARE = 0.15
"""Of the time, that learning may take."""
FIRST_COUNT_SECONDS = 20e-6
FIRST_LEARN_SECONDS = 200e-6
HARDLY = 0.02


class LearnBudget:
    """Chooses the share of each step.

    Args:
        seconds: that a step may spend on learning; infinite: everything is learnt from.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.count_seconds = FIRST_COUNT_SECONDS
        """Of one event."""
        self.learn_seconds = FIRST_LEARN_SECONDS
        """Of one event drawn."""

    def share(self, events: int, since_last_seconds: float = float("inf")) -> float:
        """The share for a step of so many events; a number that a Postgres ``real`` holds exactly.

        Args:
            events: of the step.
            since_last_seconds: since the step before: short steps that follow each other closely learn less each, so
                that learning takes no more than `TIME_SHARE` of the time.
        """
        seconds = self.seconds
        if seconds < float("inf"):
            seconds = min(seconds, TIME_SHARE * since_last_seconds)
        wanted = seconds / max(1e-12, events * self.learn_seconds)
        return float(np.float32(min(1.0, wanted)))

    def note(self, events: int, share: float, seconds: float) -> None:
        """Learns from what a step took."""
        if not events:
            return
        if share < HARDLY:
            self.count_seconds += SMOOTHING * (seconds / events - self.count_seconds)
            return
        rest = max(0.0, seconds - events * self.count_seconds)
        self.learn_seconds += SMOOTHING * (rest / (events * share) - self.learn_seconds)
        self.learn_seconds = max(self.learn_seconds, 1e-6)
