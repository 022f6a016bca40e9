"""When did the demo's history end?  Now: years-old clicks are moved by whole days, the last weeks are still to come.

The shift is a whole number of days, so the hours of the day stay what they were.  What lies before now is history; what
lies behind it is kept back and streamed as live traffic, where each event happens at the moment it is published.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from personalize.demo.oulad import DAY_MS, Clicks

LIVE_DAYS = 42
"""How many of the last days are kept back: six weeks of AAA 2013J are about 14,000 rows."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """A history that ends now and what comes after it."""

    shift_ms: int
    """Added to every time of the table; whole days."""
    history: Clicks
    live: Clicks


def timeline(clicks: Clicks, now_ms: int, *, live_days: int = LIVE_DAYS) -> Timeline:
    """Splits clicks in time order so that the cut is now.

    Args:
        clicks: rows in time order.
        now_ms: the moment of the cut, Unix milliseconds.
        live_days: how many of the last days are kept back; 0 keeps nothing back.
    """
    if len(clicks) == 0:
        return Timeline(0, clicks, clicks)
    last_day = int(clicks.at_ms[-1]) // DAY_MS
    return split(clicks, (now_ms // DAY_MS - (last_day - live_days)) * DAY_MS, now_ms, keep_back=live_days > 0)


def split(clicks: Clicks, shift_ms: int, now_ms: int, *, keep_back: bool = True) -> Timeline:
    """The timeline of a known shift: the same one again on a later start."""
    end = int(np.searchsorted(clicks.at_ms + shift_ms, now_ms, side="right")) if keep_back else len(clicks)
    return Timeline(shift_ms, clicks.take(slice(0, end)), clicks.take(slice(end, None)))


def unshifted(clicks: Clicks) -> Timeline:
    """Everything is history, at the times of the table (``--no-shift``): what benchmarks publish."""
    return Timeline(0, clicks, clicks.take(slice(0, 0)))
