"""How new is an answer?  The positions in the log that it reflects, and the times that go with them.

Every answer is read in one snapshot together with its rows of ``stream_offset``: the offsets move in the transaction
that also writes the read models, so the pair is exact, not an estimate.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any, LiteralString, NamedTuple

from schemas.read_models import Freshness
from schemas.topics import CATALOGUE, LEARNER_KEYED

GROUP = "worker"
"""The process group that writes the read models."""

OFFSETS_OF_LEARNER: LiteralString = """
SELECT topic, part, next_offset, watermark_ms, updated_at FROM stream_offset
WHERE projection = 'worker' AND topic = ANY (%(topics)s::text[]) AND part = %(part)s
"""
OFFSETS: LiteralString = """
SELECT topic, part, next_offset, watermark_ms, updated_at FROM stream_offset WHERE projection = 'worker'
"""
NEXT_OFFSETS: LiteralString = "SELECT topic, part, next_offset FROM stream_offset WHERE projection = 'worker'"

_LEARNER_TOPICS = [topic.name for topic in LEARNER_KEYED]


class Seen(NamedTuple):
    """What an answer reflects."""

    positions: dict[tuple[str, int], int]
    """The offset behind the last record folded, by (topic, partition)."""
    as_of_ms: int
    """Newest event time folded [Unix ms]; 0 before any event."""
    moved_at_ms: int
    """When the newest of these transactions was made [Unix ms]; 0 before any."""


def learner_offsets(part: int) -> tuple[LiteralString, dict[str, Any]]:
    """The statement for the offsets of the partition that a learner lives in."""
    return OFFSETS_OF_LEARNER, {"topics": _LEARNER_TOPICS, "part": part}


def seen(rows: Iterable[tuple[Any, ...]]) -> Seen:
    """What the rows of one of the statements say; partitions that were only claimed so far say nothing."""
    moved = [row for row in rows if row[2] > 0]
    return Seen(
        positions={(topic, part): next_offset for topic, part, next_offset, _, _ in moved},
        as_of_ms=max((watermark_ms for _, _, _, watermark_ms, _ in moved), default=0),
        moved_at_ms=max((to_ms(updated_at) for *_, updated_at in moved), default=0),
    )


def relevant(positions: Mapping[tuple[str, int], int], part: int | None) -> dict[tuple[str, int], int]:
    """Those positions that an answer has to have passed: the learner's partition and the catalogue, or all.

    What is no topic that the read models fold cannot be waited for and is left out.
    """
    return {
        (topic, number): offset
        for (topic, number), offset in positions.items()
        if topic == CATALOGUE.name or (topic in _LEARNER_TOPICS and part in {None, number})
    }


def freshness(what: Seen, applied_seq: int, now_ms: int, *, stale: bool) -> Freshness:
    """The body's statement about its own age."""
    return Freshness(
        generated_at=moment(now_ms),
        as_of=moment(what.as_of_ms) if what.as_of_ms else None,
        position=applied_seq,
        data_age_ms=float(max(0, now_ms - what.moved_at_ms)) if what.moved_at_ms else None,
        stale=stale,
    )


def moment(at_ms: int) -> dt.datetime:
    """A point in time, in UTC."""
    return dt.datetime.fromtimestamp(at_ms // 1000, dt.UTC).replace(microsecond=at_ms % 1000 * 1000)


def to_ms(at: dt.datetime) -> int:
    """A point in time [Unix ms]."""
    return round(at.timestamp() * 1000)
