"""What does the transport hand over?  One poll: for every partition that had any, its decoded slice of the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from projections.projection import OutboxRecord


class TopicPartition(NamedTuple):
    """A partition of a topic, ordered as the offset table is."""

    topic: str
    part: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A record that cannot be folded, with its original bytes and the reason."""

    offset: int
    record_ms: int
    reason: str
    pointer: str
    detail: str
    producer: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Everything that one partition delivered from ``start`` up to, not including, ``end``.

    ``offsets``, ``record_ms`` and ``messages`` run in parallel and hold what decoded; what did not is in ``dead``;
    what stands in a wrong partition is in ``misrouted``, ready to be sent to its own.
    """

    partition: TopicPartition
    start: int
    end: int
    delivered: int
    offsets: Sequence[int]
    record_ms: Sequence[int]
    messages: Sequence[Any]
    """``Interaction``, a command, or a ``ContentSet`` (None: withdrawn), by topic."""
    event_ids: Sequence[str]
    """Interactions only: the event's own id, or ``topic/partition/offset``."""
    dead: Sequence[DeadLetter] = ()
    misrouted: Sequence[tuple[int, OutboxRecord]] = ()
    keys: Sequence[bytes | None] = ()
    """Catalogue only: the record keys, parallel to ``messages``."""
    seek_number: int = 0
    producers: Mapping[str, int] = field(default_factory=dict)
    """Records by the producer that their headers name; records that name none are not counted."""

    def trimmed(self, cursor: int) -> Slice:
        """The part of the slice that lies at or behind ``cursor``, which earlier transactions did not apply."""
        if cursor <= self.start:
            return self
        keep = [index for index, offset in enumerate(self.offsets) if offset >= cursor]
        dead = [letter for letter in self.dead if letter.offset >= cursor]
        misrouted = [entry for entry in self.misrouted if entry[0] >= cursor]
        return replace(
            self,
            start=min(cursor, self.end),
            delivered=len(keep) + len(dead) + len(misrouted),
            offsets=[self.offsets[i] for i in keep],
            record_ms=[self.record_ms[i] for i in keep],
            messages=[self.messages[i] for i in keep],
            event_ids=[self.event_ids[i] for i in keep] if self.event_ids else (),
            keys=[self.keys[i] for i in keep] if self.keys else (),
            dead=dead,
            misrouted=misrouted,
        )
