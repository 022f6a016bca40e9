"""How long does a question over 90 days take, with ten million interactions stored?  Warm, and after a restart.

Interactions of two times 90 days are made from a seed: each day a tenth of the learners come, in one visit or two.
They go into the log of record, and through the product's own folds into visits, hours and the roll-ups of analytics;
only Kafka is left out.  Then every metric is asked for over 90 days, with the 90 days before beside them, as the API
does. Warm: the median of many questions.  Cold: the first one after Postgres was started anew, connection, plans and
buffers included; the operating system's own cache of files stays.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from models.columns import COLUMNS, Interactions
from models.decay import DAY_MS
from personalize.bench.progress import progress
from personalize.bench.report import Figure, Report, describe_machine, percentile
from personalize.bench.servers import Servers, servers
from projections import hourly_activity, interaction_log, sessions
from projections.analytics import follower
from projections.projection import Effects
from projections.reads.analytics import report as answers
from projections.stores.postgres import Connection, connect
from projections.stores.postgres_pool import ReadPool

DAYS: Final = 180
BATCH: Final = 50_000
LAST_DAY: Final = 20_000
"""2024-10-04: the day that is today."""
WARM_QUESTIONS: Final = 30
CONTENT_TYPES: Final = 6

LOG_RANGE: Final = """
INSERT INTO applied_range (applied_seq, projection, topic, part, first_offset, end_offset, epoch, owner, delivered,
                           applied, duplicates, dead, misrouted)
