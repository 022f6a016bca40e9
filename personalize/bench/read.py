"""How fast is the read API?  Materialized lists from one process, alone and while the worker folds live traffic.

Lists of real learners (OULAD) are asked for in turn by the load generator, a process of its own whose
processor time is reported.  In the same run and with the same generator: an ASGI application that answers with as many
fixed bytes on the same server, and a plain GET of as many bytes from Redis.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import redis

from personalize.bench.data_folder import data_folder
from personalize.bench.load_generator import NAME
from personalize.bench.processes import WORKER, ensure_alive, module, running, wait_until
from personalize.bench.processor_time import ProcessorTime
from personalize.bench.report import Report, describe_machine
from personalize.bench.running_api import HOST, answers, api, ask, load
from personalize.bench.running_traffic import traffic
from personalize.bench.servers import Servers, servers
from personalize.children import Child
from personalize.demo import oulad
from personalize.demo.publishing import publish_catalogue, publish_history
from personalize.demo.records import user_id
from personalize.demo.timeline import timeline
from personalize.errors import ProblemError
from personalize.stack.ports import choose
from projections import api_keys

INGEST_RATE: Final = 5_000.0
READ_RATE: Final = 500.0
PACED_RATE: Final = 1_000.0
"""Requests a second for which the objective of p99 is stated."""
_CONNECTIONS: Final = "16"
_FOLD_SECONDS: Final = 180.0
_LIMIT: Final = 10
_WARM_UP_SECONDS: Final = 2.0
_SETTLE_SECONDS: Final = 5.0
_REDIS_KEY: Final = "bench:read"
_BUSY_CORES: Final = 0.9

LISTED: Final = "SELECT count(DISTINCT learner_key) FROM recommendations"
BEHIND: Final = """
SELECT coalesce(sum(next_offset), 0)::bigint FROM stream_offset WHERE projection = 'worker' AND topic = 'interactions'
"""


def bench(
    data: Path | None = None,
    *,
    seconds: float = 15.0,
    ingest_rate: float = INGEST_RATE,
    read_rate: float = READ_RATE,
    seed: int = 0,
) -> Report:
    """Runs the bench on its own servers.

    Args:
        data: folder with the measuring data sets; without OULAD there, the bundled module serves.
        seconds: of each measurement.
        ingest_rate: events a second that are published and folded while reading at a fixed rate.
        read_rate: requests a second of that.
        seed: of the order in which learners are asked for.

    Raises:
        ProblemError: an answer was not good.
    """
    machine = describe_machine()
    with servers() as own:
        table = oulad.read(data_folder(data))
        line = timeline(table.clicks, int(time.time() * 1000))
        asyncio.run(publish_catalogue(own.endpoints.kafka, table))
        events = asyncio.run(publish_history(own.endpoints.kafka, table, line))
        learners = sorted({user_id(student) for student in line.history.student.tolist()})
        random.Random(seed).shuffle(learners)
        paths = [f"/api/recommendations/{learner}?limit={_LIMIT}" for learner in learners]
        with running(own, "worker", WORKER) as worker, api(own) as (server, port):
            _fold(own, worker, events, len(learners))
            figures = _alone(own, server, port, paths, seconds)
            figures |= _paced(own, port, paths, seconds)
            figures |= _references(own, int(figures["mean_response_bytes"]), seconds)
            pace = Pace(ingest_rate, read_rate, 2 * seconds)
            figures |= _while_ingesting(own, pace, {"worker": worker.pid, "api": server.pid}, port, paths)
            figures |= _with_key(own, server, port, paths, seconds)
    figures["limited_by_load_generator"] = limited_by_load_generator(figures)
    figures["ratio_to_static_asgi"] = figures["requests_per_second"] / figures["static_asgi_requests_per_second"]
    figures["ratio_to_redis_get"] = figures["requests_per_second"] / figures["redis_get_requests_per_second"]
    return Report.of("read", {"load_generator": NAME, **figures}, machine)


def _fold(own: Servers, worker: Child, events: int, learners: int) -> None:
    """Waits until the history is folded and every learner has lists."""
    with own.connect() as database:

        def is_done() -> bool:
            folded = database.execute(BEHIND).fetchone()
            listed = database.execute(LISTED).fetchone()
            return bool(folded and listed and folded[0] >= events and listed[0] >= learners)

        wait_until(is_done, _FOLD_SECONDS, "folding the history", lambda: ensure_alive(own, "worker", worker))


def _alone(own: Servers, server: Child, port: int, paths: list[str], seconds: float) -> dict[str, Any]:
    """As many requests as one API process answers."""
    if ask(port, paths[0]) in {b"", b"[]"}:
        raise ProblemError("The first list is empty.", "this is a fault of the worker: lists are never empty.")
    load(
        own, "load-warm-up", paths, min(_WARM_UP_SECONDS, seconds), ["--port", str(port), "--connections", _CONNECTIONS]
    )
    usage = ProcessorTime({"api": server.pid, **own.pids()})
    found = _good(load(own, "load-api", paths, seconds, ["--port", str(port), "--connections", _CONNECTIONS]))
    used, elapsed = usage.figures(), usage.elapsed_seconds
    return {
        "requests_per_second": found["requests_per_second"],
        "p50_ms": found["p50_ms"],
        "p99_ms": found["p99_ms"],
        "mean_response_bytes": found["mean_response_bytes"],
        "load_generator_cores": found["generator_cores"],
        "cpu_us_per_request": used["cpu_api_cores"] * elapsed / found["requests"] * 1e6,
        **used,
    }


def _paced(own: Servers, port: int, paths: list[str], seconds: float) -> dict[str, Any]:
    """How long answers take at a steady rate that leaves the process time to spare."""
    arguments = ["--port", str(port), "--connections", "32", "--rate", str(PACED_RATE)]
    found = _good(load(own, "load-steady", paths, seconds, arguments))
    return {
        "p50_ms_at_1000_per_second": found["p50_ms"],
        "p99_ms_at_1000_per_second": found["p99_ms"],
        "load_generator_cores_at_1000_per_second": found["generator_cores"],
    }


def _with_key(own: Servers, server: Child, port: int, paths: list[str], seconds: float) -> dict[str, Any]:
    """The same as ``_alone`` from the first key on, when every request is authenticated."""
    with own.connect() as database:
        made = api_keys.create(database, "bench", ["recommendations:read"], requests_per_minute=0)
        database.commit()
    wait_until(lambda: not answers(port, paths[0]), 20.0, "the API to ask for a key")
    requests = [f"{path}\tX-API-Key: {made.secret}" for path in paths]
    arguments = ["--port", str(port), "--connections", _CONNECTIONS]
    load(own, "load-key-warm-up", requests, min(_WARM_UP_SECONDS, seconds), arguments)
    usage = ProcessorTime({"api": server.pid})
    found = _good(load(own, "load-key", requests, seconds, arguments))
    cores, elapsed = usage.figures()["cpu_api_cores"], usage.elapsed_seconds
    return {
        "requests_per_second_with_key": found["requests_per_second"],
        "p99_ms_with_key": found["p99_ms"],
        "load_generator_cores_with_key": found["generator_cores"],
        "cpu_us_per_request_with_key": cores * elapsed / found["requests"] * 1e6,
    }


def _references(own: Servers, size: int, seconds: float) -> dict[str, Any]:
    """What the same server and Redis reach with as many bytes and no work."""
    port = choose(0, None, set(), "PORT")
    with running(own, "static", module("static_app", "--port", str(port), "--bytes", str(size))):
        wait_until(lambda: answers(port, "/"), 20.0, "the static application")
        static = _good(load(own, "load-static", ["/"], seconds, ["--port", str(port), "--connections", _CONNECTIONS]))
    at = own.endpoints
    with redis.Redis(host=at.redis_host, port=at.redis_port, password=at.redis_password) as client:
        client.set(_REDIS_KEY, b"x" * size)
    arguments = ["--protocol", "redis", "--port", str(at.redis_port), "--password", at.redis_password or ""]
    plain = _good(load(own, "load-redis", [f"GET {_REDIS_KEY}"], seconds, [*arguments, "--connections", _CONNECTIONS]))
    return {
        "static_asgi_requests_per_second": static["requests_per_second"],
        "static_asgi_p99_ms": static["p99_ms"],
        "load_generator_cores_at_static_asgi": static["generator_cores"],
        "redis_get_requests_per_second": plain["requests_per_second"],
        "redis_get_p99_ms": plain["p99_ms"],
        "load_generator_cores_at_redis_get": plain["generator_cores"],
    }


@dataclass(frozen=True, slots=True)
class Pace:
    """What goes on while reading at a fixed rate."""

    events_per_second: float
    requests_per_second: float
    seconds: float


def _while_ingesting(own: Servers, pace: Pace, busy: dict[str, int], port: int, paths: list[str]) -> dict[str, Any]:
    """Requests on time, while events are published and folded."""
    with traffic(own, pace.events_per_second) as writing:
        time.sleep(_SETTLE_SECONDS)  # traffic has begun, and can be stopped, by then
        usage = ProcessorTime({**busy, "traffic": writing.pid, **own.pids()})
        load_arguments = ["--port", str(port), "--connections", "32", "--rate", str(pace.requests_per_second)]
        found = _good(load(own, "load-paced", paths, pace.seconds, load_arguments))
        cpu = usage.figures("cpu_while_ingesting")
    return {
        "p50_ms_while_ingesting": found["p50_ms"],
        "p99_ms_while_ingesting": found["p99_ms"],
        "requests_per_second_while_ingesting": found["requests_per_second"],
        "load_generator_cores_while_ingesting": found["generator_cores"],
        "events_per_second_while_reading": writing.reached["events_per_second"],
        **cpu,
    }


def _good(found: dict[str, Any]) -> dict[str, Any]:
    """The same figures, if every request was answered well."""
    if found["not_ok"] or found["unanswered"] or found["connections_lost"]:
        raise ProblemError(
            f"{found['not_ok']} answers were not good, {found['unanswered']} are missing, "
            f"{found['connections_lost']} connections were lost (on {HOST}).",
            "read the log of the API.",
        )
    return found


def limited_by_load_generator(figures: Mapping[str, Any]) -> str:
    """The measurements that the load generator may have held back, or `nothing`: their rates are lower bounds.

    A generator that keeps nearly a whole core busy has no time to spare.  That is no fault of the server, so the
    figures are reported all the same, with this beside them.
    """
    names = {"load_generator_cores": "api"} | {
        key: key.removeprefix("load_generator_cores_") for key in figures if key.startswith("load_generator_cores_")
    }
    return ", ".join(name for key, name in names.items() if figures[key] > _BUSY_CORES) or "nothing"
