"""Is this API key good, and what may it do?  All keys in memory, read again every few seconds.

A deployment has tens of keys, not millions.  Holding them all means that a request costs one hash and no question, that
guessing never reaches Postgres, and that known keys go on working while Postgres is away.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from api.access.callers import Caller, scopes_of
from projections.api_keys import ACTIVE, EVER, hash_of, key_id_of
from projections.stores.postgres_pool import ReadPool, Unavailable

REFRESH_SECONDS = 3.0
"""A new, changed or revoked key counts after this time at the latest."""
MOST_STALE_SECONDS = 3_600.0
"""Keys that could not be read again for so long are no longer trusted: a revocation may have been missed."""

_log = structlog.get_logger("api.access")

Load = Callable[[], Awaitable[tuple[Sequence[tuple[Any, ...]], bool]]]
"""Rows of the active keys, and whether there ever was a key."""


def loader(pool: ReadPool) -> Load:
    """Reads the keys from Postgres."""

    async def load() -> tuple[Sequence[tuple[Any, ...]], bool]:
        rows, ever = await pool.snapshot([(ACTIVE, None), (EVER, None)])
        return rows, bool(ever[0][0])

    return load


class Keys:
    """The keys as they were a moment ago.

    Args:
        load: reads them.
        clock: seconds, monotonic.
        now: Unix seconds.
    """

    def __init__(
        self, load: Load, clock: Callable[[], float] = time.monotonic, now: Callable[[], float] = time.time
    ) -> None:
        self._load = load
        self._clock = clock
        self._now = now
        self._by_id: dict[str, tuple[bytes, Caller]] = {}
        self._ever = False
        self._loaded_at: float | None = None
        self._first = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._warned = False

    async def open(self) -> None:
        """Starts reading the keys in the background."""
        self._task = asyncio.create_task(self._refresh_for_ever())

    async def close(self) -> None:
        """Stops reading."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @property
    def known(self) -> bool:
        """Whether the keys were read, and not too long ago."""
        return self._loaded_at is not None and self._clock() - self._loaded_at < MOST_STALE_SECONDS

    @property
    def ever(self) -> bool:
        """Whether there ever was a key; meaningless unless ``known``."""
        return self._ever

    async def wait_until_known(self, seconds: float) -> bool:
        """Waits until the keys were read for the first time; False when they are not in time."""
        if not self.known:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._first.wait()
        return self.known

    def find(self, secret: str) -> Caller | None:
        """The caller of a secret, or None; takes as long for a wrong secret as for a right one."""
        key_id = key_id_of(secret)
        if key_id is None:
            return None
        stored, caller = self._by_id.get(key_id, _ABSENT)
        same = hmac.compare_digest(hash_of(secret), stored)
        return caller if same and caller is not None and caller.expires_at > self._now() else None

    def by_id(self, key_id: str) -> Caller | None:
        """The caller of an active key, without its secret: for sessions that were begun with it."""
        _, caller = self._by_id.get(key_id, _ABSENT)
        return caller if caller is not None and caller.expires_at > self._now() else None

    async def refresh(self) -> None:
        """Reads the keys once; what is known stays when they cannot be read."""
        try:
            rows, ever = await self._load()
        except Unavailable:
            return
        except Exception as error:  # noqa: BLE001 - no such table yet: nobody is let in before the migration
            if not self._warned:
                _log.error("keys_cannot_be_read", error=type(error).__name__, fix="run `personalize migrate`")
                self._warned = True
            return
        self._by_id = {row[0]: (bytes(row[1]), _caller(*row)) for row in rows}
        self._ever = ever
        self._loaded_at = self._clock()
        self._first.set()

    async def _refresh_for_ever(self) -> None:
        while True:
            await self.refresh()
            await asyncio.sleep(REFRESH_SECONDS if self.known else 0.2)


_ABSENT: tuple[bytes, Caller | None] = (bytes(32), None)


def _caller(key_id: str, _hash: bytes, scopes: list[str], requests_per_minute: int | None, expires_at: Any) -> Caller:
    return Caller(
        name=f"key:{key_id}",
        scopes=scopes_of(scopes),
        requests_per_minute=requests_per_minute,
        expires_at=expires_at.timestamp() if expires_at is not None else float("inf"),
    )
