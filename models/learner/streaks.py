"""How long is a learner's streak, what protects it, and can anything unfair shorten it?  Sets and one read-out.

The state is nothing but sets: active local days, zone changes, freezes granted and spent, repairs.  Merging sets is
commutative, associative and idempotent, so late, duplicate and out-of-order events change nothing that an in-order feed
would not, and another day, freeze or repair can only lengthen a streak.  Decisions (a freeze is granted, a day is
repaired) are facts of the log themselves: ``refusal_of_freeze`` and ``refusal_of_repair`` make them; what freezes were
spent on follows from the sets (``freezes_spent_in_order``).

- A day is the local date of the event's own time in the zone that was valid then (``local_day``); it is never
  computed again, so a change of zone moves no day of the past.
- A missed day ends a streak only if the learner could have lived it whole: a date that travel or a calendar change cut
  short is passed over, though never more than two in a row.
- Hopping zones makes no days: a run counts at most the days that its real time allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np

from models.local_time import local_days_and_hours

FREEZES_HELD_MAX = 2
REPAIR_WITHIN_DAYS = 3
"""A missed day can be repaired up to this many days later."""
REPAIR_EVERY_DAYS = 7
PASSED_OVER_MAX = 2
"""Dates in a row that travel may cut short: the farthest zones are 26 hours apart."""
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
CLOCK_SLACK_MS = 2 * HOUR_MS
"""Summer time makes a day of 23 hours; honest runs never need more than this."""
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class StreakFacts:
    """Everything known about one learner's days; days are days since 1970-01-01 in the learner's zone."""

    active: Mapping[int, tuple[int, int]] = field(default_factory=dict)
    """Active day -> earliest and latest event on it, Unix milliseconds."""
    zones: frozenset[tuple[int, str, int]] = frozenset()
    """(from when, IANA zone, hour at which a day begins)."""
    freezes_granted: frozenset[str] = frozenset()
    """Ids of the grants."""
    freezes_spent: frozenset[int] = frozenset()
    """Missed days that a freeze was spent on; a late event on such a day gives the freeze back."""
    repairs: frozenset[tuple[int, int]] = frozenset()
    """(missed day, day of the repair)."""

    def merged(self, other: StreakFacts) -> StreakFacts:
        """The facts of both; commutative, associative, idempotent."""
        active = dict(self.active)
        for day, (first, last) in other.active.items():
            known = active.get(day, (first, last))
            active[day] = (min(known[0], first), max(known[1], last))
        return StreakFacts(
            dict(sorted(active.items())),
            self.zones | other.zones,
            self.freezes_granted | other.freezes_granted,
            self.freezes_spent | other.freezes_spent,
            self.repairs | other.repairs,
        )

    @property
    def freezes_held(self) -> int:
        """Freezes ready for a missed day."""
        used = sum(day not in self.active for day in self.freezes_spent)
        return max(0, len(self.freezes_granted) - used)


@dataclass(frozen=True, slots=True)
class Streak:
    """What a learner is shown."""

    current_days: int
    """Active days of the run that is still alive today; 0 when it has ended."""
    longest_days: int
    active_today: bool
    frozen_days: tuple[int, ...]
    """Missed days of the current run that freezes cover, those about to be spent included."""
    repaired_days: tuple[int, ...]
    passed_over_days: tuple[int, ...]
    """Dates of the current run that travel cut short."""
    freezes_held: int
    """After those about to be spent."""


@dataclass(frozen=True, slots=True)
class _Run:
    """Active days joined over covered ones."""

    days: tuple[int, ...]
    covered: tuple[int, ...]
    length: int


def local_day(at_ms: int, zone: str, day_start_hour: int = 0) -> int:
    """The learner's date at a moment, days since 1970-01-01; the day begins at ``day_start_hour``.

    Raises:
        ValueError: not an IANA zone, or not an hour of a day.
    """
    moments = np.array([at_ms], np.int64)
    return int(local_days_and_hours(moments, np.zeros(1, np.int64), [zone], day_start_hour).day[0])


def zone_at(zones: Iterable[tuple[int, str, int]], at_ms: int, otherwise: str = "UTC") -> str:
    """The zone valid at a moment; before the first known change, the first one."""
    history = sorted(zones)
    valid = [name for since, name, _ in history if since <= at_ms]
    return valid[-1] if valid else history[0][1] if history else otherwise


def zone_history(
    declared: Iterable[tuple[int, str, int]], travelled: Iterable[tuple[str, int, int]]
) -> frozenset[tuple[int, str, int]]:
    """The zones that a learner lived in: the declared ones, and the others that events stated while they did.

    Args:
        declared: (from when, zone, hour at which a day begins).
        travelled: (zone, first day, last day) of stretches whose events stated another zone than the declared one.
    """
    changes = sorted(declared) or [(0, "UTC", 0)]
    history = {*changes}
    for zone, first, last in travelled:
        away_ms = day_bounds_ms(first, zone)[0]
        back_ms = day_bounds_ms(last, zone)[1]
        history.add((away_ms, zone, _valid(changes, away_ms)[2]))
        history.add((back_ms, *_valid(changes, back_ms)[1:]))
    ordered = sorted(history)
    # A change to what was valid already is none: it must not cut a day in two.
    return frozenset(now for before, now in pairwise([(-1, "", -1), *ordered]) if now[1:] != before[1:])


def _valid(changes: list[tuple[int, str, int]], at_ms: int) -> tuple[int, str, int]:
    return ([change for change in changes if change[0] <= at_ms] or changes[:1])[-1]


def day_at(zones: Iterable[tuple[int, str, int]], at_ms: int) -> int:
    """The learner's date at a moment, by the history of zones."""
    return local_day(at_ms, *_valid(sorted(zones) or [(0, "UTC", 0)], at_ms)[1:])


