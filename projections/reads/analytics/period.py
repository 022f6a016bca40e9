"""Which days does a question mean, and how do figures become an answer?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, LiteralString, NamedTuple

import numpy as np

from models.columns import Mask
from schemas.analytics import Cell, Figure, Point, Value

DAYS: Final[Mapping[str, int]] = {"1d": 1, "7d": 7, "30d": 30, "90d": 90}
"""Period → UTC days, today included."""
POSITION: LiteralString = "SELECT applied_seq, watermark_ms, updated_at FROM roll_up_position"

Numbers = Mapping[str, float]
Formula = Mapping[str, tuple[str, str]]
"""Figure → (numerator, denominator), names of sums."""


class Period(NamedTuple):
    """A period and the one before it, in whole UTC days."""

    name: str
    previous: dt.date
    """First day of the period before."""
    first: dt.date
    last: dt.date
    """Today."""

    @property
    def days(self) -> list[dt.date]:
        """Every day of the period."""
        return [self.first + dt.timedelta(days=n) for n in range(DAYS[self.name])]

    def parameters(self) -> dict[str, Any]:
        """For the statements."""
        return {"previous": self.previous, "first": self.first, "last": self.last}


class Part(NamedTuple):
    """What one metric says."""

    figures: dict[str, Figure]
    series: tuple[Point, ...]
    groups: dict[str, tuple[Cell, ...]]
    withheld: int
    interval: str = "day"


def period(name: str, now_ms: int) -> Period:
    """The days that end today.

    >>> period("7d", 1_714_521_600_000).first
    datetime.date(2024, 4, 25)
    """
    today = dt.datetime.fromtimestamp(now_ms / 1000, dt.UTC).date()
    length = dt.timedelta(days=DAYS[name])
    first = today - length + dt.timedelta(days=1)
    return Period(name, first - length, first, today)


def figure(value: Value, previous: Value = None) -> Figure:
    """A figure with its change."""
    change = value / previous - 1.0 if value is not None and previous else None
    return Figure(value=value, previous=previous, change=change)


def figures(current: Mapping[str, Value], before: Mapping[str, Value]) -> dict[str, Figure]:
    """The figures of two periods, side by side."""
    return {name: figure(value, before.get(name)) for name, value in current.items()}


def ratio(numerator: float, denominator: float) -> Value:
    """Their quotient; None where there is nothing to divide by."""
    return numerator / denominator if denominator else None


def shown(values: Mapping[str, Value], hidden: Iterable[str]) -> dict[str, Value]:
    """The values without those that are withheld."""
    gone = set(hidden)
    return {name: None if name in gone else value for name, value in values.items()}


def masked(values: Sequence[Mapping[str, Value]], masks: Mapping[str, Mask]) -> list[dict[str, Value]]:
    """n rows of values, each figure without the rows that its mask (n,) withholds."""
    return [
        {name: None if masks[name][row] else value for name, value in each.items()} for row, each in enumerate(values)
    ]


def rows_hidden(masks: Iterable[Mask]) -> int:
    """How many rows have something withheld."""
    found = list(masks)
    return int(np.any(found, axis=0).sum()) if found else 0


def midnight(day: dt.date) -> dt.datetime:
    """The begin of a UTC day."""
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)
