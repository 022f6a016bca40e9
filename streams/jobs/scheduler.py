"""When is a run given to its queue?  At start and every few seconds the ledger is asked what is due.

Any number of processes may do this: the ledger's unique key makes one run of what they all find due, and its row locks
give each run to one of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from projections import job_runs
from projections.stores.postgres import TRANSIENT, connect
from streams.jobs import metrics
from streams.jobs.broker import PASSING, JobBroker
from streams.jobs.job import Job
from streams.jobs.schedule import due_keys
from streams.jobs.settings import JobSettings

logger = logging.getLogger(__name__)


class Scheduler:
    """Gives due runs to their queues.

    Args:
        jobs: by name.
        brokers: by queue.
        settings: of the process.
        clock: the time, UTC.
    """

    def __init__(
        self,
        jobs: Mapping[str, Job],
        brokers: Mapping[str, JobBroker],
        settings: JobSettings,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._jobs = jobs
        self._brokers = brokers
        self._settings = settings
        self._clock = clock

    async def run(self) -> None:
        """Ticks until it is cancelled."""
        while True:
            try:
                await self.tick()
            except (*TRANSIENT, *PASSING) as fault:
                logger.warning("scheduler: %s; trying again", type(fault).__name__)
            await asyncio.sleep(self._settings.tick_seconds)

    async def tick(self) -> int:
        """Looks once; returns how many runs were given to their queues."""
        due = await asyncio.to_thread(self._due)
        given = 0
        for name, run_key in due:
            job = self._jobs.get(name)
            if job is None:  # of another version of the product
                continue
            await enqueue(self._brokers[job.queue], job, run_key)
            metrics.RUNS_QUEUED.labels(name).inc()
            given += 1
        for queue, broker in self._brokers.items():
            metrics.QUEUE_DEPTH.labels(queue).set(await broker.depth())
        return given

    def _due(self) -> list[tuple[str, str]]:
        with connect(self._settings.database_url, autocommit=True, name="personalize-job-scheduler") as connection:
            for job in self._jobs.values():
                if job.cadence is not None:
                    keys = due_keys(job.cadence, self._clock(), job_runs.newest_key(connection, job.name))
                    if keys:
                        job_runs.register(connection, job.name, job.queue, keys)
            return job_runs.take_due(connection, self._settings.lost_seconds)


async def enqueue(broker: JobBroker, job: Job, run_key: str) -> None:
    """Sends one run to its queue; the message holds the names of job and run, nothing else."""
    task = broker.find_task(job.name)
    if task is None:
        raise LookupError(f"queue {broker.queue} knows no job {job.name}")
    await task.kiq(run_key)
