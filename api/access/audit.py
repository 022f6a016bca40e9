"""What is written down about access?  Refusals and requests of administrators, in batches, off the hot path.

Who and whose are keyed hashes (key ids are no persons and stand as they are); nothing that was sent is repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from api.access.callers import Caller
from api.access.rules import Denial
from api.freshness import timestamp
from projections.access_audit import APPEND

FLUSH_SECONDS = 0.25
BATCH = 500
MOST_WAITING = 20_000
"""Entries kept while Postgres is away; more are dropped, counted, and the loss is an entry of its own."""
_CONTEXT = b"access-audit-1\0"


class Writer(Protocol):
    """Where entries go."""

    async def execute(self, statement: Any, parameters: dict[str, Any]) -> bool:
        """False when it was not written."""

    def close(self) -> Awaitable[None]:
        """Ends the connection."""


def pseudonyms(secret: str) -> Callable[[str], str]:
    """A keyed hash of ids: equal for equal ids, and nobody without the secret can tell whose."""
    key = hmac.digest(secret.encode(), _CONTEXT, hashlib.sha256)
    return lambda text: hmac.digest(key, text.encode(), "sha256").hex()[:24]


class Audit:
    """Collects entries and writes them in batches.

    Args:
        writer: where they go.
        pseudonym: a keyed hash of an id.
        now_ms: Unix milliseconds.
    """

    def __init__(self, writer: Writer, pseudonym: Callable[[str], str], now_ms: Callable[[], int]) -> None:
        self._writer = writer
        self._pseudonym = pseudonym
        self._now_ms = now_ms
        self._waiting: deque[str] = deque()
        self._dropped = 0
        self.dropped_ever = 0
        """Entries that were lost for want of room, ever."""
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Entries that are not written yet."""
        return len(self._waiting)

    async def open(self) -> None:
        """Starts writing in the background."""
        self._task = asyncio.create_task(self._write_for_ever())

    async def close(self) -> None:
        """Writes what is left, as far as Postgres answers."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            await self._flush()
        await self._writer.close()

    def record(
        self, scope: Any, route: str, caller: Caller, status: int, denial: Denial | None, request_id: str
    ) -> None:
        """Notes one request; costs a few microseconds."""
        if len(self._waiting) >= MOST_WAITING:
            self._dropped += 1
            self.dropped_ever += 1
            return
        entry = {
            "at": timestamp(self._now_ms()).decode(),
            "actor": caller.name,
            "method": scope["method"] if scope["method"].isalpha() else "",
            "route": route,
            "outcome": "allowed" if denial is None else "denied",
            "status": status,
            "requestId": request_id,
        }
        if denial is not None:
            entry["reason"] = denial.reason
            if denial.learner is not None:
                entry["learner"] = self._pseudonym(denial.learner)
        self._waiting.append(canonical(entry))

    async def _write_for_ever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self._flush()

    async def _flush(self) -> None:
        while self._waiting or self._dropped:
            if self._dropped:
                lost, self._dropped = self._dropped, 0
                self._waiting.append(
                    canonical({"at": timestamp(self._now_ms()).decode(), "outcome": "lost", "entries": lost})
                )
            batch = [self._waiting[n] for n in range(min(BATCH, len(self._waiting)))]
            if not await self._writer.execute(APPEND, {"entries": batch}):
                return  # tried again with the next flush
            for _ in batch:
                self._waiting.popleft()


def canonical(entry: dict[str, Any]) -> str:
    """An entry as the one text that is hashed: keys sorted, no spaces.

    >>> canonical({"b": 1, "a": "x"})
    '{"a":"x","b":1}'
    """
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
