"""How far behind the topics are the read models?  The end of each partition, less the offset its fold stands at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Self

import psycopg

from projections.stores.kafka import client_options

FOLDED: Final = """
SELECT coalesce(sum(next_offset), 0)::bigint FROM stream_offset WHERE projection = 'worker' AND topic = %(topic)s
"""


@dataclass(frozen=True, slots=True)
class Position:
    """Records of one topic, summed over its partitions."""

    published: int
    folded: int

    @property
    def lag(self) -> int:
        """Records that are published and not folded yet."""
        return max(0, self.published - self.folded)


class LagMeter:
    """Asks Kafka for the ends and Postgres for the offsets of one topic."""

    def __init__(self, bootstrap: str, database_url: str, topic: str) -> None:
        self._bootstrap = bootstrap
        self._database_url = database_url
        self._topic = topic
        self._consumer: Any = None
        self._database: psycopg.AsyncConnection[tuple[int]] | None = None

    async def __aenter__(self) -> Self:
        from aiokafka import AIOKafkaConsumer

        self._consumer = AIOKafkaConsumer(self._topic, **client_options(self._bootstrap))
        await self._consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._consumer.stop()
        if self._database is not None:
            await self._database.close()

    async def read(self) -> Position:
        """Both sums; the folded one is read first, so that the lag is never too small.

        Raises:
            psycopg.OperationalError: Postgres is away; the next call connects again.
        """
        folded = await self._folded()
        ends = await self._consumer.end_offsets(sorted(self._consumer.assignment()))
        return Position(published=sum(ends.values()), folded=folded)

    async def _folded(self) -> int:
        if self._database is None or self._database.closed:
            self._database = await psycopg.AsyncConnection.connect(self._database_url, autocommit=True)
        row = await (await self._database.execute(FOLDED, {"topic": self._topic})).fetchone()
        assert row is not None
        return row[0]
