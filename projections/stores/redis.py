"""How does the code talk to Redis?  Versioned values that an older writer never overwrites, and reads in batches.

Redis mirrors what Postgres holds; it can be lost at any time.  So nothing here raises because Redis is away: a read
answers "not here", a write is dropped, and for a moment nobody asks again.  The caller then goes to Postgres.

A value is 16 hexadecimal digits of version followed by the payload.  Fixed width makes text order number order, so the
script below compares versions without Lua's 53-bit numbers.  The empty payload is a tombstone: it says "nothing here"
for as long as an older writer may still be on its way (a refill read before an erasure committed).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import redis
import redis.asyncio

from projections.stores.tls import Tls

VERSION_DIGITS = 16
TIME_TO_LIVE_SECONDS = 86_400
"""Values of learners who do not come back leave; also bounds what a database restored from a backup may meet."""
TOMBSTONE_SECONDS = 3_600
TIMEOUT_SECONDS = 0.25
READER_TIMEOUT_SECONDS = 0.15
"""For whom a request waits; Postgres has what is left of its second."""
REST_SECONDS = 0.5
"""After a failure Redis is left alone this long, so that a dead one costs nobody a time-out each."""
MOST_KEYS = 256
"""Keys one MGET takes: it blocks the server's only thread."""

# For each key: ARGV version, 16 digits; payload; seconds to live.  Equal versions overwrite.
PUT_IF_NEWER = """
local put = 0
for i, key in ipairs(KEYS) do
  if redis.call('GETRANGE', key, 0, 15) <= ARGV[3 * i - 2] then
    redis.call('SET', key, ARGV[3 * i - 2] .. ARGV[3 * i - 1], 'EX', ARGV[3 * i])
    put = put + 1
  end
end
return put
"""
KEYS_A_PUT = 64
"""Keys one call of the script takes: a call a key would cost the writer four times as much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisAddress:
    """Where Redis is."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    database: int = 0
    tls: Tls | None = None
    """None: what is said can be read on the way."""


@dataclass(frozen=True, slots=True)
class Versioned:
    """A payload and the position in the order of commits that it reflects."""

    version: int
    payload: bytes


def recommendations_key(learner_key: int, kind: str) -> bytes:
    """Where a learner's list of one kind lies."""
    return b"recommendations:%d:%s" % (learner_key, kind.encode())


AWAITED_LISTS = b"recommendations:awaited"
"""Set of the learner keys whose hybrid list a reader waits for: the recommender writes these first."""
AWAITED_SECONDS = 10
"""The set is gone so long after the last reader, should nobody take from it."""


def encode(value: Versioned) -> bytes:
    """The stored form of a value.

    >>> encode(Versioned(255, b"x"))
    b'00000000000000ffx'
    """
    return b"%016x%s" % (value.version, value.payload)


def decode(stored: bytes | None) -> Versioned | None:
    """The value in its stored form; None for nothing, a tombstone, or bytes that nobody here wrote."""
    if stored is None or len(stored) <= VERSION_DIGITS:
        return None
    try:
        return Versioned(int(stored[:VERSION_DIGITS], 16), stored[VERSION_DIGITS:])
    except ValueError:
        return None


def tls_options(tls: Tls | None) -> dict[str, Any]:
    """What a client of redis-py is told of TLS, besides that it is spoken at all where a URL says that."""
    if tls is None:
        return {}
    return {
        "ssl": True,
        "ssl_ca_certs": tls.ca_file,
        "ssl_certfile": tls.certificate_file,
        "ssl_keyfile": tls.key_file,
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
    }


def _options(address: RedisAddress) -> dict[str, Any]:
    return {
        "host": address.host,
        "port": address.port,
        "username": address.username,
        "password": address.password,
        "db": address.database,
        **tls_options(address.tls),
        "socket_connect_timeout": TIMEOUT_SECONDS,
        "decode_responses": False,
    }


