"""How many events a second does one worker fold?  The whole pipeline over a filled topic, beside two references.

The topic holds OULAD's clicks in time order before the worker starts.  Time runs from the start of the first
transaction to the last commit, by the database's clock.  The references read the same topic in the same run, one after
the other: a Faust agent that does nothing with single events, and a consumer that only fetches and decodes.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from personalize.bench.data_folder import data_folder
from personalize.bench.processes import WORKER, ensure_alive, log_tail, module, running, start
from personalize.bench.processor_time import ProcessorTime
from personalize.bench.progress import progress
from personalize.bench.report import Figure, Report, describe_machine
from personalize.bench.servers import Servers, servers
from personalize.children import Child
from personalize.demo import oulad
from personalize.demo.publishing import publish_catalogue, publish_history
from personalize.demo.timeline import unshifted
from personalize.errors import ProblemError
from schemas.topics import INTERACTIONS

PLAIN_FAUST_EVENTS: Final = 200_000
_FIRST_COMMIT_SECONDS: Final = 60.0
_STALLED_SECONDS: Final = 60.0
_REFERENCE_SECONDS: Final = 240.0
_LOOK_SECONDS: Final = 0.05

POSITION: Final = """
SELECT coalesce(sum(next_offset), 0)::bigint, extract(epoch FROM clock_timestamp())::float8 FROM stream_offset
WHERE projection = 'worker' AND topic = 'interactions'
"""
OUTCOME: Final = """
SELECT extract(epoch FROM min(committed_at))::float8, sum(delivered)::bigint, sum(applied)::bigint,
       sum(duplicates)::bigint, sum(dead)::bigint, sum(misrouted)::bigint, count(DISTINCT applied_seq)
FROM applied_range WHERE projection = 'worker' AND topic = 'interactions'
"""
LOGGED: Final = "SELECT count(*) FROM interaction_log"


def bench(data: Path | None = None, *, events: int | None = None) -> Report:
    """Runs the bench on its own servers.

    Args:
        data: folder with the measuring data sets; without OULAD there, the bundled module serves.
        events: at most so many, the earliest ones.

    Raises:
        ProblemError: the worker stalled, or lost, doubled or refused an event.
    """
    machine = describe_machine()
    table = oulad.read(data_folder(data))
    clicks = table.clicks if events is None else table.clicks.take(slice(0, events))
    with servers() as own:
        with progress("publish", len(clicks)) as done:
            asyncio.run(publish_catalogue(own.endpoints.kafka, table))
            asyncio.run(publish_history(own.endpoints.kafka, table, unshifted(clicks), done))
        figures = worker_figures(own, len(clicks))
        plain = reference(own, "plain_faust", min(len(clicks), PLAIN_FAUST_EVENTS))
        limit = reference(own, "fetch_decode", len(clicks))
    rate = float(figures["events_per_second"])
    return Report.of(
        "ingest",
        {
            **figures,
            "plain_faust_events_per_second": plain,
            "ratio_to_plain_faust": rate / plain,
            "fetch_decode_events_per_second": limit,
            "ratio_to_fetch_decode_limit": rate / limit,
        },
        machine,
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """When the worker began and ended, by the database's clock."""

    spawned_at: float
    ended_at: float
    cpu: dict[str, float]


def worker_figures(own: Servers, events: int) -> dict[str, Any]:
    """Lets one worker fold the filled topic.

    Raises:
        ProblemError: it stalled, ended, or the books do not balance.
    """
    with own.connect() as database, running(own, "worker", WORKER) as worker:
        run = _watch(own, database, worker, events)
        began_at, delivered, applied, duplicates, dead, misrouted, transactions = _one(database, OUTCOME)
        (logged,) = _one(database, LOGGED)
    if not delivered == applied == logged == events or duplicates or dead or misrouted:
        raise ProblemError(
            f"{events} events: {delivered} delivered, {applied} applied, {logged} logged, {duplicates} duplicates, "
            f"{dead} dead, {misrouted} misrouted.",
            "this is a fault of the worker: do not trust the rate.",
        )
    return {
        "events_per_second": events / (run.ended_at - began_at),
        "events": events,
        "seconds": run.ended_at - began_at,
        "start_to_first_transaction_seconds": began_at - run.spawned_at,
        "transactions": transactions,
        "events_per_transaction": events / transactions,
        **run.cpu,
    }


def _watch(own: Servers, database: psycopg.Connection[Any], worker: Child, events: int) -> _Run:
    _, spawned_at = _one(database, POSITION)
    usage, position, moved = None, 0, time.monotonic()
    with progress("fold", events) as done:
        while True:
            ensure_alive(own, "worker", worker)
            now, clock = _one(database, POSITION)
            if now != position:
                # The processes are measured from the first commit on, as the rate is.
                usage = usage or ProcessorTime({"worker": worker.pid, **own.pids()})
                position, moved = now, time.monotonic()
                done(position)
            if position >= events:
                return _Run(spawned_at, clock, usage.figures() if usage else {})
            if time.monotonic() - moved > (_STALLED_SECONDS if position else _FIRST_COMMIT_SECONDS):
                raise ProblemError(
                    f"The worker stands at {position} of {events}:\n{log_tail(own.home, 'worker')}", "read its log."
                )
            time.sleep(_LOOK_SECONDS)


def _one(database: psycopg.Connection[Any], query: Any) -> Any:
    row = database.execute(query).fetchone()
    assert row is not None
    return row


def reference(own: Servers, name: str, count: int) -> float:
    """Events a second of one of the reference programs over the filled topic.

    Raises:
        ProblemError: it failed or took too long.
    """
    arguments = ("--bootstrap", own.endpoints.kafka, "--topic", INTERACTIONS.name, "--count", str(count))
    child = start(own, name, module(name, *arguments))
    try:
        code = child.wait(_REFERENCE_SECONDS)
    finally:
        child.stop()
    for line in reversed((own.home / "logs" / f"{name}.log").read_text(encoding="utf-8").splitlines()):
        if code == 0 and line.startswith("{"):
            result: dict[str, Figure] = json.loads(line)
            return float(result["events"] or 0) / float(result["seconds"] or 1)
    raise ProblemError(f"The reference {name} ended with {code}:\n{log_tail(own.home, name)}", "read its log.")
