"""What waits to be folded?  The good records of one partition as columns, cut where the worker has got to.

The recommender follows the worker: a record is folded once the worker has committed it.  So every learner is known by
then, one who is not was erased since, and a list never claims a position that the read models have not reached.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from models.columns import Float32, Int16, Int64
from projections.assembly import event_times
from projections.deduplication import dedupe_keys
from projections.poll import Slice, TopicPartition
from schemas.commands import Command, FeedbackAction, FeedbackGiven
from schemas.event_time import epoch_ms
from schemas.interactions import InteractionType
from schemas.topics import INTERACTIONS

TAKING_FEEDBACK = {
    FeedbackAction.CLICKED: InteractionType.CLICK,
    FeedbackAction.COMPLETED: InteractionType.COMPLETE,
    FeedbackAction.LIKED: InteractionType.LIKE,
}
"""Feedback that says that the learner took the item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """The n events, and the commands, of one partition from ``start`` up to, not including, ``end``."""

    partition: TopicPartition
    start: int
    end: int
    offsets: Int64
    """(n,) of the events, ascending."""
    users: Sequence[str]
    contents: Sequence[str]
    at_ms: Int64
    record_ms: Int64
    type: Int16
    rating: Float32
    dedupe_key: Int64
    commands: Sequence[tuple[int, Command]] = ()
    """(offset, command)"""

    def between(self, start: int, end: int) -> Piece:
        """The part of the piece that lies in [start, end)."""
        if start <= self.start and end >= self.end:
            return self
        low, high = np.searchsorted(self.offsets, (start, end)).tolist()
        return Piece(
            partition=self.partition,
            start=max(start, self.start),
            end=min(end, self.end),
            offsets=self.offsets[low:high],
            users=self.users[low:high],
            contents=self.contents[low:high],
            at_ms=self.at_ms[low:high],
            record_ms=self.record_ms[low:high],
            type=self.type[low:high],
            rating=self.rating[low:high],
            dedupe_key=self.dedupe_key[low:high],
            commands=[(offset, command) for offset, command in self.commands if start <= offset < end],
        )


class _Event(NamedTuple):
    offset: int
    user: str
    content: str
    at_ms: int
    record_ms: int
    type: int
    rating: float | None
    event_id: str


def piece_of(given: Slice) -> Piece:
    """The piece of a decoded slice of `interactions` or `learner-commands`; what did not decode is passed over."""
    if given.partition.topic == INTERACTIONS.name:
        return _piece(given, _interactions(given), ())
    commands = list(zip(given.offsets, given.messages, strict=True))
    taking = [
        _feedback(offset, message, record_ms)
        for offset, message, record_ms in zip(given.offsets, given.messages, given.record_ms, strict=True)
        if isinstance(message, FeedbackGiven) and message.action in TAKING_FEEDBACK
    ]
    return _piece(given, taking, commands)


def _interactions(given: Slice) -> list[_Event]:
    record_ms = np.array(given.record_ms, np.int64)
    at_ms, _ = event_times(given.messages, record_ms)
    rows = zip(given.offsets, given.messages, at_ms.tolist(), given.record_ms, given.event_ids, strict=True)
    return [
        _Event(offset, m.user_id, m.content_id, at, recorded, m.interaction_type.code, m.rating, event_id)
        for offset, m, at, recorded, event_id in rows
    ]


def _feedback(offset: int, given: FeedbackGiven, record_ms: int) -> _Event:
    code = TAKING_FEEDBACK[given.action].code
    at_ms = min(epoch_ms(given.issued_at), record_ms)
    return _Event(offset, given.user_id, given.content_id, at_ms, record_ms, code, None, given.command_id)


def _piece(given: Slice, events: list[_Event], commands: Sequence[tuple[int, Any]]) -> Piece:
    users = [event.user for event in events]
    return Piece(
        partition=given.partition,
        start=given.start,
        end=given.end,
        offsets=np.array([event.offset for event in events], np.int64),
        users=users,
        contents=[event.content for event in events],
        at_ms=np.array([event.at_ms for event in events], np.int64),
        record_ms=np.array([event.record_ms for event in events], np.int64),
        type=np.array([event.type for event in events], np.int16),
        rating=np.array([event.rating for event in events], np.float32),
        dedupe_key=dedupe_keys(users, [event.event_id for event in events]),
        commands=commands,
    )


class Waiting:
    """Pieces in the order of their partitions' logs; not thread-safe."""

    def __init__(self) -> None:
        self._pieces: dict[TopicPartition, deque[Piece]] = {}
        self.received: dict[TopicPartition, int] = {}
        """How far each partition was received."""

    def restart(self, cursors: Mapping[TopicPartition, int]) -> None:
        """Drops everything; the partitions go on from these offsets."""
        self._pieces = {partition: deque() for partition in cursors}
        self.received = dict(cursors)

    def put(self, piece: Piece) -> int | None:
        """Takes a piece; the offset to read again from when something before it is missing."""
        held = self.received.get(piece.partition)
        if held is None or piece.end <= held:
            return None
        if piece.start > held:
            return held
        self._pieces[piece.partition].append(piece.between(held, piece.end))
        self.received[piece.partition] = piece.end
        return None

    def take(self, upto: Mapping[TopicPartition, int], events: int) -> list[Piece]:
        """The next pieces, at most about ``events`` events, none at or behind ``upto``; ordered by partition."""
        taken = []
        for partition, queue in sorted(self._pieces.items()):
            limit = upto.get(partition, 0)
            while queue and queue[0].start < limit and events > 0:
                piece = queue.popleft()
                end = min(limit, piece.end)
                if len(piece.offsets) > events:
                    end = min(end, int(piece.offsets[events]))
                if end < piece.end:
                    queue.appendleft(piece.between(end, piece.end))
                    piece = piece.between(piece.start, end)
                events -= len(piece.offsets)
                taken.append(piece)
                if end == limit:
                    break
        return taken

    def put_back(self, pieces: Sequence[Piece]) -> None:
        """Undoes a `take`."""
        for piece in reversed(pieces):
            self._pieces[piece.partition].appendleft(piece)

    @property
    def events(self) -> int:
        """Events that wait."""
        return sum(len(piece.offsets) for queue in self._pieces.values() for piece in queue)