def activity(at_ms: int, zone: str, day_start_hour: int = 0) -> StreakFacts:
    """The fact that the learner was active at a moment, in the zone valid then."""
    return StreakFacts(active={local_day(at_ms, zone, day_start_hour): (at_ms, at_ms)})


def streak_at(facts: StreakFacts, today: int) -> Streak:
    """The streak as of a local day; events of later days are not looked at."""
    spend = freezes_to_spend(facts, today)
    facts = facts.merged(StreakFacts(freezes_spent=frozenset(spend)))
    runs = _runs(facts, today)
    alive = runs[-1] if runs else _Run((), (), 0)
    waiting = range(alive.days[-1] + 1, today) if alive.days else range(0)
    covered = _cover(facts, waiting)
    if covered is None:
        alive, covered = _Run((), (), 0), ()
    days = alive.covered + covered
    repaired = {missed for missed, _ in facts.repairs}
    return Streak(
        current_days=alive.length,
        longest_days=max((run.length for run in runs), default=0),
        active_today=today in facts.active,
        frozen_days=tuple(day for day in days if day in facts.freezes_spent and day not in repaired),
        repaired_days=tuple(day for day in days if day in repaired),
        passed_over_days=tuple(day for day in days if day not in facts.freezes_spent and day not in repaired),
        freezes_held=facts.freezes_held,
    )


def freezes_to_spend(facts: StreakFacts, today: int) -> tuple[int, ...]:
    """Missed days that held freezes must cover to keep the current streak whole, the newest gap first.

    A gap that the freezes left can not close takes none: a freeze is never wasted on a streak that is lost anyway.  To
    be logged as facts once a day is over, so that a freeze spent for one gap is gone for the next.
    """
    days = sorted(day for day in facts.active if day <= today)
    spend: list[int] = []
    held = facts.freezes_held
    for before, after in pairwise(reversed([*days, max(today, days[-1] + 1)] if days else [])):
        if held == 0:
            break
        missed = range(after + 1, before)
        # Beyond this nothing can hold the run: do not walk through years of absence.
        if len(missed) > (PASSED_OVER_MAX + 1) * (held + len(facts.freezes_spent) + len(facts.repairs) + 1):
            break
        wanted = [day for day in missed if _cover(facts, range(day, day + 1)) is None]
        with_freezes = facts.merged(StreakFacts(freezes_spent=frozenset(wanted)))
        if len(wanted) > held or _cover(with_freezes, missed) is None:
            break
        spend += wanted
        held -= len(wanted)
    return tuple(sorted(spend))