VALUES (%(seq)s, 'worker', 'interactions', 0, 0, %(n)s, 1, 'bench', %(n)s, %(n)s, 0, 0, 0)
"""


def bench(*, interactions: int = 10_000_000, learners: int = 100_000, seed: int = 0) -> Report:
    """Runs the bench on its own servers.

    Args:
        interactions: stored, over 180 days.
        learners: of whom a tenth is active on a day.
        seed: of who does what and when.
    """
    machine = describe_machine()
    with servers(topics=False) as running:
        figures: dict[str, Figure] = {"interactions": interactions, "learners": learners}
        with progress("store and roll up", interactions) as done:
            figures |= store(running.endpoints.database_url, interactions, learners, seed, done)
        figures |= asyncio.run(_warm(running.endpoints.database_url))
        for metric in answers.METRICS:
            figures[f"{metric}_90d_cold_ms"] = _cold(running, metric)
        figures |= _sizes(running)
    return Report.of("analytics", figures, machine)


def store(url: str, interactions: int, learners: int, seed: int, done: Callable[[int], None]) -> dict[str, Figure]:
    """Fills log and roll-ups; returns what that took."""
    rng = np.random.default_rng(seed)
    fold_seconds, folded = 0.0, 0
    with connect(url, autocommit=True) as connection:
        connection.execute("SET enable_seqscan = off; SET jit = off; SET plan_cache_mode = force_generic_plan")
        connection.execute(
            "INSERT INTO learners (user_id) SELECT 'b-' || n FROM generate_series(1, %s) AS n", (learners,)
        )
        connection.execute(
            "INSERT INTO content_types (name) SELECT 'kind-' || n FROM generate_series(1, %s) AS n", (CONTENT_TYPES,)
        )
        for day in range(DAYS):
            first, last = interactions * day // DAYS, interactions * (day + 1) // DAYS
            at = _day(rng, LAST_DAY - DAYS + 1 + day, last - first, learners, first)
            interaction_log.prepare_month(connection, *interaction_log.month_of(int(at.at_ms[0])))
            for start in range(0, len(at), BATCH):
                _write(connection, at.take(slice(start, start + BATCH)))
            begun = time.process_time()
            folded += follower.catch_up(connection)
            fold_seconds += time.process_time() - begun
            done(last)
        connection.execute("VACUUM ANALYZE")
    return {"rolled_up": folded, "roll_up_python_seconds_per_million": fold_seconds / folded * 1e6}


def _day(rng: np.random.Generator, day: int, count: int, learners: int, first: int) -> Interactions:
    """One day's interactions in time order."""
    active = rng.choice(learners, max(1, learners // 10), replace=False) + 1
    learner = rng.choice(active, count)
    begin = rng.integers(0, DAY_MS - 3_600_000, len(active) * 2)
    place = np.searchsorted(np.sort(active), learner)
    visit = begin[place * 2 + (rng.random(count) < 0.3)]
    at_ms = day * DAY_MS + visit + rng.integers(0, 1_500_000, count)
    order = np.argsort(at_ms, kind="stable")
    nothing = np.full(count, np.nan, np.float32)
    columns: dict[str, Any] = {name: nothing for name, dtype in COLUMNS.items() if dtype == np.float32}
    columns |= {
        "learner": learner[order],
        "item": rng.integers(1, 2_000, count),
        "content_type": rng.integers(1, CONTENT_TYPES + 1, count),
        "type": rng.choice(4, count, p=(0.6, 0.1, 0.2, 0.1)),
        "at_ms": at_ms[order],
        "local_day": np.full(count, day),
        "local_hour": at_ms[order] % DAY_MS // 3_600_000,
        "time_spent_seconds": rng.exponential(90.0, count),
        "completion_rate": np.where(rng.random(count) < 0.5, rng.random(count), np.nan),
        "success": np.full(count, -1),
        "consent": np.full(count, 3),
        "dedupe_key": np.arange(first, first + count),
    }
    return Interactions(**{name: np.asarray(columns[name]).astype(dtype) for name, dtype in COLUMNS.items()})


def _write(connection: Connection, batch: Interactions) -> None:
    with connection.transaction():
        row = connection.execute("SELECT nextval('applied_seq')").fetchone()
        assert row is not None
        interaction_log.append(connection, batch, row[0])
        connection.execute(LOG_RANGE, {"seq": row[0], "n": len(batch)})
        sessions.apply(connection, batch, Effects(applied_seq=row[0]))
        hourly_activity.apply(connection, batch, Effects(applied_seq=row[0]))


async def _ask(pool: ReadPool, metric: str) -> float:
    begun = time.perf_counter()
    await answers.read(pool, "90d", metric, LAST_DAY * DAY_MS + DAY_MS // 2)
    return 1000.0 * (time.perf_counter() - begun)


async def _warm(url: str) -> dict[str, Figure]:
    pool = ReadPool(url, answer_seconds=30.0)
    await pool.open()
    try:
        figures: dict[str, Figure] = {}
        for metric in answers.METRICS:
            times = [await _ask(pool, metric) for _ in range(WARM_QUESTIONS + 3)][3:]
            figures[f"{metric}_90d_warm_ms_min"] = min(times)
            figures[f"{metric}_90d_warm_ms_p50"] = percentile(times, 0.5)
            figures[f"{metric}_90d_warm_ms_p95"] = percentile(times, 0.95)
        return figures
    finally:
        await pool.close()


def _cold(running: Servers, metric: str) -> float:
    running.stack.stop_server("postgres")
    running.stack.start_server("postgres")
    url = running.endpoints.database_url

    async def first() -> float:
        pool = ReadPool(url, answer_seconds=30.0)
        begun = time.perf_counter()
        await pool.open()
        try:
            await answers.read(pool, "90d", metric, LAST_DAY * DAY_MS + DAY_MS // 2)
            return 1000.0 * (time.perf_counter() - begun)
        finally:
            await pool.close()

    return asyncio.run(first())


def _sizes(running: Servers) -> dict[str, Figure]:
    with connect(running.endpoints.database_url, autocommit=True) as connection:
        found = connection.execute(
            "SELECT sum(pg_total_relation_size(c.oid)) FILTER (WHERE relname LIKE 'interaction_log%%')::bigint,"
            " sum(pg_total_relation_size(c.oid)) FILTER (WHERE relname IN ('learner_day', 'daily_learners',"
            " 'learner_day_set', 'learner_span_set', 'cell_witness'))::bigint"
            " FROM pg_class c WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        ).fetchone()
    assert found is not None
    return {"log_bytes": found[0], "roll_up_bytes": found[1]}
