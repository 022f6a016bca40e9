"""How long until a published event can be read?  Probes through the whole system under load, beside Kafka alone.

Traffic of OULAD rows and commands runs over both learner-keyed topics (2 × 8 partitions).  A probe is one event of a
learner of its own, published straight to Kafka; time runs from before the send.

* token: as soon as the broker has acknowledged it, GET the profile with the consistency token of its position; time
  ends with the answer, which must count the event and must not be stale.
* polling: GET the profile without a token every 5 ms until it counts the event.
* reference, before the worker starts: the same probes under the same traffic, read by a plain consumer.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from api.tokens import Tokens
from personalize.bench.data_folder import data_folder
from personalize.bench.http_client import HttpClient
from personalize.bench.processes import WORKER, running
from personalize.bench.processor_time import ProcessorTime
from personalize.bench.progress import progress
from personalize.bench.report import Report, describe_machine, percentile
from personalize.bench.running_api import HOST, api
from personalize.bench.running_traffic import traffic
from personalize.bench.servers import Servers, servers
from personalize.errors import ProblemError
from schemas.partitioning import partition_of
from schemas.topics import INTERACTIONS, PARTITIONS

RATE: Final = 5_000.0
PROBES_PER_SECOND: Final = 25.0
_LEARNERS: Final = 50
_WARM_UP_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.005
_LONGEST_SECONDS: Final = 10.0

Probe = Callable[[int], Coroutine[None, None, float]]
"""(number of the probe) -> latency [ms]."""


def bench(data: Path | None = None, *, rate: float = RATE, seconds: float = 30.0, seed: int = 0) -> Report:
    """Runs the bench on its own servers.

    Args:
        data: folder with the measuring data sets; without OULAD there, the bundled module serves.
        rate: records a second over both topics.
        seconds: of each of the three measurements.
        seed: of the gaps between probes.

    Raises:
        ProblemError: the traffic did not reach its rate, or a probe was not seen in time.
    """
    machine = describe_machine()
    with servers() as own:
        figures = asyncio.run(_measure(own, data_folder(data), rate, seconds, seed))
    return Report.of("latency", figures, machine)


async def _measure(own: Servers, folder: Path, rate: float, seconds: float, seed: int) -> dict[str, Any]:
    arguments = ("--seconds", str(3 * seconds + 120), "--data", str(folder))
    producer = AIOKafkaProducer(bootstrap_servers=own.endpoints.kafka, acks="all", linger_ms=0)
    with traffic(own, rate, *arguments, least_share=0.95) as load:
        await producer.start()
        try:
            reference = await bare(own, producer, seconds, seed)
            with running(own, "worker", WORKER) as worker, api(own) as (server, port):
                probing = _Probing(own, producer, port)
                await probing.warm_up()
                usage = ProcessorTime({"worker": worker.pid, "api": server.pid, "traffic": load.pid, **own.pids()})
                with_token = await probes("token", probing.with_token, seconds, seed)
                cpu = usage.figures()
                polling = await probes("polling", probing.by_polling, seconds, seed + 1)
        finally:
            await producer.stop()
    return {
        "publish_to_visible_p50_ms": percentile(with_token, 0.5),
        "publish_to_visible_p99_ms": percentile(with_token, 0.99),
        "publish_to_visible_max_ms": max(with_token),
        "polling_get_p50_ms": percentile(polling, 0.5),
        "polling_get_p99_ms": percentile(polling, 0.99),
        "produce_to_consume_p50_ms": percentile(reference, 0.5),
        "produce_to_consume_p99_ms": percentile(reference, 0.99),
        "probes": len(with_token),
        "traffic_events_per_second": load.reached["events_per_second"],
        "traffic_latest_tick_ms": load.reached["latest_tick_ms"],
        **cpu,
    }


async def probes(
    label: str, probe: Probe, seconds: float, seed: int, per_second: float = PROBES_PER_SECOND
) -> list[float]:
    """Latencies [ms] of probes at random moments; several may be under way at a time."""
    dice = random.Random(seed)
    tasks: list[asyncio.Task[float]] = []
    begun = due = time.perf_counter()
    with progress(f"probes: {label}", round(seconds)) as done:
        while (now := time.perf_counter()) < begun + seconds:
            if now >= due:
                due += dice.expovariate(per_second)
                tasks.append(asyncio.create_task(probe(len(tasks))))
            done(int(now - begun))
            await asyncio.sleep(min(max(due - time.perf_counter(), 0.0), 0.25))
        async with asyncio.timeout(7 * _LONGEST_SECONDS):
            return list(await asyncio.gather(*tasks))


async def bare(
    own: Servers, producer: AIOKafkaProducer, seconds: float, seed: int, *, per_second: float = PROBES_PER_SECOND
) -> list[float]:
    """The reference: from the send to a plain consumer that reads the same topic."""
    consumer = AIOKafkaConsumer(
        INTERACTIONS.name,
        bootstrap_servers=own.endpoints.kafka,
        auto_offset_reset="latest",
        isolation_level="read_committed",
        fetch_max_wait_ms=100,
    )
    await consumer.start()
    seen: dict[bytes, asyncio.Future[float]] = {}

    async def consume() -> None:
        while True:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                now = time.perf_counter()
                for record in records:
                    waiting = seen.pop(record.key, None)
                    if waiting is not None:
                        waiting.set_result(now)

    async def measured(number: int) -> float:
        key = f"bare-{number}".encode()
        arrived: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        seen[key] = arrived
        since = time.perf_counter()
        await producer.send(INTERACTIONS.name, _event(key.decode(), number), key=key)
        return (await arrived - since) * 1000

    reading = asyncio.create_task(consume())
    try:
        await asyncio.sleep(min(_WARM_UP_SECONDS, seconds))
        return await probes("Kafka alone", measured, seconds, seed, per_second)
    finally:
        reading.cancel()
        await consumer.stop()


def _event(learner: str, number: int) -> bytes:
    return json.dumps(
        {
            "userId": learner,
            "interactionType": "VIEW",
            "contentType": "lesson",
            "contentId": f"probe-{number % 20}",
            "eventId": f"{learner}-{number}-{time.time_ns()}",
            "occurredAt": int(time.time() * 1000),
            "clicksCount": 1,
        }
    ).encode()


@dataclass(slots=True)
class _Probing:
    """Sends probe events and asks the API for them."""

    own: Servers
    producer: AIOKafkaProducer
    port: int
    _counts: dict[str, int] = field(default_factory=dict)
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    _clients: list[HttpClient] = field(default_factory=list)

    async def warm_up(self) -> None:
        """Waits until the worker has caught up with the traffic so far: a few probes come through in time."""
        deadline = time.monotonic() + 120.0
        good = 0
        while good < _LEARNERS:
            if time.monotonic() > deadline:
                raise ProblemError("The worker does not catch up with the traffic.", "ask for less with --rate.")
            latency = await self.by_polling(good)
            good = good + 1 if latency < 1000 else 0

    async def with_token(self, number: int) -> float:
        """Latency [ms] of one event, asked for once with its token."""
        learner = f"probe-{number % _LEARNERS}"
        async with self._lock(learner):
            since = time.perf_counter()
            position = await self._send(learner, number)
            token = Tokens(self.own.token_secret).make(position)
            client = await self._client()
            answer = await client.get(f"/api/profile/{learner}", {"X-Consistency-Token": token, "Prefer": "wait=10"})
            latency = (time.perf_counter() - since) * 1000
            self._clients.append(client)
            self._counts[learner] = self._counts.get(learner, 0) + 1
            if answer.status != 200 or "x-stale" in answer.headers or _count(answer.body) != self._counts[learner]:
                raise ProblemError(
                    f"A read with a token was answered {answer.status} with {_count(answer.body)} events instead of"
                    f" {self._counts[learner]}.",
                    "this is a fault of the API or the worker: a token must be honoured.",
                )
            return latency

    async def by_polling(self, number: int) -> float:
        """Latency [ms] of one event, asked for every 5 ms."""
        learner = f"probe-{number % _LEARNERS}"
        async with self._lock(learner):
            since = time.perf_counter()
            await self._send(learner, number)
            wanted = self._counts[learner] = self._counts.get(learner, 0) + 1
            client = await self._client()
            while True:
                answer = await client.get(f"/api/profile/{learner}")
                latency = (time.perf_counter() - since) * 1000
                if answer.status == 200 and _count(answer.body) >= wanted:
                    self._clients.append(client)
                    return latency
                if latency > _LONGEST_SECONDS * 6000:
                    raise ProblemError("A probe event did not become visible within 60 s.", "read the worker's log.")
                await asyncio.sleep(_POLL_SECONDS)

    def _lock(self, learner: str) -> asyncio.Lock:
        return self._locks.setdefault(learner, asyncio.Lock())

    async def _client(self) -> HttpClient:
        if self._clients:
            return self._clients.pop()
        return await HttpClient(HOST, self.port).__aenter__()

    async def _send(self, learner: str, number: int) -> dict[tuple[str, int], int]:
        key = learner.encode()
        sent = await self.producer.send_and_wait(
            INTERACTIONS.name, _event(learner, number), key=key, partition=partition_of(key, PARTITIONS)
        )
        return {(sent.topic, sent.partition): sent.offset + 1}


def _count(body: bytes) -> int:
    """Interactions that a profile counts."""
    engagement = json.loads(body).get("engagement") or {}
    return int(engagement.get("interactions", 0))
