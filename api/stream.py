"""How does a reader hear of changes as they happen?  Server-sent events from the changes that the workers tell.

One reader of the Redis stream serves all clients of a process; without clients nothing is read.  Each client has a
short queue: one that does not keep up loses what waits and is told to read again (`reset`), so that nobody slow costs
memory.
Ids are those of the Redis stream: any API process can resume what another one began.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from api.problems import problem
from projections.stores.redis_changes import (
    ACHIEVEMENT,
    KINDS,
    MILESTONE,
    PROFILE,
    Change,
    Changes,
    ChangesAwayError,
    is_newer,
)

TRENDING = "trending"
TOPICS = (TRENDING, *KINDS)
MOST_CLIENTS = 500
MOST_WAITING = 256
"""Events that may wait for a client."""
HEARTBEAT_SECONDS = 15.0
TRENDING_SECONDS = 1.0
"""Trending is told at most once in this time."""
AGAIN_SECONDS = 1.0
IDLE_READS = 10
"""Questions without a client after which nothing is read any more."""
RETRY_MS = 3_000
ENTRY_ID = re.compile(r"\d{1,15}-\d{1,10}\Z")

_encode = msgspec.json.Encoder().encode
RESET = b"event: reset\ndata: {}\n\n"
"""Something was missed: what was read before may be old."""
HEARTBEAT = b":\n\n"


@dataclass(eq=False, slots=True)
class Client:
    """One reader."""

    topics: frozenset[str]
    user_id: str | None
    """Only what concerns this learner; None: everybody."""
    learner_key: int | None = None
    """None: not known yet."""
    waiting: deque[bytes] = field(default_factory=deque)
    awake: asyncio.Event = field(default_factory=asyncio.Event)
    past: str = "0-0"
    """The newest entry that was handed over."""

    def put(self, event: bytes) -> None:
        """Queues an event, or replaces all that wait when there are too many."""
        if len(self.waiting) >= MOST_WAITING:
            self.waiting.clear()
            event = RESET
        self.waiting.append(event)
        self.awake.set()


FetchTrending = Callable[[], Awaitable[Any]]
FetchKey = Callable[[str], Awaitable[int | None]]
FetchIds = Callable[[list[int]], Awaitable[dict[int, str]]]


class Streams:
    """All clients of a process.

    Args:
        changes: where changes are read.
        fetch_trending: what is popular now, as the body of `GET /api/trending`.
        fetch_key: the surrogate key of a learner.
        fetch_ids: the platform's ids of surrogate keys.
        failures: what these raise when Postgres is away.
        seconds: how long one stream lasts at most.
    """

    def __init__(
        self,
        changes: Changes,
        fetch_trending: FetchTrending,
        fetch_key: FetchKey,
        fetch_ids: FetchIds,
        failures: type[Exception],
        seconds: float = 900.0,
    ) -> None:
        self._changes = changes
        self._fetch_trending = fetch_trending
        self._fetch_key = fetch_key
        self._fetch_ids = fetch_ids
        self._failures = failures
        self._seconds = seconds
        self._clients: set[Client] = set()
        self._task: asyncio.Task[None] | None = None
        self._position: str | None = None
        self._starting = asyncio.Lock()
        self._trending_at = -1e9
        self._closing = False

    @property
    def count(self) -> int:
        """Clients now."""
        return len(self._clients)

    async def lately(self, most: int) -> list[int]:
        """Surrogate keys of learners whose read models moved last; nobody while Redis is away."""
        try:
            return await self._changes.lately(most)
        except ChangesAwayError:
            return []

    async def open(self, client: Client, last_id: str | None) -> AsyncIterator[bytes]:
        """The events of a client, behind the one that it saw last; raises the problem of one client too many."""
        if self._closing or len(self._clients) >= MOST_CLIENTS:
            raise problem(
                503,
                "Too many clients listen already. Try again later.",
                kind="overloaded",
                title="Overloaded",
                headers=[(b"retry-after", b"5")],
            )
        async with self._starting:
            if self._task is None or self._task.done():
                # The place is noted before any client reads what it missed, so that nothing lies between the two.
                with contextlib.suppress(ChangesAwayError):
                    self._position = await self._changes.newest()
                self._ensure_reading()
        return self._events(client, last_id)

    async def close(self) -> None:
        """Ends every stream and the reading."""
        self.end()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._changes.close()

    def end(self) -> None:
        """Lets every client go, so that the process can end."""
        self._closing = True
        for client in self._clients:
            client.awake.set()

    async def _events(self, client: Client, last_id: str | None) -> AsyncIterator[bytes]:
        # From here on nothing is missed: what happens now waits in the queue while older entries are read.
        self._clients.add(client)
        self._ensure_reading()
        try:
            yield b"retry: %d\n\n" % RETRY_MS
            if last_id is not None:
                for event in await self._missed(client, last_id):
                    yield event
            loop = asyncio.get_running_loop()
            end = loop.time() + self._seconds
            while not self._closing and (left := end - loop.time()) > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(HEARTBEAT_SECONDS, left)):
                        await client.awake.wait()
                client.awake.clear()
                events = b"".join(client.waiting)
                client.waiting.clear()
                yield events or HEARTBEAT
        finally:
            self._clients.discard(client)

    def _ensure_reading(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._read())

    async def _missed(self, client: Client, last_id: str) -> list[bytes]:
        """What came behind an entry; a reset when that cannot be told."""
        try:
            missed = await self._changes.since(last_id) if ENTRY_ID.match(last_id) else None
            if missed is None:
                return [RESET]
            ids = await self._ids([client], missed)
        except (ChangesAwayError, self._failures):
            return [RESET]
        found = [event for change in missed if (event := _event(change, client, ids)) is not None]
        if missed:
            client.past = missed[-1].entry_id
        return found

    async def _read(self) -> None:
        idle = 0
        while idle < IDLE_READS:
            idle = 0 if self._clients else idle + 1
            try:
                if self._position is None:
                    self._position = await self._changes.newest()
                changes = await self._changes.after(self._position)
                if not changes:
                    continue
                self._position = changes[-1].entry_id
                await self._hand_over(changes)
            except (ChangesAwayError, self._failures):
                # What happened meanwhile is not known: everybody reads again.
                self._position = None
                for client in self._clients:
                    client.put(RESET)
                await asyncio.sleep(AGAIN_SECONDS)

    async def _hand_over(self, changes: list[Change]) -> None:
        ids = await self._ids(self._clients, changes)
        for client in list(self._clients):
            if client.learner_key is None and client.user_id is not None:  # unknown until now
                client.learner_key = await self._fetch_key(client.user_id)
        for change in changes:
            for client in self._clients:
                if is_newer(change.entry_id, client.past):
                    event = _event(change, client, ids)
                    if event is not None:
                        client.put(event)
                    client.past = change.entry_id
        if any(change.kind == PROFILE for change in changes):
            await self._tell_trending(changes[-1].entry_id)

    async def _tell_trending(self, entry_id: str) -> None:
        now = asyncio.get_running_loop().time()
        listening = [client for client in self._clients if TRENDING in client.topics]
        if not listening or now - self._trending_at < TRENDING_SECONDS:
            return
        self._trending_at = now
        event = _encoded(TRENDING, entry_id, await self._fetch_trending())
        for client in listening:
            client.put(event)

    async def _ids(self, clients: Any, changes: list[Change]) -> dict[int, str]:
        """The ids of those whose unlocks and milestones are told to everybody."""
        if all(client.user_id is not None for client in clients):
            return {}
        keys = {change.learners[0] for change in changes if change.kind in {ACHIEVEMENT, MILESTONE}}
        return await self._fetch_ids(sorted(keys)) if keys else {}


def _event(change: Change, client: Client, ids: dict[int, str]) -> bytes | None:
    """A change as this client is told it; None if it does not concern the client."""
    if change.kind not in client.topics:
        return None
    if client.user_id is not None:
        if client.learner_key is None or not change.concerns(client.learner_key):
            return None
        said = {"userId": client.user_id, "position": change.position, **change.data}
    elif change.kind in {ACHIEVEMENT, MILESTONE}:
        user_id = ids.get(change.learners[0])
        if user_id is None:  # erased since
            return None
        said = {"userId": user_id, "position": change.position, **change.data}
    else:
        said = {"learners": len(change.learners) or None, "position": change.position}
    return _encoded(change.kind, change.entry_id, said)


def _encoded(kind: str, entry_id: str, said: Any) -> bytes:
    return b"event: %s\nid: %s\ndata: %s\n\n" % (kind.encode(), entry_id.encode(), _encode(said))
