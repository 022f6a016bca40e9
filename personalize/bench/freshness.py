"""How long until a learner's list shows what he did?  Probes through Kafka, worker, recommender and API, under load.

Traffic of OULAD rows and commands runs at the asked rate; the API tells of every list that it serves.  A probe is one
event of a learner of its own, published straight to Kafka.  As soon as the broker has acknowledged it, the learner's
list is asked for with the token of its position; time runs from before the send to the answer, which must not be stale,
must reflect a newer transaction than the answer before, and must not hold the item that the event took.  Beside it,
before the worker starts: the same probes read by a plain consumer.

A list that a reader waits for is written first.  So twice a second it is also looked, among all learners, for the
oldest event that the read models have and its learner's list does not show yet.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer

from api.tokens import Tokens
from personalize.bench.data_folder import data_folder
from personalize.bench.http_client import HttpClient
from personalize.bench.latency import bare, probes
from personalize.bench.processes import WORKER, ensure_alive, running, wait_until
from personalize.bench.processor_time import ProcessorTime
from personalize.bench.report import Report, describe_machine, percentile
from personalize.bench.running_api import HOST, api
from personalize.bench.running_traffic import traffic
from personalize.bench.servers import Servers, servers
from personalize.errors import ProblemError
from schemas.partitioning import partition_of
from schemas.topics import IMPRESSIONS, INTERACTIONS, PARTITIONS

RATE: Final = 1_000.0
PROBES_PER_SECOND: Final = 8.0
RECOMMENDER: Final = (sys.executable, "-m", "personalize.cli", "recommender")
_LEARNERS: Final = 50
_READY_SECONDS: Final = 300.0
"""Kernels may have to be compiled."""
_WARM_UP_PROBES: Final = 30
_LONGEST_SECONDS: Final = 10
_LOOK_SECONDS: Final = 0.5
_BEHIND: Final = """
SELECT coalesce(extract(epoch FROM clock_timestamp() - min(e.last_at)), 0)
FROM engagement e JOIN recommendations l ON l.learner_key = e.learner_key AND l.type = 'hybrid'
WHERE l.applied_seq < e.applied_seq
"""
_GIVE_UP_SECONDS: Final = 60.0
"""A list that is stale is asked for again; behind this it counts as a fault."""


def bench(data: Path | None = None, *, rate: float = RATE, seconds: float = 30.0, seed: int = 0) -> Report:
    """Runs the bench on its own servers.

    Args:
        data: folder with the measuring data sets; without OULAD there, the bundled module serves.
        rate: records a second over both topics.
        seconds: of each of the two measurements.
        seed: of the gaps between probes.

    Raises:
        ProblemError: the traffic did not reach its rate, or a list was stale or wrong.
    """
    machine = describe_machine()
    with servers() as own:
        figures = asyncio.run(_measure(own, data_folder(data), rate, seconds, seed))
    return Report.of("freshness", figures, machine)


class _Found(NamedTuple):
    """What was measured while events came in."""

    visible_ms: list[float]
    behind_ms: list[float]
    lists_per_second: float
    cpu: dict[str, Any]


async def _measure(own: Servers, folder: Path, rate: float, seconds: float, seed: int) -> dict[str, Any]:
    producer = AIOKafkaProducer(bootstrap_servers=own.endpoints.kafka, acks="all", linger_ms=0)
    await producer.start()
    try:
        with running(own, "worker", WORKER) as worker, running(own, "recommender", RECOMMENDER) as recommender:
            # Kernels are compiled before there is any load.
            wait_until(
                lambda: _beats(own),
                _READY_SECONDS,
                "the recommender",
                lambda: ensure_alive(own, "recommender", recommender),
            )
            with traffic(own, rate, "--data", str(folder), least_share=0.95) as load:
                reference = await bare(own, producer, min(seconds, 10.0), seed, per_second=PROBES_PER_SECOND)
                with api(own) as (server, port):
                    busy = {"worker": worker.pid, "recommender": recommender.pid, "api": server.pid, **own.pids()}
                    found = await _found(own, _Probing(own, producer, port), busy, seconds, seed)
    finally:
        await producer.stop()
    return {
        "list_visible_p50_ms": percentile(found.visible_ms, 0.5),
        "list_visible_p90_ms": percentile(found.visible_ms, 0.9),
        "list_visible_p99_ms": percentile(found.visible_ms, 0.99),
        "list_visible_max_ms": max(found.visible_ms),
        "oldest_event_not_in_a_list_p50_ms": percentile(found.behind_ms, 0.5),
        "oldest_event_not_in_a_list_p99_ms": percentile(found.behind_ms, 0.99),
        "produce_to_consume_p50_ms": percentile(reference, 0.5),
        "produce_to_consume_p99_ms": percentile(reference, 0.99),
        "probes": len(found.visible_ms),
        "events_per_second": load.reached["events_per_second"],
        "lists_written_per_second": found.lists_per_second,
        "impressions": await _told(own),
        **found.cpu,
    }


async def _found(own: Servers, probing: _Probing, busy: dict[str, int], seconds: float, seed: int) -> _Found:
    """Probes for as long as asked, with the processor time of the ``busy`` processes (by their ids)."""
    for number in range(_WARM_UP_PROBES):  # until the backlog of the start is worked off
        await probing(number)
    usage = ProcessorTime(busy)
    before, since = _lists(own), time.monotonic()
    behind: list[float] = []
    looking = asyncio.create_task(_look(own, behind))
    visible = await probes("list", probing, seconds, seed, PROBES_PER_SECOND)
    looking.cancel()
    lists = (_lists(own) - before) / (time.monotonic() - since)
    return _Found(visible, behind, lists, usage.figures())


def _beats(own: Servers) -> bool:
    with own.connect() as connection:
        return connection.execute("SELECT count(*) FROM recommender_status").fetchone() == (1,)


def _lists(own: Servers) -> int:
    with own.connect() as connection:
        row = connection.execute("SELECT coalesce(sum(lists), 0) FROM recommender_coverage").fetchone()
    return int(row[0]) if row else 0


async def _look(own: Servers, behind: list[float]) -> None:
    """Notes how long the oldest event waits for its learner's list [ms], until it is cancelled."""
    with own.connect() as connection:
        while True:
            row = await asyncio.to_thread(lambda: connection.execute(_BEHIND).fetchone())
            behind.append(1000 * float(row[0]) if row else 0.0)
            await asyncio.sleep(_LOOK_SECONDS)


