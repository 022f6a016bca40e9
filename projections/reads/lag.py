"""How far behind the log is each group, in records and in seconds?

Records: the end of a partition less the offset that its group stands at.  Seconds: how long ago the log ended where the
group stands now, told from the ends seen before; no record is read for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, LiteralString

from projections.stores.log_positions import Partition, Seen

STORED: LiteralString = "SELECT projection, topic, part, next_offset FROM stream_offset"
GROUPS: Final = {"worker": "personalize-worker", "recommender": "personalize-recommender"}
"""Projection in `stream_offset` → Kafka consumer group."""
REMEMBERED: Final = 720
"""Looks that a partition's history keeps: an hour of one each 5 s; behind it the lag in seconds is a lower bound."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far one group is with one partition."""

    group: str
    topic: str
    part: int
    offset: int
    """First offset that the group has not dealt with."""
    end: int
    """Offset that the next record will get."""
    seconds: float
    """How long the oldest record that is not dealt with has been waiting; 0 without one."""

    @property
    def records(self) -> int:
        """Records that are not dealt with."""
        return max(0, self.end - self.offset)


class LagHistory:
    """Remembers where partitions ended when, to tell seconds from offsets."""

    def __init__(self) -> None:
        self._ends: dict[Partition, deque[tuple[float, int]]] = {}

    def look(self, now_seconds: float, seen: Seen, stored: Mapping[tuple[str, str, int], int]) -> list[Lag]:
        """Takes over one look and tells the lags.

        Args:
            now_seconds: time of the look, on any clock that only goes forward.
            seen: of Kafka.
            stored: (projection, topic, partition) → ``next_offset``, of `stream_offset`.  Kafka's own offsets follow it
                now and then; a recommender's stored ones are those of its last snapshot: the further one is right.
        """
        for partition, end in seen.ends.items():
            history = self._ends.setdefault(partition, deque(maxlen=REMEMBERED))
            if len(history) > 1 and history[-1][1] == history[-2][1] == end:
                history.pop()  # of several equal looks the first and the last say all
            elif history and history[-1][1] > end:
                history.clear()  # the topic was made anew
            history.append((now_seconds, end))
        offsets = dict(seen.committed)
        for (projection, topic, part), offset in stored.items():
            key = (GROUPS.get(projection, projection), topic, part)
            offsets[key] = max(offset, offsets.get(key, 0))
        return [
            self._lag(now_seconds, group, (topic, part), offset, seen.ends[topic, part])
            for (group, topic, part), offset in sorted(offsets.items())
            if (topic, part) in seen.ends
        ]

    def _lag(self, now_seconds: float, group: str, partition: Partition, offset: int, end: int) -> Lag:
        return Lag(group, *partition, offset, end, self._seconds(now_seconds, partition, offset, end))

    def _seconds(self, now_seconds: float, partition: Partition, offset: int, end: int) -> float:
        if offset >= end:
            return 0.0
        history = self._ends[partition]
        came_at = history[0][0]
        for (before, end_before), (after, end_after) in zip(history, list(history)[1:], strict=False):
            if end_before <= offset < end_after:
                came_at = before + (after - before) * (offset - end_before) / (end_after - end_before)
                break
        return max(0.0, now_seconds - came_at)
