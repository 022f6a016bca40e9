"""Which achievements does one learner earn, and by which event?  The rule files played event by event.

`requires`: a tier is unlocked by the later of the event that reaches it and those that unlock the first tiers of what
it requires.  Windows leave out an event 366 days or more behind the learner's newest matching one.  A rule that repeats
is played in each day, week or month as if there were no other.
"""

from __future__ import annotations

import operator
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any, Final

from personalize.bench.fault_events import Event

Rule = dict[str, Any]

Unlocks = dict[tuple[str, int, str], int]

_LATEST_DAYS: Final = 366
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}
_FIELD: Final[dict[str, Callable[[Event], Any]]] = {
    "timeSpent": lambda event: event.time_spent,
    "completionRate": lambda event: event.completion,
    "rating": lambda event: event.rating,
    "clicksCount": lambda event: event.clicks,
    "scrollDepth": lambda event: event.scroll,
    "score": lambda event: event.score,
    "success": lambda event: event.success,
    "localHour": lambda event: event.local_hour,
    "localWeekday": lambda event: (event.local_day + 3) % 7 + 1,
}
_DAY_ZERO: Final = date(1970, 1, 1)
_PERIOD: Final[dict[str, Callable[[date], str]]] = {
    "daily": lambda day: day.strftime("%Y-%m-%d"),
    "weekly": lambda day: day.strftime("%G-W%V"),
    "monthly": lambda day: day.strftime("%Y-%m"),
}
_MEMBER: Final[dict[str, Callable[[Event], Any]]] = {
    "item": lambda event: event.item,
    "content_type": lambda event: event.content_type,
    "local_day": lambda event: event.local_day,
    "local_month": lambda event: (_DAY_ZERO + timedelta(days=event.local_day)).isoformat()[:7],
}


def play(events: Sequence[Event], rules: Sequence[Rule]) -> tuple[dict[tuple[str, str], int], Unlocks]:
    """One learner's log, played.

    Args:
        events: in the order of the log.
        rules: as in the rule files.

    Returns:
        Progress by rule and period (at most the rule's highest threshold; the period of a rule that does not repeat is
        empty), and the event time [ms] of each unlocked (rule, tier, period).
    """
    reached: dict[tuple[str, str], list[int]] = {}
    progress: dict[tuple[str, str], int] = {}
    for rule in rules:
        thresholds = [round(tier["gte"] * _unit(rule)) for tier in rule["tiers"]]
        for period, values in _by_period(rule, events).items():
            progress[rule["id"], period] = min(max(values, default=0), thresholds[-1])
            reached[rule["id"], period] = [
                next((place for place, value in enumerate(values) if value >= threshold), -1)
                for threshold in thresholds
            ]
    by_id = {rule["id"]: rule for rule in rules}
    unlocked = {}
    for rule_id, period in reached:
        for tier in range(1, len(by_id[rule_id]["tiers"]) + 1):
            place = _unlocking(by_id[rule_id], tier, period, reached, by_id)
            if place is not None:
                unlocked[rule_id, tier, period] = events[place].at_ms
    return progress, unlocked


def _by_period(rule: Rule, events: Sequence[Event]) -> dict[str, list[int]]:
    """What the rule stands at after each event of the log, in each period that has one that counts."""
    if rule.get("repeat", "never") == "never":
        return {"": _values(rule, events, [True] * len(events))}
    name = _PERIOD[rule["repeat"]]
    names = [name(_DAY_ZERO + timedelta(days=event.local_day)) for event in events]
    there = dict.fromkeys(own for own, event in zip(names, events, strict=True) if _counts(rule, event))
    return {period: _values(rule, events, [own == period for own in names]) for period in there}


def _unlocking(
    rule: Rule, tier: int, period: str, reached: dict[tuple[str, str], list[int]], by_id: dict[str, Rule]
) -> int | None:
    """Place of the event that unlocks a tier, or None."""
    places: list[int | None] = [reached[rule["id"], period][tier - 1]]
    places += [_unlocking(by_id[required], 1, "", reached, by_id) for required in rule.get("requires", ())]
    known = [place for place in places if place is not None and place >= 0]
    return max(known) if len(known) == len(places) else None


def _counts(rule: Rule, event: Event) -> bool:
    when = rule["when"]
    if when.get("fact"):
        return False
    if when.get("types") and event.type not in when["types"]:
        return False
    for name, comparison, value in when.get("where", ()):
        stated = _FIELD[name](event)
        if stated is None or not _COMPARE[comparison](stated, _as_stored(value)):
            return False
    return True


def _as_stored(value: float) -> float:
    # Measurements are float32, and a bound of 0.9 means the float32 nearest to it.
    return float(struct.unpack("f", struct.pack("f", value))[0])


def _values(rule: Rule, events: Sequence[Event], inside: Sequence[bool]) -> list[int]:
    """What the rule stands at after each event of the log, if it sees those inside only."""
    step = _STEPS["window" if rule.get("window", "all") != "all" else rule["agg"]](rule)
    values, value = [], 0
    for event, seen in zip(events, inside, strict=True):
        if seen and _counts(rule, event):
            value = max(value, step(event))
        values.append(value)
    return values


def _count(_rule: Rule) -> Callable[[Event], int]:
    seen = Counter[str]()

    def step(_event: Event) -> int:
        seen[""] += 1
        return seen[""]

    return step


def _distinct(rule: Rule) -> Callable[[Event], int]:
    members: set[Any] = set()

    def step(event: Event) -> int:
        members.add(_MEMBER[rule["of"]](event))
        return len(members)

    return step


def _streak(_rule: Rule) -> Callable[[Event], int]:
    days: set[int] = set()

    def step(event: Event) -> int:
        days.add(event.local_day)
        first = last = event.local_day
        while first - 1 in days:
            first -= 1
        while last + 1 in days:
            last += 1
        return last - first + 1

    return step


def _window(rule: Rule) -> Callable[[Event], int]:
    length = 1 if rule["window"] == "local_day" else int(rule["window"][:-1])
    days = Counter[int]()

    def step(event: Event) -> int:
        if days and event.local_day <= max(days) - _LATEST_DAYS:
            return 0
        days[event.local_day] += _weight(rule, event)
        starts = range(event.local_day - length + 1, event.local_day + 1)
        return max(sum(days[start + k] for k in range(length)) for start in starts)

    return step


def _sum(rule: Rule) -> Callable[[Event], int]:
    sums = Counter[str]()

    def step(event: Event) -> int:
        sums[""] += _weight(rule, event)
        return sums[""]

    return step


def _max(rule: Rule) -> Callable[[Event], int]:
    return lambda event: _weight(rule, event)


def _span(_rule: Rule) -> Callable[[Event], int]:
    days: list[int] = []

    def step(event: Event) -> int:
        days.append(event.local_day)
        return max(days) - min(days)

    return step


def _unit(rule: Rule) -> int:
    return 100 if rule["agg"] in {"sum", "max"} else 1


def _weight(rule: Rule, event: Event) -> int:
    """What an event counts; a sum counts hundredths of what the event states."""
    if "field" not in rule:
        return 1
    stated = _FIELD[rule["field"]](event)
    return 0 if stated is None else round(stated * 100)


_STEPS: Final[dict[str, Callable[[Rule], Callable[[Event], int]]]] = {
    "count": _count,
    "distinct": _distinct,
    "streak": _streak,
    "window": _window,
    "sum": _sum,
    "max": _max,
    "span": _span,
}