async def _told(own: Servers) -> int:
    """Served lists that reached Kafka."""
    from aiokafka import AIOKafkaConsumer, TopicPartition

    consumer = AIOKafkaConsumer(bootstrap_servers=own.endpoints.kafka)
    await consumer.start()
    try:
        ends = await consumer.end_offsets([TopicPartition(IMPRESSIONS.name, part) for part in range(PARTITIONS)])
    finally:
        await consumer.stop()
    return sum(ends.values())


class _Probing:
    """Sends probe events and asks for the lists that reflect them."""

    def __init__(self, own: Servers, producer: AIOKafkaProducer, port: int) -> None:
        self._tokens = Tokens(own.token_secret)
        self._producer = producer
        self._port = port
        self._seen: dict[str, int] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._clients: list[HttpClient] = []

    async def __call__(self, number: int) -> float:
        """Latency [ms] from the send of one event to the list that reflects it."""
        learner = f"probe-{number % _LEARNERS}"
        async with self._locks.setdefault(learner, asyncio.Lock()):
            item = f"probe-item-{number % 19}"
            since = time.perf_counter()
            key = learner.encode()
            sent = await self._producer.send_and_wait(
                INTERACTIONS.name, _event(learner, item, number), key=key, partition=partition_of(key, PARTITIONS)
            )
            token = self._tokens.make({(sent.topic, sent.partition): sent.offset + 1})
            client = self._clients.pop() if self._clients else await HttpClient(HOST, self._port).__aenter__()
            headers = {"X-Consistency-Token": token, "Prefer": f"wait={_LONGEST_SECONDS}"}
            answer = await client.get(f"/api/recommendations/{learner}", headers)
            while "x-stale" in answer.headers and time.perf_counter() - since < _GIVE_UP_SECONDS:
                answer = await client.get(f"/api/recommendations/{learner}", headers)
            latency = (time.perf_counter() - since) * 1000
            self._clients.append(client)
            position = int(answer.headers.get("x-position", "applied@0").partition("@")[2])
            shown = [entry["contentId"] for entry in json.loads(answer.body)] if answer.status == 200 else []
            good = answer.status == 200 and "x-stale" not in answer.headers and item not in shown and shown
            if not good or position <= self._seen.get(learner, 0):
                raise ProblemError(
                    f"A list with a token was answered {answer.status}, position {position}, {len(shown)} items"
                    f"{', stale' if 'x-stale' in answer.headers else ''}.",
                    "read the log of the recommender; is the machine busy?",
                )
            self._seen[learner] = position
            return latency


def _event(learner: str, item: str, number: int) -> bytes:
    return json.dumps(
        {
            "userId": learner,
            "interactionType": "COMPLETE",
            "contentType": "lesson",
            "contentId": item,
            "eventId": f"{learner}-{number}-{time.time_ns()}",
            "occurredAt": int(time.time() * 1000),
        }
    ).encode()
