"""How is it noted what was served, without slowing a read?  A bounded buffer, emptied to Kafka in the background.

A read appends one entry.  Every `FLUSH_SECONDS` the entries become records of the topic `impressions`, packed into one
batch a partition.  While Kafka is away they wait; when the buffer is full, further ones are dropped and counted.  A
batch whose acknowledgement was missed is sent again: each record names its serving, so that a repetition is harmless.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import msgspec
import structlog
from msgspec import Struct

from api.edge import new_id
from api.publisher import KafkaAwayError, Outgoing, Publisher
from projections.reads.ready_list import EXPLORATION, ReadyList
from schemas.impressions import ImpressionServed, ShownItem
from schemas.topics import IMPRESSIONS

FLUSH_SECONDS = 0.1
LISTS_AT_ONCE = 100
"""Records made before the event loop sees to others (about 2 ms)."""
MOST_WAITING = 20_000
"""Lists; they hold on to bodies of about 4 KB."""

_log = structlog.get_logger("api.impressions")


class Shown(NamedTuple):
    """One list that was served."""

    user_id: str
    list_type: str
    policy: str
    """What placed the items, but for an explored one: the type of the list, or ``popular``."""
    ready: ReadyList
    items: int
    served_ms: int
    experiments: Mapping[str, str] = MappingProxyType({})
    """Experiment → variation, of those that the learner takes part in."""


class _Item(Struct, rename="camel", gc=False):
    """What is read of a served item."""

    content_id: str
    recommendation_id: str


_items = msgspec.json.Decoder(list[_Item]).decode
_encode = msgspec.json.Encoder().encode


def record_of(shown: Shown, list_id: str) -> Outgoing:
    """The record that tells of one serving."""
    ready = shown.ready
    items = tuple(
        ShownItem(
            content_id=item.content_id,
            rank=rank,
            arm=EXPLORATION if ready.explored and rank == ready.slot_rank else shown.policy,
            propensity=ready.propensity if rank == ready.slot_rank else 1.0,
            recommendation_id=item.recommendation_id,
        )
        for rank, item in enumerate(_items(ready.body(shown.items)), start=1)
    )
    message = ImpressionServed(
        list_id=list_id,
        user_id=shown.user_id,
        served_at=shown.served_ms,
        items=items,
        list_type=shown.list_type,
        experiments=dict(shown.experiments),
    )
    return Outgoing(shown.user_id.encode(), _encode(message))


class Impressions:
    """Publishes what was served.

    Args:
        publisher: the API's producer.
        partition: of a user's records.
        most_waiting: lists that may wait.
    """

    def __init__(self, publisher: Publisher, partition: Callable[[str], int], most_waiting: int = MOST_WAITING) -> None:
        self._publisher = publisher
        self._partition = partition
        self._most_waiting = most_waiting
        self._waiting: deque[Shown] = deque()
        self._unsent: dict[int, list[Outgoing]] = {}
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0
        """Lists that found the buffer full, ever."""
        self.published = 0
        """Acknowledged by Kafka, ever."""

    @property
    def waiting(self) -> int:
        """Lists that are not published yet."""
        return len(self._waiting) + sum(map(len, self._unsent.values()))

    def note(self, shown: Shown) -> None:
        """Takes note of one served list."""
        if len(self._waiting) >= self._most_waiting:
            self.dropped += 1
            return
        self._waiting.append(shown)

    def open(self) -> None:
        """Starts publishing in the background."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Ends the background work; what waits is published if Kafka answers."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        with contextlib.suppress(KafkaAwayError):
            while self.waiting:
                await self._flush()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                while self.waiting:
                    await self._flush()
            except KafkaAwayError:
                continue
            except Exception as fault:  # noqa: BLE001 - reads go on without it
                _log.error("impressions", error=type(fault).__name__)

    async def _flush(self) -> None:
        """Publishes what was left over, or the next lists; raises KafkaAwayError with nothing lost."""
        if not self._unsent:
            records: defaultdict[int, list[Outgoing]] = defaultdict(list)
            for _ in range(min(LISTS_AT_ONCE, len(self._waiting))):
                shown = self._waiting.popleft()
                records[self._partition(shown.user_id)].append(record_of(shown, new_id()))
            self._unsent = dict(records)
        for partition in list(self._unsent):
            await self._publisher.publish_packed(IMPRESSIONS.name, partition, self._unsent[partition])
            self.published += len(self._unsent.pop(partition))
        await asyncio.sleep(0)
