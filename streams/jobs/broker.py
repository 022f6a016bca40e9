"""How does a job reach a process that runs it?  One Redis stream a queue, read by a consumer group, JSON only.

A message stays pending until its job has ended.  While this process lives it renews the messages it holds (XCLAIM
resets their idle time); when it is killed nobody does, and after ``idle_ms`` another process takes them over
(XAUTOCLAIM).  taskiq-redis looks for such messages only when a new one arrives, and never removes what is done, so
reading and acknowledging are our own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError
from redis.exceptions import ResponseError as RedisResponseError
from taskiq import AckableMessage
from taskiq.serializers import JSONSerializer
from taskiq_redis import RedisStreamBroker

from projections.stores.redis import RedisAddress, tls_options

logger = logging.getLogger(__name__)
GROUP = "jobs"
BLOCK_MS = 500
BACKOFF_SECONDS = 1.0
PASSING: tuple[type[Exception], ...] = (RedisError, OSError)
"""Failures of the queues that a retry can heal."""


def _tls_options(address: RedisAddress) -> dict[str, Any]:
    # That TLS is spoken says the URL; a pool of connections does not take it as an option.
    return {name: value for name, value in tls_options(address.tls).items() if name != "ssl"}


class JobBroker(RedisStreamBroker):
    """One queue.

    Args:
        address: of Redis.
        queue: name of the queue.
        prefix: of the stream's key.
        idle_ms: a message that nobody has renewed for so long belongs to a dead process.
    """

    def __init__(
        self,
        *,
        address: RedisAddress,
        queue: str,
        prefix: str = "personalize:jobs",
        idle_ms: int = 30_000,
    ) -> None:
        super().__init__(
            f"{'rediss' if address.tls else 'redis'}://{address.host}:{address.port}/{address.database}",
            queue_name=f"{prefix}:{queue}",
            consumer_group_name=GROUP,
            consumer_id="0",
            idle_timeout=idle_ms,
            username=address.username,
            password=address.password,
            **_tls_options(address),
        )
        self.with_serializer(JSONSerializer())
        self.queue = queue
        self._held: set[bytes] = set()
        self._cursor: bytes | str = "0-0"
        self._renewal: asyncio.Task[None] | None = None

    @property
    def _redis(self) -> Any:
        return Redis(connection_pool=self.connection_pool)

    async def startup(self) -> None:
        """Makes the consumer group and begins to renew what is held."""
        await super().startup()
        if self.is_worker_process:
            self._renewal = asyncio.create_task(self._renew())

    async def shutdown(self) -> None:
        """Stops renewing: what is still held passes to others after the idle time."""
        if self._renewal is not None:
            self._renewal.cancel()
            with suppress(asyncio.CancelledError):
                await self._renewal
        await super().shutdown()

    async def depth(self) -> int:
        """How many messages wait or are being worked on."""
        return int(await self._redis.xlen(self.queue_name))

    async def listen(self) -> AsyncGenerator[AckableMessage, None]:
        """Yields messages of dead processes first, then new ones, one at a time."""
        while True:
            try:
                found = await self._claim_abandoned() or await self._read_new()
            except RedisResponseError as fault:
                if "NOGROUP" not in str(fault):
                    raise
                await self._declare_consumer_group()  # Redis lost everything
                continue
            except PASSING as fault:
                logger.warning("queue %s: %s; trying again", self.queue, type(fault).__name__)
                await asyncio.sleep(BACKOFF_SECONDS)
                continue
            for message_id, fields in found:
                if not fields:  # Redis 6.2 hands out entries that were deleted meanwhile
                    await self._redis.xack(self.queue_name, GROUP, message_id)
                    continue
                self._held.add(message_id)
                yield AckableMessage(data=fields[b"data"], ack=self._acknowledge(message_id))

    async def _claim_abandoned(self) -> list[tuple[bytes, Any]]:
        answer = await self._redis.xautoclaim(
            self.queue_name, GROUP, self.consumer_name, self.idle_timeout, start_id=self._cursor, count=1
        )
        self._cursor = answer[0]
        # Our own, when this process was stopped for a while: the job goes on and needs no second delivery.
        return [message for message in answer[1] if message[0] not in self._held]

    async def _read_new(self) -> list[tuple[bytes, Any]]:
        answer = await self._redis.xreadgroup(
            GROUP, self.consumer_name, {self.queue_name: ">"}, count=1, block=BLOCK_MS
        )
        return [message for _, messages in _pairs(answer) for message in messages]

    def _acknowledge(self, message_id: bytes) -> Callable[[], Awaitable[None]]:
        async def acknowledge() -> None:
            self._held.discard(message_id)
            async with self._redis.pipeline() as pipe:
                pipe.xack(self.queue_name, GROUP, message_id)
                pipe.xdel(self.queue_name, message_id)  # one group reads it, so the length is what is left to do
                await pipe.execute()

        return acknowledge

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self.idle_timeout / 3_000)
            if self._held:
                try:
                    await self._redis.xclaim(self.queue_name, GROUP, self.consumer_name, 0, [*self._held], justid=True)
                except PASSING as fault:
                    logger.warning("queue %s: %s; not renewed", self.queue, type(fault).__name__)


def _pairs(answer: Any) -> list[tuple[bytes, list[tuple[bytes, Any]]]]:
    """(stream, messages) of an XREADGROUP answer, which is a mapping or a list by protocol version, or nothing."""
    if not answer:
        return []
    return [*answer.items()] if isinstance(answer, dict) else list(answer)


__all__ = ["GROUP", "PASSING", "JobBroker"]
