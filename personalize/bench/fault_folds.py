"""What must each table hold?  The read models over the events, event by event in plain Python.

Written from the definitions in the documentation, without `models`: sums are exact (`math.fsum`) over all events at
once, sets are sets, sessions come from sorting.  Slow and obvious on purpose.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from personalize.bench.fault_events import Event, Truth
from personalize.bench.servers import PROJECT
from schemas.interactions import InteractionType

Rows = dict[tuple[Any, ...], dict[str, Any]]
"""The rows of a table by key, with platform ids in place of surrogates."""

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 86_400_000
LANDMARK_MS: Final = 1_577_836_800_000
SESSION_GAP_MS: Final = 30 * 60_000
RING: Final = 50
TYPES: Final = tuple(member.value for member in InteractionType)
ENGAGEMENT_OF_TYPE: Final[dict[str, float]] = dict(
    zip(TYPES, (0.2, 0.3, 0.5, 1, 0.2, 0.5, 0.3, 0.5, 0.7, 0.6, 0.8, 0), strict=True)
)
LIKING_OF_TYPE: Final[dict[str, float]] = dict(
    zip(TYPES, (0.2, 0.3, 0.4, 1, 0.2, 1, 0, 0.8, 1, 0, 0.5, 0), strict=True)
)
DISLIKING_OF_TYPE: Final = {"DISLIKE": 1.0, "SKIP": 0.5}
TERMS: Final = ("type", "completion", "time", "scroll", "clicks", "rating", "sentiment")
TERM_WEIGHTS: Final = (0.30, 0.25, 0.15, 0.10, 0.05, 0.10, 0.05)
RULES: Final = PROJECT / "schemas" / "achievements"


def expected_tables(truth: Truth, rules: Path = RULES) -> dict[str, Rows]:
    """Every read model that the events imply, by table name."""
    of_learner = _by(truth.events, lambda event: (event.learner,))
    return {
        "interaction_log": {(event.dedupe_key,): _log_row(event) for event in truth.events},
        "engagement": {key: _engagement(events) for key, events in of_learner.items()},
        "behaviour": {key: _behaviour(events) for key, events in of_learner.items()},
        "learner_session": {
            (*key, visit[0].at_ms): _visit(visit) for key, events in of_learner.items() for visit in _visits(events)
        },
        "recent_interaction": {key: _recent(events) for key, events in of_learner.items()},
        "preference": {
            key: _preference(events)
            for key, events in _by(truth.events, lambda event: (event.learner, event.item)).items()
        },
        "trending": {key: _trending(events) for key, events in _by(truth.events, lambda event: (event.item,)).items()},
        "hourly_activity": {key: _hour(events) for key, events in _by(truth.events, _hour_key).items()},
        "active_dates": {
            key: {"days": _runs(event.local_day for event in events)} for key, events in of_learner.items()
        },
        **_achievements(of_learner, rules),
    }


def _by(events: Iterable[Event], key: Callable[[Event], tuple[Any, ...]]) -> dict[tuple[Any, ...], list[Event]]:
    groups: dict[tuple[Any, ...], list[Event]] = defaultdict(list)
    for event in events:
        groups[key(event)].append(event)
    return dict(groups)


def _log_row(event: Event) -> dict[str, Any]:
    return {"learner": event.learner, "item": event.item, "at_ms": event.at_ms, "local_day": event.local_day}


def log_sum(pairs: Iterable[tuple[float, int]], half_life_ms: float) -> float:
    """ln Σ w 2^((t − landmark)/H) over (w, t), −inf when it is empty; summed exactly around the largest term."""
    logs = [math.log(w) + (t - LANDMARK_MS) * (math.log(2) / half_life_ms) for w, t in pairs if w > 0]
    if not logs:
        return -math.inf
    top = max(logs)
    return top + math.log(math.fsum(math.exp(value - top) for value in logs))


def terms(event: Event) -> list[float | None]:
    """The parts of an engagement score that an event states, each in [0, 1]."""
    timed = event.time_spent is not None and event.expected is not None
    return [
        ENGAGEMENT_OF_TYPE[event.type],
        event.completion,
        min(event.time_spent / event.expected, 1.0) if timed else None,  # type: ignore[operator]  # `timed` says so
        event.scroll,
        None if event.clicks is None else 1 - math.exp(-event.clicks / 10),
        None if event.rating is None else (event.rating - 1) / 4,
        None,
    ]


def shares(event: Event) -> list[float]:
    """What each term adds to the event's score."""
    stated = terms(event)
    total = math.fsum(weight for weight, term in zip(TERM_WEIGHTS, stated, strict=True) if term is not None)
    return [weight * (term or 0.0) / total for weight, term in zip(TERM_WEIGHTS, stated, strict=True)]


def _engagement(events: Sequence[Event]) -> dict[str, Any]:
    of_event = [shares(event) for event in events]
    return {
        "events": len(events),
        **{
            f"log_{name}": log_sum(
                ((share[k], event.at_ms) for share, event in zip(of_event, events, strict=True)), 7 * DAY_MS
            )
            for k, name in enumerate(TERMS)
        },
        "last_at": max(event.at_ms for event in events),
    }


