"""How do API processes hear at once that something changed?  A short Redis stream that writers add to after commits.

An entry says what kind of change it was and whose: surrogate keys, never ids of the platform.  It is a hint that may be
lost with Redis, never the truth; whoever reads it reads the change itself from Postgres.  The stream keeps the newest
entries only, so a reader that was away for long is told that it missed something.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import redis
import redis.asyncio

from projections.stores.redis import RedisAddress, _options

STREAM = b"changes"
MOST_ENTRIES = 2_000
"""Entries that are kept, about."""
MOST_LEARNERS = 1_024
"""Keys that one entry names; a change of more learners names nobody, and may concern everybody."""
BLOCK_MS = 1_000

ACHIEVEMENT = "achievement"
MILESTONE = "milestone"
PROFILE = "profile"
RECOMMENDATIONS = "recommendations"
KINDS = (ACHIEVEMENT, MILESTONE, PROFILE, RECOMMENDATIONS)


class Change(NamedTuple):
    """One entry."""

    entry_id: str
    """Orders the entries; what a reader resumes from."""
    kind: str
    position: int
    """The transaction that made it."""
    learners: tuple[int, ...]
    """Surrogate keys, ascending; () when there were too many to name."""
    data: dict[str, Any]
    """What was announced, without whom."""

    def concerns(self, learner_key: int) -> bool:
        """Whether it is, or may be, about a learner."""
        if not self.learners:
            return True
        place = int(np.searchsorted(self.learners, learner_key))
        return place < len(self.learners) and self.learners[place] == learner_key


class _Payload(msgspec.Struct, array_like=True, frozen=True):
    kind: str
    position: int
    learners: bytes
    data: dict[str, Any]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Payload).decode


def payload(kind: str, position: int, learners: Sequence[int], data: dict[str, Any] | None = None) -> bytes:
    """The stored form of a change; too many learners are not named."""
    keys = sorted(set(learners)) if len(learners) <= MOST_LEARNERS else []
    return _encode(_Payload(kind, position, np.array(keys, "<i8").tobytes(), data or {}))


def change(entry_id: bytes, fields: dict[bytes, bytes]) -> Change | None:
    """The change in an entry; None for one that nobody here wrote."""
    try:
        read = _decode(fields[b"p"])
    except (KeyError, msgspec.DecodeError):
        return None
    learners = tuple(np.frombuffer(read.learners, "<i8").tolist())
    return Change(entry_id.decode(), read.kind, read.position, learners, read.data)


class ChangesAwayError(Exception):
    """Redis does not answer."""


class Changes:
    """Reads the stream; one for an API process."""

    def __init__(self, address: RedisAddress) -> None:
        self._client = redis.asyncio.Redis(
            **_options(address),
            socket_timeout=BLOCK_MS / 1000 + 2.0,
            retry=redis.asyncio.retry.Retry(redis.backoff.NoBackoff(), 0),
        )

    async def newest(self) -> str:
        """The id of the newest entry; "0-0" when there is none.  Raises ChangesAwayError."""
        entries = await self._ask(self._client.xrevrange(STREAM, count=1))
        return entries[0][0].decode() if entries else "0-0"

    async def lately(self, most: int) -> list[int]:
        """Surrogate keys of learners whose read models moved last, newest first.  Raises ChangesAwayError."""
        entries = await self._ask(self._client.xrevrange(STREAM, count=2 * most))
        moved = [found for entry in entries if (found := change(*entry)) is not None and found.kind == PROFILE]
        return [*dict.fromkeys(key for found in moved for key in found.learners)][:most]

    async def after(self, entry_id: str) -> list[Change]:
        """What comes after an entry, waiting for it for a moment.  Raises ChangesAwayError."""
        answer = await self._ask(self._client.xread({STREAM: entry_id}, count=500, block=BLOCK_MS))
        return [found for _, entries in answer for entry in entries if (found := change(*entry)) is not None]

    async def since(self, entry_id: str) -> list[Change] | None:
        """Everything behind an entry; None when some of it may be gone.  Raises ChangesAwayError."""
        oldest = await self._ask(self._client.xrange(STREAM, count=1))
        if not oldest or _order(oldest[0][0].decode()) > _order(entry_id):
            return None
        entries = await self._ask(self._client.xrange(STREAM, min=f"({entry_id}"))
        return [found for entry in entries if (found := change(*entry)) is not None]

    async def close(self) -> None:
        """Ends the connections."""
        await self._client.aclose()

    async def _ask(self, question: Any) -> Any:
        try:
            return await question
        except (redis.RedisError, OSError, TimeoutError):
            raise ChangesAwayError from None


def _order(entry_id: str) -> tuple[int, int]:
    moment, _, number = entry_id.partition("-")
    return int(moment), int(number or 0)


def is_newer(entry_id: str, than: str) -> bool:
    """Whether an entry comes behind another one."""
    return _order(entry_id) > _order(than)
