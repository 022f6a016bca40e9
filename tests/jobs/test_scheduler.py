"""Does every due run reach a queue once, whoever looks, and whatever Redis forgets?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import redis
from job_kit import counted, counting_job

from projections import job_runs
from projections.stores.postgres import Connection, connect
from streams.jobs.catalogue import JOBS
from streams.jobs.job import Job
from streams.jobs.process import make_brokers, serve
from streams.jobs.schedule import Cadence
from streams.jobs.scheduler import Scheduler
from streams.jobs.settings import QUEUES, JobSettings

NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)
DAILY = Cadence(period="day", most_missed=30)


@pytest.fixture
def ledger(job_settings: JobSettings) -> Iterator[Connection]:
    """A connection to the test's database, with a table for effects."""
    with connect(job_settings.database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE counted (run_key text)")
        yield connection


async def tick(settings: JobSettings, jobs: dict[str, Job], looks: int = 1, now: datetime = NOW) -> list[int]:
    """What several schedulers give out when they look at the same time."""
    brokers = [make_brokers(settings, jobs, working=False) for _ in range(looks)]
    for each in brokers:
        for broker in each.values():
            await broker.startup()
    given = await asyncio.gather(*(Scheduler(jobs, each, settings, lambda: now).tick() for each in brokers))
    for each in brokers:
        for broker in each.values():
            await broker.shutdown()
    return given


def messages(client: redis.Redis, settings: JobSettings) -> list[bytes]:
    """The bytes of all that waits in the queues."""
    streams = (client.xrange(f"{settings.prefix}:{queue}") for queue in QUEUES)
    return [fields[b"data"] for stream in streams for _, fields in stream]


def test_two_schedulers_make_one_run(job_settings: JobSettings, ledger: Connection, redis_client) -> None:
    """Four schedulers that look at once give one message for one due day, and nothing when they look again."""
    jobs = {"count": counting_job(cadence=DAILY)}
    assert sum(asyncio.run(tick(job_settings, jobs, looks=4))) == 1
    assert sum(asyncio.run(tick(job_settings, jobs, looks=2))) == 0
    assert len(messages(redis_client, job_settings)) == 1
    assert [(run.run_key, run.state) for run in job_runs.recent(ledger)] == [("2026-05-09", "queued")]


def test_missed_days_are_caught_up_at_start(job_settings: JobSettings, ledger: Connection) -> None:
    """After three days without any process, the first look makes the three missed runs, and each is done once."""
    jobs = {"count": counting_job(cadence=DAILY)}
    job_runs.register(ledger, "count", "analytics", ["2026-05-06"])
    assert asyncio.run(tick(job_settings, jobs)) == [4]

    unscheduled = {"count": counting_job()}
    asyncio.run(served_until(job_settings, unscheduled, lambda: len(counted(ledger)) == 4))
    assert counted(ledger) == ["2026-05-06", "2026-05-07", "2026-05-08", "2026-05-09"]


def test_what_redis_lost_is_queued_again(job_settings: JobSettings, ledger: Connection, redis_client) -> None:
    """The queues are emptied after a run was queued: it is given again when it has been away for too long."""
    jobs = {"count": counting_job(cadence=DAILY)}
    asyncio.run(tick(job_settings, jobs))
    redis_client.flushdb()
    assert asyncio.run(tick(job_settings, jobs)) == [0]
    assert asyncio.run(tick(replace(job_settings, lost_seconds=0.0), jobs)) == [1]
    assert len(messages(redis_client, job_settings)) == 1


def test_queues_that_vanish_while_they_are_read_are_made_again(
    job_settings: JobSettings, ledger: Connection, redis_client
) -> None:
    """Redis loses streams and groups under a running process; the next run is done all the same."""
    jobs = {"count": counting_job()}

    async def scenario() -> None:
        stopping = asyncio.Event()
        process = asyncio.create_task(serve(job_settings, jobs, stopping))
        await asyncio.sleep(1.0)
        redis_client.flushdb()
        job_runs.register(ledger, "count", "analytics", ["after"])
        await until(lambda: counted(ledger) == ["after"], process)
        stopping.set()
        await process

    asyncio.run(scenario())


def test_messages_are_json_and_name_nobody(job_settings: JobSettings, ledger: Connection, redis_client) -> None:
    """Every job's message is JSON of names and keys: no pickle opcode, no object, nothing of a learner."""
    for job in JOBS.values():
        job_runs.register(ledger, job.name, job.queue, ["2026-05-09"])
    asyncio.run(tick(job_settings, dict(JOBS), now=NOW + timedelta(days=1)))
    waiting = messages(redis_client, job_settings)
    assert len(waiting) >= len(JOBS)
    for raw in waiting:
        assert not raw.startswith(b"\x80")
        assert b"pickle" not in raw
        message = json.loads(raw)
        assert message["task_name"] in JOBS
        assert [type(argument) for argument in message["args"]] == [str]
        assert message["kwargs"] == {}


def test_a_queue_without_concurrency_is_not_served(job_settings: JobSettings, ledger: Connection) -> None:
    """A process for one queue leaves the others' runs where they are."""
    jobs = {"count": counting_job(), "train": counting_job("train", "training")}
    job_runs.register(ledger, "train", "training", ["left"])
    job_runs.register(ledger, "count", "analytics", ["served"])
    only = replace(job_settings, concurrency={"analytics": 1})
    asyncio.run(served_until(only, jobs, lambda: counted(ledger) == ["served"]))
    assert job_runs.one(ledger, "train", "left").attempts == 0


async def until(condition, process: asyncio.Task) -> None:
    """Waits for a condition while a process serves; its failure is the test's."""
    for _ in range(600):
        if condition():
            return
        assert not process.done(), process.result()
        await asyncio.sleep(0.1)
    pytest.fail("waited in vain")


async def served_until(settings: JobSettings, jobs: dict[str, Job], condition) -> None:
    """Serves the queues until a condition holds."""
    stopping = asyncio.Event()
    process = asyncio.create_task(serve(settings, jobs, stopping))
    await until(condition, process)
    stopping.set()
    await process
