"""Rate limits: one window for all processes, exact for slow callers, going on alone without Redis."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import httpx
import pytest
from access_kit import bearer
from api_kit import problem_of, running, until

from api.access import rate_limits
from api.access.callers import Caller
from api.access.rate_limits import RateLimits
from api.dependencies import ApiSettings
from api.problems import ProblemError
from projections import api_keys
from projections.stores.postgres import connect
from projections.stores.redis_bookkeeping import Bookkeeping, Taken


def caller(limit: int | None, name: str = "") -> Caller:
    """A caller with a limit of its own."""
    return Caller(name=name or f"key:{uuid.uuid4().hex}", requests_per_minute=limit)


async def served(limits: RateLimits, who: Caller, requests: int, at_once: int = 1) -> int:
    """How many of some requests are served, so many at a time."""

    async def one() -> bool:
        try:
            await limits.check(who)
        except ProblemError as error:
            return error.problem.status != 429
        return True

    count = 0
    for first in range(0, requests, at_once):
        count += sum(await asyncio.gather(*(one() for _ in range(min(at_once, requests - first)))))
    return count


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 6_000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("at_once", [1, 7, 100])
def test_alone(at_once: int) -> None:
    """A process without Redis serves exactly the limit in a window, says when to come back, and serves again then."""

    async def main() -> None:
        clock = Clock()
        limits, who = RateLimits(None, clock), caller(100)
        assert await served(limits, who, 300, at_once) == 100
        clock.now += 1
        with pytest.raises(ProblemError) as refused:
            await limits.check(who)
        headers = dict(refused.value.headers)
        assert headers[b"ratelimit-policy"] == b'"default";q=100;w=60'
        assert headers[b"ratelimit"].startswith(b'"default";r=0;t=')
        assert 1 <= int(headers[b"retry-after"]) <= 60
        clock.now += 89  # the last window counts by half
        assert await served(limits, who, 300, at_once) == pytest.approx(50, abs=2)
        clock.now += 200
        assert await served(limits, who, 300, at_once) == 100

    asyncio.run(main())


def test_unlimited_and_usual() -> None:
    """Zero is no limit; without one the usual limits hold; learners have a smaller one."""

    async def main() -> None:
        limits = RateLimits(None, Clock())
        assert await limits.check(caller(0)) == []
        assert (await limits.check(caller(None)))[0][1] == b'"default";q=60000;w=60'
        learner = Caller(name="learner:x", subject="u")
        assert (await limits.check(learner))[0][1] == b'"default";q=600;w=60'

    asyncio.run(main())


def test_two_processes_share_a_window(settings: ApiSettings) -> None:
    """What one process takes from Redis the other does not get."""

    async def main() -> None:
        assert settings.redis is not None
        stores = [Bookkeeping(settings.redis) for _ in range(2)]
        processes = [RateLimits(store) for store in stores]
        who = caller(200)
        counts = await asyncio.gather(*(served(limits, who, 400, 10) for limits in processes))
        # A lease that one process holds when the window moves on is lost, never doubled.
        assert 150 <= sum(counts) <= 210
        first = await stores[0].take("exact", 5, 60, 3)
        second = await stores[1].take("exact", 5, 60, 3)
        assert first is not None
        assert second is not None
        assert (first.granted, first.left) == (3, 2)
        assert second.granted in {2, 3}  # 3 if the window moved on between
        for store in stores:
            await store.close()

    asyncio.run(main())


def test_redis_that_goes_away_is_no_refusal() -> None:
    """Without an answer the process counts alone."""

    class Away:
        async def take(self, *_: Any) -> Taken | None:
            return None

    async def main() -> None:
        assert await served(RateLimits(Away(), Clock()), caller(10), 30) == 10

    asyncio.run(main())


@pytest.fixture(scope="module")
def limited(settings: ApiSettings) -> Iterator[tuple[httpx.Client, str]]:
    """An API, and a key that may ask five times a minute."""
    with closing(connect(settings.database_url, autocommit=True)) as connection:
        secret = api_keys.create(connection, "slow", ["recommendations:read"], requests_per_minute=5).secret
    with running(replace(settings, access_required=True)) as client:
        until(lambda: client.get("/livez", headers=bearer(secret)).status_code == 200)
        yield client, secret


def test_over_http(limited: tuple[httpx.Client, str]) -> None:
    """Answers say what is left, in both the hot route and the others; the sixth request is a 429."""
    client, secret = limited
    answers = [client.get(path, headers=bearer(secret)) for path in ["/api/trending", "/api/recommendations/u"] * 8]
    assert answers[0].headers["ratelimit-policy"] == '"default";q=5;w=60'
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 16 - 9  # 5, or a few more if the window moved on meanwhile
    assert problem_of(refused[0])["type"] == "/problems/rate-limited"
    assert int(refused[0].headers["retry-after"]) >= 1


def test_guessing_is_slow(limited: tuple[httpx.Client, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that sends bad credentials again and again is refused without a look; health checks go on."""
    monkeypatch.setattr(rate_limits, "REFUSED_STRANGERS", 20)
    client, _ = limited
    statuses = [client.get("/api/trending", headers=bearer("guess")).status_code for _ in range(50)]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    assert client.get("/livez").status_code == 200
