"""Where do the topics end, and where do consumer groups stand?  Asked of Kafka, for tools that show lag.

Nothing here decides where a fold resumes: that is `stream_offset`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from projections.stores.kafka import client_options

AWAY: Final[tuple[type[Exception], ...]] = (KafkaError, OSError, TimeoutError)
"""What `LogPositions.read` raises while Kafka does not answer."""
ANSWER_SECONDS: Final = 5.0

Partition = tuple[str, int]
"""Topic and partition number."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at the log."""

    starts: dict[Partition, int]
    """Offset of the oldest record that is still kept."""
    ends: dict[Partition, int]
    """Offset that the next record will get."""
    committed: dict[tuple[str, str, int], int]
    """(group, topic, partition) → first offset that the group has not dealt with, where it committed one."""


class LogPositions:
    """Looks at some topics and groups; connects at the first look, and anew after a failure.

    Args:
        bootstrap: ``host:port[,host:port]``.
        topics: which topics; those that do not exist are left out.
        groups: which consumer groups.
    """

    def __init__(self, bootstrap: str, topics: Sequence[str], groups: Sequence[str]) -> None:
        self._bootstrap = bootstrap
        self._topics = list(topics)
        self._groups = list(groups)
        self._admin: Any = None
        self._consumer: Any = None
        self._partitions: list[TopicPartition] = []

    async def read(self) -> Seen:
        """Looks once.  The groups are asked first, so that a lag is never too small.

        Raises:
            KafkaError, OSError, TimeoutError: Kafka does not answer; the next call connects again.
        """
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._read()
        except BaseException:
            await self.close()
            raise

    async def _read(self) -> Seen:
        if self._admin is None:
            await self._connect()
        answers = await asyncio.gather(*(self._admin.list_consumer_group_offsets(group) for group in self._groups))
        committed = {
            (group, partition.topic, partition.partition): stored.offset
            for group, answer in zip(self._groups, answers, strict=True)
            for partition, stored in answer.items()
            if stored.offset >= 0 and partition.topic in self._topics
        }
        starts, ends = await asyncio.gather(
            self._consumer.beginning_offsets(self._partitions), self._consumer.end_offsets(self._partitions)
        )
        return Seen(
            {(each.topic, each.partition): offset for each, offset in starts.items()},
            {(each.topic, each.partition): offset for each, offset in ends.items()},
            committed,
        )

    async def _connect(self) -> None:
        self._admin = AIOKafkaAdminClient(**client_options(self._bootstrap), client_id="personalize-positions")
        await self._admin.start()
        self._consumer = AIOKafkaConsumer(**client_options(self._bootstrap), client_id="personalize-positions")
        await self._consumer.start()
        described = await self._admin.describe_topics(self._topics)
        self._partitions = [
            TopicPartition(topic["topic"], partition["partition"])
            for topic in described
            if not topic["error_code"]
            for partition in topic["partitions"]
        ]

    async def close(self) -> None:
        """Ends the connections."""
        admin, consumer = self._admin, self._consumer
        self._admin = self._consumer = None
        for each, end in ((admin, "close"), (consumer, "stop")):
            if each is not None:
                with contextlib.suppress(*AWAY):
                    async with asyncio.timeout(ANSWER_SECONDS):
                        await getattr(each, end)()