class _Rest:
    """Whether Redis is being left alone after a failure."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until = -1.0
        self.failures = 0

    @property
    def now(self) -> bool:
        return self._clock() < self._until

    def begin(self) -> None:
        self.failures += 1
        self._until = self._clock() + REST_SECONDS


class Mirror:
    """The worker's writer: queue absolute values, then ``flush`` them in one round trip.  Not for several threads.

    What a projection's ``mirror`` is handed; ``zadd`` and ``zremrangebyrank`` are those of a redis-py pipeline.

    Args:
        address: where Redis is.
        clock: seconds, monotonic.
    """

    def __init__(self, address: RedisAddress, clock: Callable[[], float] = time.monotonic) -> None:
        # No retries (the default is three): the next poll writes again anyway.
        self._client = redis.Redis(
            **_options(address),
            socket_timeout=TIMEOUT_SECONDS,
            retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),
        )
        self._rest = _Rest(clock)
        self._put = self._client.register_script(PUT_IF_NEWER)
        self._queue: dict[bytes, tuple[Versioned, int]] = {}
        self._commands: list[Callable[[Any], object]] = []

    @property
    def failures(self) -> int:
        """Flushes that Redis did not take, ever."""
        return self._rest.failures

    def put(self, key: bytes, version: int, payload: bytes, seconds: int = TIME_TO_LIVE_SECONDS) -> None:
        """Queues a value; of several for one key the newest version is sent."""
        queued = self._queue.get(key)
        if queued is None or queued[0].version <= version:
            self._queue[key] = (Versioned(version, payload), seconds)

    def forget(self, key: bytes, version: int) -> None:
        """Queues a tombstone: the key is empty from this version on."""
        self.put(key, version, b"", TOMBSTONE_SECONDS)

    def zadd(self, key: str, scores: Mapping[int, float], *, gt: bool) -> None:
        """Queues scores of a sorted set; with ``gt`` a member's score only grows, so that order does not matter."""
        self._commands.append(lambda pipeline: pipeline.zadd(key, scores, gt=gt))

    def xadd(self, stream: bytes, payload: bytes, most_entries: int) -> None:
        """Queues an entry of a stream that keeps about so many of the newest ones."""
        self._commands.append(
            lambda pipeline: pipeline.xadd(stream, {b"p": payload}, maxlen=most_entries, approximate=True)
        )

    def zremrangebyrank(self, key: str, first: int, last: int) -> None:
        """Queues the removal of ranks of a sorted set."""
        self._commands.append(lambda pipeline: pipeline.zremrangebyrank(key, first, last))

    def take_members(self, key: bytes, most: int) -> list[bytes]:
        """Takes up to ``most`` members out of a set; none while Redis is away."""
        if self._rest.now:
            return []
        try:
            return list(self._client.spop(key, most) or ())  # type: ignore[arg-type]
        except (redis.RedisError, OSError):
            self._rest.begin()
            return []

    def flush(self) -> bool:
        """Sends what is queued; False when Redis did not take it (it is dropped: a reader refills from Postgres)."""
        queue, self._queue = self._queue, {}
        commands, self._commands = self._commands, []
        if not queue and not commands:
            return True
        if self._rest.now:
            return False
        try:
            with self._client.pipeline(transaction=False) as pipeline:
                entries = list(queue.items())
                for first in range(0, len(entries), KEYS_A_PUT):
                    some = entries[first : first + KEYS_A_PUT]
                    args: list[bytes | int] = []
                    for _, (value, seconds) in some:
                        args += (b"%016x" % value.version, value.payload, seconds)
                    self._put(keys=[key for key, _ in some], args=args, client=pipeline)
                for command in commands:
                    command(pipeline)
                pipeline.execute()
        except (redis.RedisError, OSError):
            self._rest.begin()
            return False
        return True

    def close(self) -> None:
        """Ends the connection."""
        self._client.close()


class Reader:
    """The API's reader: concurrent gets share one MGET, equal keys share one answer.

    One command of redis-py costs about 200 µs of CPU under load, a further key in an MGET a few: asking for everything
    that arrived since the last question is what makes thousands of reads a second possible in one process.
    """

    def __init__(self, address: RedisAddress, clock: Callable[[], float] = time.monotonic) -> None:
        # One connection, since requests share questions; one time-out around each question instead of one a read of the
        # socket.  Together that halves what a question costs.
        self._client = redis.asyncio.Redis(
            **_options(address),
            single_connection_client=True,
            retry=redis.asyncio.retry.Retry(redis.backoff.NoBackoff(), 0),
        )
        self._put = self._client.register_script(PUT_IF_NEWER)
        self._rest = _Rest(clock)
        self._waiting: dict[bytes, asyncio.Future[bytes | None]] = {}
        self._asking: asyncio.Task[None] | None = None

    @property
    def failures(self) -> int:
        """Batches that Redis did not answer, ever."""
        return self._rest.failures

    async def get(self, key: bytes) -> Versioned | None:
        """The value of a key; None when it is not there or Redis is away."""
        if self._rest.now:
            return None
        future = self._waiting.get(key)
        if future is None:
            future = asyncio.get_running_loop().create_future()
            self._waiting[key] = future
            if self._asking is None or self._asking.done():
                self._asking = asyncio.get_running_loop().create_task(self._ask())
        # Shielded: a reader that gives up must not take the answer away from those who share it.
        return decode(await asyncio.shield(future))

    async def _ask(self) -> None:
        # One question at a time: what arrives meanwhile is the next one, so under load questions grow, not in number.
        while self._waiting:
            keys = list(self._waiting)[:MOST_KEYS]
            await self._fetch([(key, self._waiting.pop(key)) for key in keys])

    async def _fetch(self, waiting: list[tuple[bytes, asyncio.Future[bytes | None]]]) -> None:
        values: Iterable[Any] = [None] * len(waiting)
        try:
            async with asyncio.timeout(READER_TIMEOUT_SECONDS):
                values = await self._client.mget([key for key, _ in waiting])
        except (redis.RedisError, OSError, TimeoutError):
            self._rest.begin()
        finally:
            for (_, future), value in zip(waiting, values, strict=True):
                if not future.done():
                    future.set_result(value)

    async def put(self, key: bytes, value: Versioned, seconds: int = TIME_TO_LIVE_SECONDS) -> None:
        """Refills a key from what Postgres said, unless something newer is there."""
        if self._rest.now:
            return
        try:
            async with asyncio.timeout(READER_TIMEOUT_SECONDS):
                await self._put(keys=[key], args=[b"%016x" % value.version, value.payload, seconds])
        except (redis.RedisError, OSError, TimeoutError):
            self._rest.begin()

    async def await_list(self, learner_key: int) -> None:
        """Says that a reader waits for a learner's hybrid list; not heard while Redis is away."""
        if self._rest.now:
            return
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS), self._client.pipeline(transaction=False) as pipeline:
                pipeline.sadd(AWAITED_LISTS, str(learner_key))
                pipeline.expire(AWAITED_LISTS, AWAITED_SECONDS)
                await pipeline.execute()
        except (redis.RedisError, OSError, TimeoutError):
            self._rest.begin()

    async def answers(self) -> bool:
        """Whether Redis answers now."""
        try:
            async with asyncio.timeout(READER_TIMEOUT_SECONDS):
                return bool(await self._client.ping())
        except (redis.RedisError, OSError, TimeoutError):
            return False

    async def close(self) -> None:
        """Ends the connections, after the reads under way."""
        if self._asking is not None:
            await self._asking
        await self._client.aclose()
