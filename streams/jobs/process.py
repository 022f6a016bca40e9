"""What does a jobs process do?  It schedules, and works on some queues, each with its own number of threads."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from taskiq.receiver import Receiver

from projections import tracing
from streams.jobs import metrics
from streams.jobs.broker import JobBroker
from streams.jobs.experiment_reports import keep_reported
from streams.jobs.job import Job
from streams.jobs.roll_ups import keep_rolled_up
from streams.jobs.runner import carry_out
from streams.jobs.scheduler import Scheduler
from streams.jobs.settings import QUEUES, JobSettings
from streams.jobs.watch import Watch
from streams.metrics_server import serve_metrics

logger = logging.getLogger(__name__)
STOP_SECONDS = 10.0
"""Jobs that run longer after the signal to stop are left; another process does them again."""


def make_brokers(settings: JobSettings, jobs: Mapping[str, Job], *, working: bool) -> dict[str, JobBroker]:
    """A broker a queue, each knowing the jobs of its queue."""
    brokers = {}
    for queue in QUEUES:
        broker = JobBroker(
            address=settings.redis,
            queue=queue,
            prefix=settings.prefix,
            idle_ms=settings.idle_ms,
        )
        broker.is_worker_process = working and settings.concurrency.get(queue, 0) > 0
        for job in jobs.values():
            if job.queue == queue:
                broker.register_task(_task(job, settings), task_name=job.name)
        brokers[queue] = broker
    return brokers


def _task(job: Job, settings: JobSettings) -> Callable[[str], str]:
    def run(run_key: str) -> str:
        return carry_out(job, run_key, settings)

    return run


async def serve(settings: JobSettings, jobs: Mapping[str, Job], stopping: asyncio.Event) -> None:
    """Schedules and works until ``stopping`` is set."""
    brokers = make_brokers(settings, jobs, working=True)
    pools: list[ThreadPoolExecutor] = []
    listeners = []
    for queue, broker in brokers.items():
        await broker.startup()
        workers = settings.concurrency.get(queue, 0)
        if workers:
            pools.append(ThreadPoolExecutor(workers, thread_name_prefix=queue))
            receiver = Receiver(
                broker,
                executor=pools[-1],
                max_async_tasks=workers,
                run_startup=False,
                wait_tasks_timeout=STOP_SECONDS,
            )
            listeners.append(asyncio.create_task(receiver.listen(stopping)))
    background = [
        asyncio.create_task(Scheduler(jobs, brokers, settings).run()),
        asyncio.create_task(Watch(settings.database_url, settings.kafka_bootstrap).run()),
    ]
    if settings.concurrency.get("analytics", 0):
        background.append(asyncio.create_task(keep_rolled_up(settings)))
        background.append(asyncio.create_task(keep_reported(settings)))
    if settings.webhook is not None:
        from streams.jobs.announcements import Announcements

        background.append(asyncio.create_task(Announcements(settings).run()))
    try:
        await _until_stopped(stopping, [*listeners, *background])
    finally:
        stopping.set()
        for task in background:
            task.cancel()
        await asyncio.gather(*listeners, *background, return_exceptions=True)
        for broker in brokers.values():
            await broker.shutdown()
        for pool in pools:
            pool.shutdown(wait=False, cancel_futures=True)


async def _until_stopped(stopping: asyncio.Event, tasks: list[asyncio.Task[None]]) -> None:
    """Waits for the signal, or raises what ended one of the tasks."""
    waiter = asyncio.create_task(stopping.wait())
    try:
        done, _ = await asyncio.wait([waiter, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {waiter}:
            task.result()
    finally:
        waiter.cancel()
        with suppress(asyncio.CancelledError):
            await waiter


def main(settings: JobSettings, jobs: Mapping[str, Job]) -> None:
    """Runs one jobs process until it is told to stop."""
    serve_metrics(settings.metrics_host, settings.metrics_port)
    for job in jobs.values():
        metrics.JOB_RUNS.labels(job.name, "done")
    asyncio.run(_main(settings, jobs))
    tracing.stop()
    # A thread that still computes would keep the interpreter; its run is in the ledger and will be done again.
    os._exit(0)


async def _main(settings: JobSettings, jobs: Mapping[str, Job]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    logging.getLogger("taskiq").setLevel(logging.WARNING)
    await serve(settings, jobs, stopping)
