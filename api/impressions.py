"""How is it noted what was served, without slowing a read?  A bounded buffer, emptied to Kafka in the background.

A read appends one entry.  Every `FLUSH_SECONDS` the entries become records of the topic `impressions`, packed into one
batch a partition, all in one request to Kafka.  A crash loses what was noted since the last flush; an orderly end loses
nothing.  While Kafka is away they wait; when the buffer is full, further ones are dropped and counted.  A batch whose
acknowledgement was missed is sent again: each record names its serving, so that a repetition is harmless.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import msgspec
import structlog
from msgspec import Raw, Struct

from api.ids import new_id
from api.publisher import KafkaAwayError, Outgoing, Publisher
from projections.reads.ready_list import EXPLORATION, ReadyList
from schemas.impressions import ImpressionServed
from schemas.topics import IMPRESSIONS

FLUSH_SECONDS = 0.1
LISTS_AT_ONCE = 100
"""Records made before the event loop sees to others (1 ms at most)."""
LISTS_A_FLUSH = 2_000
MOST_WAITING = 20_000
"""Lists; they hold on to bodies of about 4 KB."""

_log = structlog.get_logger("api.impressions")


class Shown:
    """A list as it is served, once or again and again while it lies ready.

    Args:
        user_id: to whom.
        list_type: what was asked for.
        policy: what placed the items, but for an explored one: the type of the list, or ``popular``.
        ready: the list.
        body: the answer: the first items of the list.
        experiments: experiment → variation, of those that the learner takes part in.
    """

    __slots__ = ("_front", "_rest", "body", "experiments", "key", "list_type", "policy", "slot", "user_id")

    def __init__(
        self,
        user_id: str,
        list_type: str,
        policy: str,
        ready: ReadyList,
        body: bytes,
        experiments: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.user_id = user_id
        self.key = user_id.encode()
        self.list_type = list_type
        self.policy = policy
        self.slot = (ready.slot_rank, ready.explored, ready.propensity)
        self.body = body
        self.experiments = experiments
        self._front: bytes | None = None
        self._rest = b""

    def record(self, list_id: str, served_ms: int) -> Outgoing:
        """The record that tells of one serving; all but its id and time is made once."""
        if self._front is None:
            self._front, self._rest = self._parts()
        return Outgoing(self.key, b'{"listId":"%b"%b%d%b' % (list_id.encode(), self._front, served_ms, self._rest))

    def _parts(self) -> tuple[bytes, bytes]:
        message = ImpressionServed(
            list_id="",
            user_id=self.user_id,
            served_at=0,
            items=(),
            list_type=self.list_type,
            experiments=dict(self.experiments),
        )
        front = b'"userId":%b,"servedAt":' % _encode(self.user_id)
        rest = _encode(message)[len(b'{"listId":"",') + len(front) + len(b'0,"items":[]') :]
        return b"," + front, b',"items":[%b]%b' % (b",".join(self._items()), rest)

    def _items(self) -> list[bytes]:
        slot_rank, explored, propensity = self.slot
        usual = b'%b,"propensity":1.0' % _encode(self.policy)
        places = [usual] * (slot_rank - 1)
        if slot_rank:
            arm = EXPLORATION if explored else self.policy
            places.append(b'%b,"propensity":%b' % (_encode(arm), _encode(propensity)))
        items = _items(self.body)
        places += [usual] * (len(items) - len(places))
        return [
            b'{"contentId":%b,"rank":%d,"arm":%b,"recommendationId":%b}'
            % (item.content_id, rank, place, item.recommendation_id)
            for rank, (item, place) in enumerate(zip(items, places, strict=False), start=1)
        ]


class _Item(Struct, rename="camel", gc=False):
    """What is read of a served item; as it stands, for it goes into the record like that."""

    content_id: Raw
    recommendation_id: Raw


_items = msgspec.json.Decoder(list[_Item]).decode
_encode: Final = msgspec.json.Encoder().encode


class Impressions:
    """Publishes what was served.

    Args:
        publisher: the API's producer.
        partition: of a user's records, by their key.
        most_waiting: lists that may wait.
    """

    def __init__(
        self, publisher: Publisher, partition: Callable[[bytes], int], most_waiting: int = MOST_WAITING
    ) -> None:
        self._publisher = publisher
        self._partition = partition
        self._most_waiting = most_waiting
        self._waiting: deque[tuple[Shown, int]] = deque()
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

    def note(self, shown: Shown, served_ms: int) -> None:
        """Takes note of one served list."""
        if len(self._waiting) >= self._most_waiting:
            self.dropped += 1
            return
        self._waiting.append((shown, served_ms))

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
            await self._make()
        sent = await self._publisher.publish_packed(IMPRESSIONS.name, self._unsent)
        for partition in sent:
            self.published += len(self._unsent.pop(partition))
        if self._unsent:
            raise KafkaAwayError([])

    async def _make(self) -> None:
        """Makes records of the lists that wait, a few at a time."""
        left = min(LISTS_A_FLUSH, len(self._waiting))
        records: defaultdict[int, list[Outgoing]] = defaultdict(list)
        self._unsent = records  # from here on: an end meanwhile must not lose them
        while left:
            for _ in range(min(LISTS_AT_ONCE, left)):
                shown, served_ms = self._waiting.popleft()
                records[self._partition(shown.key)].append(shown.record(new_id(), served_ms))
                left -= 1
            await asyncio.sleep(0)