def _behaviour(events: Sequence[Event]) -> dict[str, Any]:
    paced = [event for event in events if event.time_spent is not None and event.expected is not None]
    rates = [event.completion for event in events if event.completion is not None]
    return {
        "events": len(events),
        "type_counts": [sum(event.type == name for event in events) for name in TYPES],
        "hour_counts": [sum(event.local_hour == hour for event in events) for hour in range(24)],
        "weekday_counts": [sum((event.local_day + 3) % 7 == day for event in events) for day in range(7)],
        "completions": sum(event.type == "COMPLETE" for event in events),
        "completion_rates": len(rates),
        "completion_rate_sum": math.fsum(rates),
        "time_spent_seconds": math.fsum(event.time_spent or 0 for event in events),
        "paced_spent_seconds": math.fsum(event.time_spent or 0 for event in paced),
        "paced_expected_seconds": math.fsum(event.expected or 0 for event in paced),
        "first_at": min(event.at_ms for event in events),
        "last_at": max(event.at_ms for event in events),
    }


def _visits(events: Sequence[Event]) -> list[list[Event]]:
    visits: list[list[Event]] = []
    for event in sorted(events, key=lambda event: event.at_ms):
        if visits and event.at_ms - visits[-1][-1].at_ms <= SESSION_GAP_MS:
            visits[-1].append(event)
        else:
            visits.append([event])
    return visits


def _visit(events: Sequence[Event]) -> dict[str, Any]:
    return {
        "ended_at": events[-1].at_ms,
        "events": len(events),
        "clicks": int(sum(event.clicks or 0 for event in events)),
        "completions": sum(event.type == "COMPLETE" for event in events),
        "time_spent_seconds": math.fsum(event.time_spent or 0 for event in events),
    }


def _recent(events: Sequence[Event]) -> dict[str, Any]:
    newest = sorted(events, key=lambda event: (event.at_ms, event.dedupe_key), reverse=True)[:RING]
    return {
        "items": [event.item for event in newest],
        "content_types": [event.content_type for event in newest],
        "types": [TYPES.index(event.type) for event in newest],
        "at_ms": [event.at_ms for event in newest],
        "dedupe_keys": [event.dedupe_key for event in newest],
    }


def liking(event: Event) -> float:
    """How much an event speaks for its item."""
    completion: float = 1.0 if event.completion is None else 0.5 + event.completion
    return LIKING_OF_TYPE[event.type] * completion + max(0.0, ((event.rating or 3) - 3) / 2)


def disliking(event: Event) -> float:
    """How much an event speaks against its item."""
    return DISLIKING_OF_TYPE.get(event.type, 0.0) + max(0.0, (3 - (event.rating or 3)) / 2)


def _preference(events: Sequence[Event]) -> dict[str, Any]:
    finished = [event.type == "COMPLETE" or (event.completion or 0) >= 1 for event in events]
    return {
        "log_positive": log_sum(((liking(event), event.at_ms) for event in events), 30 * DAY_MS),
        "log_negative": log_sum(((disliking(event), event.at_ms) for event in events), 30 * DAY_MS),
        "events": len(events),
        "completions": sum(finished),
        "last_at": max(event.at_ms for event in events),
    }


def _trending(events: Sequence[Event]) -> dict[str, Any]:
    weighted = [(liking(event), event.at_ms) for event in events]
    return {
        "log_1h": log_sum(weighted, HOUR_MS),
        "log_24h": log_sum(weighted, DAY_MS),
        "log_7d": log_sum(weighted, 7 * DAY_MS),
        "events": len(events),
        "last_at": max(event.at_ms for event in events),
    }


def _hour_key(event: Event) -> tuple[int, str, int]:
    return event.at_ms // HOUR_MS * HOUR_MS, event.content_type, TYPES.index(event.type)


def _hour(events: Sequence[Event]) -> dict[str, Any]:
    return {
        "events": len(events),
        "clicks": int(sum(event.clicks or 0 for event in events)),
        "completions": sum(event.type == "COMPLETE" for event in events),
        "time_spent_seconds": math.fsum(event.time_spent or 0 for event in events),
        "score_sum": math.fsum(math.fsum(shares(event)) for event in events),
    }


def _runs(days: Iterable[int]) -> list[tuple[int, int]]:
    """Maximal runs of days, each as first and last."""
    runs: list[tuple[int, int]] = []
    for day in sorted(set(days)):
        if runs and day == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    return runs


def _achievements(of_learner: dict[tuple[Any, ...], list[Event]], folder: Path) -> dict[str, Rows]:
    from personalize.bench.fault_achievements import play

    rules = [rule for file in sorted(folder.glob("*.json")) for rule in json.loads(file.read_text(encoding="utf-8"))]
    # Mastery is what the learner model says; that is checked by tests of its own.
    rules = [rule for rule in rules if rule["agg"] != "mastery"]
    progress: Rows = {}
    unlocks: Rows = {}
    for (learner,), events in of_learner.items():
        reached, unlocked = play(events, rules)
        progress |= {(learner, *key): {"progress": value} for key, value in reached.items()}
        unlocks |= {(learner, *tier): {"unlocked_at": at_ms} for tier, at_ms in unlocked.items()}
    return {"achievement_progress": progress, "achievement_unlock": unlocks}
