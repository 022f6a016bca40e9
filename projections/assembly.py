"""How do messages become columns?  Accepted interactions of a poll as the arrays that every fold takes.

This is the last place where an interaction is a Python object; it runs at 20,000 interactions a poll, so each column
is one comprehension, and whatever depends only on the learner or the content is looked up once for each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.columns import Int16, Int64, Interactions
from models.local_time import local_days_and_hours
from projections.identities import Identities
from projections.stores.postgres import Connection
from schemas.interactions import Interaction, event_time_ms

FUTURE_ALLOWANCE_MS = 86_400_000
"""An event time later than its record time by more than this is clamped to it: some clocks are wrong."""


def event_times(messages: Sequence[Interaction], record_ms: Int64) -> tuple[Int64, int]:
    """(event times [ms], how many were clamped); an absent occurredAt is the record time."""
    stated = [event_time_ms(message) for message in messages]
    times = np.array([at if at is not None else -1 for at in stated], np.int64)
    times = np.where(times == -1, record_ms, times)
    latest = record_ms + FUTURE_ALLOWANCE_MS
    return np.minimum(times, latest), int((times > latest).sum())


def _distinct(values: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    places: dict[str, int] = {}
    rows = [places.setdefault(value, len(places)) for value in values]
    return list(places), np.array(rows, np.int64)


def _measure(values: list[Any]) -> NDArray[np.float32]:
    return np.array(values, np.float32)  # None becomes NaN


def assemble(
    connection: Connection,
    identities: Identities,
    messages: Sequence[Interaction],
    at_ms: Int64,
    dedupe_keys: Int64,
) -> Interactions:
    """The messages as columns, in their order.

    Args:
        connection: for identities not seen before; outside any transaction.
        identities: the surrogate keys.
        messages: accepted interactions in log order.
        at_ms: (n,) their event times.
        dedupe_keys: (n,) their dedupe keys.
    """
    users, user_rows = _distinct([message.user_id for message in messages])
    contents, content_rows = _distinct([message.content_id for message in messages])
    type_names, type_rows = _distinct([message.content_type for message in messages])
    learners = identities.learners(connection, users)
    first_of_content = np.unique(content_rows, return_index=True)[1]
    items = identities.content(connection, contents, [messages[row].content_type for row in first_of_content])
    type_keys = np.array(identities.content_types(connection, type_names), np.int16)
    zones = np.array([learner.timezone for learner in learners], object)[user_rows]
    for row, message in enumerate(messages):
        if message.timezone is not None:
            zones[row] = message.timezone
    zone_names, zone_rows = _distinct(zones.tolist())
    local_day, local_hour = local_days_and_hours(at_ms, zone_rows, zone_names)
    return Interactions(
        learner=np.array([learner.key for learner in learners], np.int64)[user_rows],
        item=np.array([item.key for item in items], np.int64)[content_rows],
        content_type=type_keys[type_rows],
        type=_type_codes(messages),
        at_ms=at_ms,
        local_day=local_day,
        local_hour=local_hour,
        time_spent_seconds=_measure([message.time_spent for message in messages]),
        expected_seconds=_measure([item.duration_seconds for item in items])[content_rows],
        completion_rate=_measure([message.completion_rate for message in messages]),
        rating=_measure([message.rating for message in messages]),
        clicks=_measure([message.clicks_count for message in messages]),
        scroll_depth=_measure([message.scroll_depth for message in messages]),
        score=_measure([message.score for message in messages]),
        sentiment=np.full(len(messages), np.nan, np.float32),
        success=np.array([-1 if message.success is None else message.success for message in messages], np.int16),
        consent=np.array([learner.consent for learner in learners], np.int32)[user_rows],
        dedupe_key=dedupe_keys,
    )


def _type_codes(messages: Sequence[Interaction]) -> Int16:
    return np.array([message.interaction_type.code for message in messages], np.int16)
