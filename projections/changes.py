"""What does a transaction tell those who listen?  Whose read models moved, and what was unlocked or reached."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from projections.projection import OutboxRecord
from projections.stores.redis import Mirror
from projections.stores.redis_changes import (
    ACHIEVEMENT,
    MILESTONE,
    MOST_ENTRIES,
    PROFILE,
    RECOMMENDATIONS,
    STREAM,
    payload,
)
from schemas.topics import ACHIEVEMENTS, MILESTONES

KIND_OF_TOPIC = {ACHIEVEMENTS.name: ACHIEVEMENT, MILESTONES.name: MILESTONE}
MOST_ANNOUNCED = 200
"""Announcements of one transaction that are told one by one; a replayed history unlocks thousands at once."""


def of_transaction(applied_seq: int, touched: Sequence[int], announced: Sequence[OutboxRecord]) -> list[bytes]:
    """The entries of a transaction, in the order to add them.

    Args:
        applied_seq: its number.
        touched: learner keys whose read models it moved.
        announced: its unlocks and milestones.
    """
    found = [entry for record in announced[:MOST_ANNOUNCED] if (entry := _announced(record, applied_seq))]
    if touched:
        found.append(payload(PROFILE, applied_seq, touched))
    return found


def of_lists(learner_keys: Sequence[int], position: int) -> bytes:
    """The entry that says whose lists of recommendations were written."""
    return payload(RECOMMENDATIONS, position, learner_keys)


def add(mirror: Mirror, entries: Sequence[bytes]) -> None:
    """Queues entries; they go with the mirror's next flush, behind what they tell of."""
    for entry in entries:
        mirror.xadd(STREAM, entry, MOST_ENTRIES)


def _announced(record: OutboxRecord, applied_seq: int) -> bytes | None:
    if record.learner_key is None or record.value is None:
        return None
    data = msgspec.json.decode(record.value)["data"]
    # Whose it is says the surrogate key; the platform's id stays out of Redis.
    del data["userId"]
    return payload(KIND_OF_TOPIC[record.topic], applied_seq, [record.learner_key], data)
