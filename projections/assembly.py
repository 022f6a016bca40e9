"""How do messages become columns?  The interactions of a poll as arrays, first without the database, then with it.

``draft`` does everything that depends on the records alone; the worker calls it in its decoding thread while the
transaction of the poll before is under way.  ``complete`` adds what only the database knows: surrogate keys, zones,
consent, durations, looked up once for each distinct id.  These are the last places where an interaction is a Python
object; at 20,000 interactions a poll each column is one comprehension.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.columns import Float32, Int16, Int64, Interactions, Mask
from models.local_time import local_days_and_hours
from projections.deduplication import dedupe_keys
from projections.identities import Identities
from projections.poll import Slice
from projections.stores.postgres import Connection
from schemas.interactions import Interaction, event_time_ms
from schemas.topics import INTERACTIONS

FUTURE_ALLOWANCE_MS = 86_400_000
"""An event time later than its record time by more than this is clamped to it: some clocks are wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distinct:
    """The distinct texts of a column of n rows, in order of first appearance, and which of them each row has."""

    values: list[str]
    rows: Int64
    """(n,) positions in ``values``."""

    @classmethod
    def of(cls, column: Sequence[str]) -> Distinct:
        """The distinct values of a column."""
        places: dict[str, int] = {}
        rows = [places.setdefault(value, len(places)) for value in column]
        return cls(values=list(places), rows=np.array(rows, np.int64))

    def first_rows(self) -> Int64:
        """Where each distinct value stands for the first time."""
        return np.unique(self.rows, return_index=True)[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The n interactions of a poll in log order, without surrogate keys."""

    slices: list[Slice]
    messages: list[Interaction]
    places: Int64
    """(n,) index in ``slices`` of the slice that each came from."""
    record_ms: Int64
    at_ms: Int64
    clamped: int
    """How many event times lay too far in the future."""
    dedupe_keys: Int64
    users: Distinct
    contents: Distinct
    content_types: Distinct
    type: Int16
    success: Int16
    measures: dict[str, Float32]
    texts: Int64
    """Rows that carry feedback."""

    def covers(self, slices: Sequence[Slice]) -> bool:
        """Whether this is the draft of exactly these slices."""
        return len(slices) == len(self.slices) and all(a is b for a, b in zip(slices, self.slices, strict=True))


_MEASURES: tuple[tuple[str, str], ...] = (
    ("time_spent_seconds", "time_spent"),
    ("completion_rate", "completion_rate"),
    ("rating", "rating"),
    ("clicks", "clicks_count"),
    ("scroll_depth", "scroll_depth"),
    ("score", "score"),
)


def interactions_of(slices: Sequence[Slice]) -> list[Slice]:
    """Those slices of a poll that hold interactions."""
    return [piece for piece in slices if piece.partition.topic == INTERACTIONS.name]


def draft(slices: Sequence[Slice]) -> Draft:
    """The interactions of these slices (of the topic `interactions`), in their order.  Pure."""
    messages: list[Interaction] = [message for piece in slices for message in piece.messages]
    record_ms = np.array([ms for piece in slices for ms in piece.record_ms], np.int64)
    at_ms, clamped = event_times(messages, record_ms)
    user_ids = [message.user_id for message in messages]
    return Draft(
        slices=list(slices),
        messages=messages,
        places=np.repeat(np.arange(len(slices)), [len(piece.messages) for piece in slices]).astype(np.int64),
        record_ms=record_ms,
        at_ms=at_ms,
        clamped=clamped,
        dedupe_keys=dedupe_keys(user_ids, [event_id for piece in slices for event_id in piece.event_ids]),
        users=Distinct.of(user_ids),
        contents=Distinct.of([message.content_id for message in messages]),
        content_types=Distinct.of([message.content_type for message in messages]),
        type=np.array([message.interaction_type.code for message in messages], np.int16),
        success=np.array([-1 if message.success is None else message.success for message in messages], np.int16),
        texts=np.flatnonzero([bool(message.feedback) for message in messages]),
        measures={column: _measure([getattr(message, name) for message in messages]) for column, name in _MEASURES},
    )


def event_times(messages: Sequence[Interaction], record_ms: Int64) -> tuple[Int64, int]:
    """(event times [ms], how many were clamped); an absent occurredAt is the record time."""
    stated = [event_time_ms(message) for message in messages]
    times = np.array([at if at is not None else -1 for at in stated], np.int64)
    times = np.where(times == -1, record_ms, times)
    latest = record_ms + FUTURE_ALLOWANCE_MS
    return np.minimum(times, latest), int((times > latest).sum())


def complete(connection: Connection, identities: Identities, drafted: Draft) -> Interactions:
    """The drafted interactions as the columns that every fold takes, in their order.

    Args:
        connection: for identities not seen before; outside any transaction.
        identities: the surrogate keys.
        drafted: the interactions.
    """
    messages = drafted.messages
    learners = identities.learners(connection, drafted.users.values)
    kinds = [messages[row].content_type for row in drafted.contents.first_rows()]
    items = identities.content(connection, drafted.contents.values, kinds)
    type_keys = np.array(identities.content_types(connection, drafted.content_types.values), np.int16)
    zones = Distinct.of(_zones(drafted, [learner.timezone for learner in learners]))
    by_user, by_content = drafted.users.rows, drafted.contents.rows
    starts = np.array([learner.day_start_hour for learner in learners], np.int64)
    local_day, local_hour = local_days_and_hours(
        drafted.at_ms, zones.rows, zones.values, starts[by_user] if starts.any() else 0
    )
    return Interactions(
        learner=np.array([learner.key for learner in learners], np.int64)[by_user],
        item=np.array([item.key for item in items], np.int64)[by_content],
        content_type=type_keys[drafted.content_types.rows],
        type=drafted.type,
        at_ms=drafted.at_ms,
        local_day=local_day,
        local_hour=local_hour,
        expected_seconds=_measure([item.duration_seconds for item in items])[by_content],
        sentiment=np.full(len(messages), np.nan, np.float32),
        success=drafted.success,
        consent=np.array([learner.consent for learner in learners], np.int32)[by_user],
        dedupe_key=drafted.dedupe_keys,
        **drafted.measures,
    )


def travels(
    connection: Connection, identities: Identities, drafted: Draft, batch: Interactions, fresh: Mask
) -> set[tuple[int, str, int]]:
    """(learner_key, zone, local day) of the fresh interactions that state another zone than their learner declared.

    Args:
        connection: as in ``complete``.
        identities: the surrogate keys.
        drafted: n interactions.
        batch: the fresh ones of them, completed.
        fresh: (n,) which they are.
    """
    zones = [message.timezone for message in drafted.messages]
    if zones.count(None) == len(zones):
        return set()
    learners = identities.learners(connection, drafted.users.values)
    by_user, days = drafted.users.rows[fresh].tolist(), batch.local_day.tolist()
    stated = (zone for zone, new in zip(zones, fresh.tolist(), strict=True) if new)
    return {
        (learners[user].key, zone, day)
        for user, zone, day in zip(by_user, stated, days, strict=True)
        if zone is not None and zone != learners[user].timezone
    }


def _zones(drafted: Draft, of_learner: list[str]) -> list[str]:
    """The zone of each event: its own, else its learner's."""
    if len(set(of_learner)) == 1 and all(message.timezone is None for message in drafted.messages):
        return of_learner[:1] * len(drafted.messages)
    return [
        message.timezone or of_learner[row] for message, row in zip(drafted.messages, drafted.users.rows, strict=True)
    ]


def _measure(values: list[Any]) -> NDArray[np.float32]:
    # Most producers send few of the measures; counting Nones is far cheaper than converting them.
    if values.count(None) == len(values):
        return np.full(len(values), np.nan, np.float32)
    return np.array(values, np.float32)  # None becomes NaN