def freezes_spent_in_order(facts: StreakFacts, taken: Mapping[str, int]) -> frozenset[int]:
    """The missed days that freezes were spent on, had the days come one after the other.

    A function of sets: a day that comes late, or not in its order, leaves what an in-order feed would have left.

    Args:
        facts: what is known of the learner; what it says of freezes is not looked at.
        taken: the local day on which each freeze was taken, by its id.
    """
    days, spent = sorted(facts.active), frozenset[int]()
    first = min(taken.values(), default=0)
    for before, back in pairwise(days):
        if back == before + 1 or back < first:
            continue
        repairs = frozenset(repair for repair in facts.repairs if repair[1] <= back)
        known = StreakFacts(
            active={day: facts.active[day] for day in days if day <= back},
            zones=facts.zones,
            freezes_granted=frozenset(freeze for freeze, day in taken.items() if day <= back),
            freezes_spent=spent - {missed for missed, _ in repairs},
            repairs=repairs,
        )
        spent |= frozenset(freezes_to_spend(known, back))
    return spent - {missed for missed, _ in facts.repairs}


def refusal_of_freeze(facts: StreakFacts) -> str | None:
    """Why no further freeze may be granted, or None."""
    if facts.freezes_held >= FREEZES_HELD_MAX:
        return f"freeze: {FREEZES_HELD_MAX} are held already; one must be spent first"
    return None


def refusal_of_repair(facts: StreakFacts, missed_day: int, today: int) -> str | None:
    """Why a missed day may not be repaired, or None."""
    if missed_day in facts.active:
        return "repair: that day was active, there is nothing to repair"
    if not 1 <= today - missed_day <= REPAIR_WITHIN_DAYS:
        return f"repair: only the last {REPAIR_WITHIN_DAYS} days can be repaired"
    last = max((day for _, day in facts.repairs if day <= today), default=None)
    if last is not None and today - last < REPAIR_EVERY_DAYS:
        return f"repair: one is possible every {REPAIR_EVERY_DAYS} days, the next in {REPAIR_EVERY_DAYS - today + last}"
    return None


def day_bounds_ms(day: int, zone: str, day_start_hour: int = 0) -> tuple[int, int]:
    """First and last (exclusive) moment of a local day; both are equal where the calendar skipped it."""
    rules = ZoneInfo(zone)
    edges = (datetime.combine(_EPOCH + timedelta(days=d), time(day_start_hour), rules) for d in (day, day + 1))
    start, end = (int(edge.astimezone(UTC).timestamp() * 1000) for edge in edges)
    return start, max(start, end)


def _runs(facts: StreakFacts, today: int) -> list[_Run]:
    runs: list[tuple[list[int], list[int]]] = []
    for day in sorted(day for day in facts.active if day <= today):
        covered = _cover(facts, range(runs[-1][0][-1] + 1, day)) if runs else None
        if covered is None:
            runs.append(([day], []))
        else:
            runs[-1][0].append(day)
            runs[-1][1].extend(covered)
    return [_Run(tuple(own), tuple(covered), _counted(facts, own)) for own, covered in runs]


def _counted(facts: StreakFacts, days: list[int]) -> int:
    """Days of a run, no more than its real time allows: n local dates of one zone span over n − 2 days."""
    elapsed_ms = facts.active[days[-1]][1] - facts.active[days[0]][0]
    return min(len(days), max(0, elapsed_ms + CLOCK_SLACK_MS) // DAY_MS + 2)


def _cover(facts: StreakFacts, missed: range) -> tuple[int, ...] | None:
    """The missed days, if every one of them is covered; None if one breaks the streak."""
    repaired = {day for day, _ in facts.repairs}
    passed_over = 0
    for day in missed:
        if day in repaired or day in facts.freezes_spent:
            passed_over = 0
        elif passed_over == PASSED_OVER_MAX or _lived_whole(facts, day):
            return None
        else:
            passed_over += 1
    return tuple(missed)


def _lived_whole(facts: StreakFacts, day: int) -> bool:
    """Whether the date ran from its beginning to its end within one zone of the learner's history."""
    history = sorted(facts.zones)
    if not history:
        return True
    ends = [since for since, _, _ in history[1:]]
    for index, (since, zone, hour) in enumerate(history):
        start, end = day_bounds_ms(day, zone, hour)
        begins = since <= start or index == 0
        if start < end and begins and (index == len(ends) or end <= ends[index]):
            return True
    return False
