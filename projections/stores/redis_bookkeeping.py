"""What do API processes count and remember together?  Requests by caller, and answers by idempotency key, in Redis.

Nothing here is a read model: it may be lost at any time.  ``None`` means that Redis is away; the caller then goes on by
itself, within one process.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import redis
import redis.asyncio

from projections.stores.redis import READER_TIMEOUT_SECONDS, RedisAddress, _options, _Rest

# A sliding window out of two fixed ones: what was taken in the last one counts by the share of it still in sight.
# KEYS[1] hash of the caller; ARGV[1] limit; ARGV[2] seconds of the window; ARGV[3] wanted.
# Answers: granted, left, milliseconds until the window moves on.
TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local limit, length, wanted = tonumber(ARGV[1]), ARGV[2] * 1000, tonumber(ARGV[3])
local number = math.floor(now / length)
local stored = redis.call('HMGET', KEYS[1], 'number', 'current', 'before')
local current, before = 0, 0
if stored[1] then
    if tonumber(stored[1]) == number then
        current, before = tonumber(stored[2]), tonumber(stored[3])
    elseif tonumber(stored[1]) == number - 1 then
        before = tonumber(stored[2])
    end
end
local passed = now % length
local left = math.floor(limit - current - before * (length - passed) / length)
local granted = math.max(0, math.min(wanted, left))
redis.call('HSET', KEYS[1], 'number', number, 'current', current + granted, 'before', before)
redis.call('PEXPIRE', KEYS[1], 2 * length)
return {granted, math.max(0, left - granted), length - passed}
"""


class Taken(NamedTuple):
    """What a caller was granted."""

    granted: int
    left: int
    reset_ms: int
    """Until the window moves on."""


class Bookkeeping:
    """Counts and remembers in Redis.

    Args:
        address: where Redis is.
        clock: seconds, monotonic.
    """

    def __init__(self, address: RedisAddress, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = redis.asyncio.Redis(
            **_options(address), retry=redis.asyncio.retry.Retry(redis.backoff.NoBackoff(), 0)
        )
        self._take = self._client.register_script(TAKE)
        self._rest = _Rest(clock)

    async def take(self, name: str, limit: int, window_seconds: int, wanted: int) -> Taken | None:
        """Takes up to ``wanted`` of a caller's requests of this window."""
        found = await self._ask(lambda: self._take(keys=[f"rate:{name}"], args=[limit, window_seconds, wanted]))
        return None if found is None else Taken(*(int(value) for value in found))

    async def begin(self, key: str, fingerprint: bytes, seconds: int) -> bytes | None:
        """Claims an idempotency key: b"" when it is claimed now, else what is stored there; None: Redis is away."""

        async def ask() -> Any:
            if await self._client.set(f"idempotency:{key}", fingerprint, nx=True, ex=seconds):
                return b""
            return await self._client.get(f"idempotency:{key}") or b""

        found: bytes | None = await self._ask(ask)
        return found

    async def finish(self, key: str, stored: bytes, seconds: int) -> None:
        """Stores what is to be answered to the same key from now on."""
        await self._ask(lambda: self._client.set(f"idempotency:{key}", stored, ex=seconds))

    async def abandon(self, key: str) -> None:
        """Forgets a key, so that the request may be tried again."""
        await self._ask(lambda: self._client.delete(f"idempotency:{key}"))

    async def close(self) -> None:
        """Ends the connections."""
        await self._client.aclose()

    async def _ask(self, question: Callable[[], Any]) -> Any:
        if self._rest.now:
            return None
        try:
            async with asyncio.timeout(READER_TIMEOUT_SECONDS):
                return await question()
        except (redis.RedisError, OSError, TimeoutError):
            self._rest.begin()
            return None
