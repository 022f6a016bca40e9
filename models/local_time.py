"""Which day and hour was it where the learner is?  Local days and hours of many events in few zones at once.

Offsets come from the IANA database (`zoneinfo`), so summer time and every historical change are right.  A zone's
offsets are looked up once a year of events and kept; then a whole column is one binary search.  UTC costs no search.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from models.columns import Int16, Int32, Int64
from models.decay import DAY_MS, HOUR_MS

_SECOND_MS = 1000


class LocalTime(NamedTuple):
    """The learner's own calendar at n moments."""

    day: Int32
    """(n,) days since 1970-01-01; the day begins at the day-start hour."""
    hour: Int16
    """(n,) hour of the clock, 0..23."""


def local_days_and_hours(
    at_ms: Int64, zone: NDArray[np.integer], zones: Sequence[str], day_start_hour: int | Int64 = 0
) -> LocalTime:
    """Local day and hour of n moments.

    Args:
        at_ms: (n,) Unix milliseconds.
        zone: (n,) index into ``zones`` of each moment's zone.
        zones: IANA names, such as ``Europe/Berlin``.
        day_start_hour: clock hour at which a new day begins, 0..23, of all moments or (n,) of each; before it still
            counts as the day before.

    Raises:
        ValueError: a zone is not in the IANA database, or the day-start hour is not 0..23.
    """
    if not np.all((np.asarray(day_start_hour) >= 0) & (np.asarray(day_start_hour) < 24)):
        raise ValueError(f"day_start_hour: {day_start_hour} is no hour of a day; give a whole number from 0 to 23")
    local_ms = at_ms.copy()
    used = np.flatnonzero(np.bincount(zone, minlength=len(zones))) if len(at_ms) else ()
    for index in used:
        name = zones[int(index)]
        if name == "UTC":
            continue
        rows = slice(None) if len(used) == 1 else zone == index
        local_ms[rows] += offset_ms(at_ms[rows], name)
    hour = local_ms // HOUR_MS % 24
    day = (local_ms - day_start_hour * HOUR_MS) // DAY_MS
    return LocalTime(day.astype(np.int32), hour.astype(np.int16))


def offset_ms(at_ms: Int64, zone: str) -> Int64:
    """(n,) what to add to Unix milliseconds to read the clock of one zone; raises ValueError for an unknown zone."""
    years = at_ms.astype("datetime64[ms]").astype("datetime64[Y]").astype(np.int64)
    first, last = int(years.min()), int(years.max())
    wanted = [first] if first == last else np.unique(years).tolist()
    tables = [_offsets_of_year(zone, year + 1970) for year in wanted]
    since = np.concatenate([table[0] for table in tables])
    offsets = np.concatenate([table[1] for table in tables])
    return offsets[np.searchsorted(since, at_ms, side="right") - 1]


@lru_cache(maxsize=8192)
def _offsets_of_year(zone: str, year: int) -> tuple[Int64, Int64]:
    """(since_ms, offset_ms): the offsets of a UTC year, each with the moment from which it holds."""
    try:
        rules = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"timezone: {zone!r} is not an IANA time zone; give a name such as Europe/Berlin") from error

    def offset(second: int) -> int:
        shift = dt.datetime.fromtimestamp(second, rules).utcoffset()
        return 0 if shift is None else int(shift.total_seconds())

    start = int(dt.datetime(year, 1, 1, tzinfo=dt.UTC).timestamp())
    end = int(dt.datetime(year + 1, 1, 1, tzinfo=dt.UTC).timestamp())
    since, offsets = [start], [offset(start)]
    # No zone changes twice within a day, so probes a day apart miss nothing.
    for probe in [*range(start + 86_400, end, 86_400), end - 1]:
        if offset(probe) != offsets[-1]:
            since.append(_first_second(offset, probe - 86_400, probe))
            offsets.append(offset(probe))
    return np.array(since) * _SECOND_MS, np.array(offsets) * _SECOND_MS


def _first_second(offset: Callable[[int], int], before: int, after: int) -> int:
    """The first second with the offset of ``after``, by bisection between two that differ."""
    new = offset(after)
    while after - before > 1:
        middle = (before + after) // 2
        if offset(middle) == new:
            after = middle
        else:
            before = middle
    return after
