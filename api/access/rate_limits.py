"""How often may a caller ask?  A sliding window a caller, counted in Redis for all processes, spent from small leases.

Asking Redis at every request would cost more than the request.  So a process takes a few of a caller's requests at once
and spends them by itself: one while the caller is slow (then counting is exact), more while it is fast, a fiftieth of
the limit at most.  Without Redis each process counts alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from api.access.callers import Caller
from api.access.rules import DENIAL
from api.problems import Headers, ProblemError, problem
from projections.stores.redis_bookkeeping import Taken

WINDOW_SECONDS = 60
USUAL_OF_KEYS = 60_000
"""Requests a minute of a key that has no limit of its own."""
USUAL_OF_LEARNERS = 600
REFUSED_STRANGERS = 1_200
"""Requests a minute that one address may send without good credentials; more are answered 429, and not audited."""
EXHAUSTED_SECONDS = 0.25
"""A caller that was granted nothing is refused for so long without asking again."""
SHARE = 50
FAST_SECONDS = 0.1
"""A lease that was spent sooner is followed by a larger one."""
MOST_CALLERS = 100_000


class Store(Protocol):
    """Where processes count together."""

    async def take(self, name: str, limit: int, window_seconds: int, wanted: int) -> Taken | None:
        """Takes some; None when nobody answers."""


@dataclass(slots=True)
class _Lease:
    limit: int
    policy: bytes
    tokens: int = 0
    left: int = 0
    """What Redis had left behind the lease."""
    resets_at: float = 0.0
    size: int = 1
    taken_at: float = -1e9
    asking: asyncio.Task[None] | None = None
    waiting: int = 0
    """Requests that wait for the next lease."""
    exhausted_until: float = -1e9
    number: int = -1
    current: int = 0
    before: int = 0

    def alone(self, now: float, wanted: int) -> Taken:
        """Takes from this process's own window: the same sum as in Redis."""
        number = int(now // WINDOW_SECONDS)
        if number != self.number:
            self.before = self.current if number == self.number + 1 else 0
            self.number, self.current = number, 0
        passed = now % WINDOW_SECONDS
        left = int(self.limit - self.current - self.before * (WINDOW_SECONDS - passed) / WINDOW_SECONDS)
        granted = max(0, min(wanted, left))
        self.current += granted
        return Taken(granted, max(0, left - granted), int((WINDOW_SECONDS - passed) * 1000))


class RateLimits:
    """Counts requests.

    Args:
        store: where processes count together; None: each alone.
        clock: seconds, monotonic.
    """

    def __init__(self, store: Store | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._leases: dict[str, _Lease] = {}
        self._strangers: dict[str, _Lease] = {}
        self.refused = 0
        """Requests refused, ever."""

    async def check(self, caller: Caller) -> Headers:
        """Counts one request; what the answer says of the limit.

        Raises:
            ProblemError: 429 with Retry-After, once the limit is reached.
        """
        limit = _limit(caller)
        if limit == 0 or not caller.limited:
            return []
        lease = self._leases.get(caller.name)
        if lease is None or lease.limit != limit:
            lease = self._new(self._leases, caller.name, limit)
        now = self._clock()
        while lease.tokens <= 0 or now >= lease.resets_at:
            if now < lease.exhausted_until:
                self.refused += 1
                raise self._too_many(lease)
            await self._renew(caller.name, lease)
            now = self._clock()
        lease.tokens -= 1
        return self._headers(lease)

    def count_stranger(self, scope: Any) -> None:
        """Counts one request that was refused for want of good credentials."""
        address = _address(scope)
        lease = self._strangers.get(address) or self._new(self._strangers, address, REFUSED_STRANGERS)
        taken = lease.alone(self._clock(), 1)
        lease.resets_at = self._clock() + taken.reset_ms / 1000
        if taken.left == 0:
            lease.exhausted_until = lease.resets_at

    def check_stranger(self, scope: Any) -> None:
        """Raises the problem (429) of an address from which too many requests were refused; health checks go on."""
        lease = self._strangers.get(_address(scope))
        if lease is not None and self._clock() < lease.exhausted_until and scope["raw_path"].startswith(b"/api/"):
            self.refused += 1
            scope["state"].pop(DENIAL, None)  # a flood would fill the audit log with itself
            raise self._too_many(lease)

    def _new(self, leases: dict[str, _Lease], name: str, limit: int) -> _Lease:
        if len(leases) >= MOST_CALLERS:
            leases.clear()  # everybody begins anew in this process; Redis goes on counting
        lease = leases[name] = _Lease(limit, b'"default";q=%d;w=%d' % (limit, WINDOW_SECONDS))
        return lease

    async def _renew(self, name: str, lease: _Lease) -> None:
        if lease.asking is None:
            lease.asking = asyncio.create_task(self._take(name, lease))
        lease.waiting += 1
        try:
            # Shielded: a request that is cancelled must not take the answer away from those who share it.
            await asyncio.shield(lease.asking)
        finally:
            lease.waiting -= 1

    async def _take(self, name: str, lease: _Lease) -> None:
        try:
            now = self._clock()
            fast = now - lease.taken_at < FAST_SECONDS
            lease.size = min(lease.size * 2, max(1, lease.limit // SHARE)) if fast else max(1, lease.size // 2)
            wanted = max(lease.size, lease.waiting)
            taken = None
            if self._store is not None:
                taken = await self._store.take(name, lease.limit, WINDOW_SECONDS, wanted)
            if taken is None:
                taken = lease.alone(now, wanted)
            lease.tokens, lease.left = taken.granted, taken.left
            lease.taken_at = self._clock()
            lease.resets_at = lease.taken_at + max(taken.reset_ms, 1) / 1000
            if not taken.granted:
                lease.exhausted_until = lease.taken_at + EXHAUSTED_SECONDS
        finally:
            lease.asking = None

    def _seconds(self, lease: _Lease) -> int:
        return max(1, round(lease.resets_at - self._clock() + 0.5))

    def _headers(self, lease: _Lease) -> Headers:
        left = b'"default";r=%d;t=%d' % (lease.left + lease.tokens, self._seconds(lease))
        return [(b"ratelimit-policy", lease.policy), (b"ratelimit", left)]

    def _too_many(self, lease: _Lease) -> ProblemError:
        seconds = self._seconds(lease)
        return problem(
            429,
            f"More than {lease.limit} requests in {WINDOW_SECONDS} s. Try again in {seconds} s.",
            headers=[(b"retry-after", b"%d" % seconds), *self._headers(lease)],
        )


def _address(scope: Any) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _limit(caller: Caller) -> int:
    if caller.requests_per_minute is not None:
        return caller.requests_per_minute
    return USUAL_OF_LEARNERS if caller.subject is not None else USUAL_OF_KEYS
