"""How far behind is everything?  One jobs process looks every few seconds, from outside of what it measures.

A worker cannot report that it stands still.  The process that holds an advisory lock shows the lag of every group, what
waits in the outbox and in the queues; another one takes over when it ends.  The names `kafka_*` are those of
kafka_exporter, so that dashboards made for it work.
"""

from __future__ import annotations

import asyncio
import logging
import time

from projections.locks import WATCH_LOCK
from projections.reads import backlog
from projections.reads.backlog import Backlog
from projections.reads.lag import GROUPS, Lag, LagHistory
from projections.stores.log_positions import AWAY, LogPositions, Seen
from projections.stores.postgres import TRANSIENT, Connection, connect
from schemas.topics import TOPICS
from streams.jobs import metrics
from streams.jobs.settings import QUEUES

logger = logging.getLogger(__name__)
LOOK_SECONDS = 5.0
TRY_LOCK = "SELECT pg_try_advisory_lock(%(lock)s)"


class Watch:
    """Measures until it is cancelled, while this process is the one that does."""

    def __init__(self, database_url: str, kafka_bootstrap: str) -> None:
        self._database_url = database_url
        self._positions = LogPositions(kafka_bootstrap, [topic.name for topic in TOPICS], [*GROUPS.values()])
        self._history = LagHistory()
        self._connection: Connection | None = None
        self._warned = False

    async def run(self) -> None:
        """Looks for ever."""
        try:
            while True:
                try:
                    await self.look()
                except (*TRANSIENT, *AWAY) as fault:
                    if not self._warned:
                        logger.warning("watch: %s; trying again", type(fault).__name__)
                    self._warned = True
                    self._drop()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await self.close()

    async def look(self) -> bool:
        """Measures once; False when another process does."""
        waiting = await asyncio.to_thread(self._backlog)
        if waiting is None:
            return False
        seen = await self._positions.read()
        lags = self._history.look(time.monotonic(), seen, waiting.offsets)
        _show_backlog(waiting)
        _show_log(seen)
        _show_lags(lags)
        metrics.WATCHED.set(time.time())
        self._warned = False
        return True

    async def close(self) -> None:
        """Gives the task up."""
        self._drop()
        await self._positions.close()

    def _backlog(self) -> Backlog | None:
        if self._connection is None:
            connection = connect(self._database_url, autocommit=True, name="personalize-watch")
            if connection.execute(TRY_LOCK, {"lock": WATCH_LOCK}).fetchone() != (True,):
                connection.close()
                return None
            self._connection = connection
        return backlog.read(self._connection)

    def _drop(self) -> None:
        """Lets another process look; what this one showed is no longer true."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        for gauge in metrics.OF_WATCH:
            gauge.clear()


def _show_backlog(waiting: Backlog) -> None:
    metrics.OUTBOX_RECORDS.set(waiting.outbox_records)
    metrics.OUTBOX_AGE.set(waiting.outbox_age_seconds)
    metrics.UNDELIVERED.set(waiting.undelivered)
    for queue in QUEUES:
        metrics.QUEUE_OVERDUE.labels(queue).set(waiting.overdue_seconds.get(queue, 0.0))


def _show_log(seen: Seen) -> None:
    for (topic, part), end in seen.ends.items():
        metrics.TOPIC_END.labels(topic, part).set(end)
    for (topic, part), start in seen.starts.items():
        metrics.TOPIC_START.labels(topic, part).set(start)


def _show_lags(lags: list[Lag]) -> None:
    for lag in lags:
        metrics.GROUP_OFFSET.labels(lag.group, lag.topic, lag.part).set(lag.offset)
        metrics.GROUP_LAG.labels(lag.group, lag.topic, lag.part).set(lag.records)
        metrics.GROUP_LAG_SECONDS.labels(lag.group, lag.topic, lag.part).set(lag.seconds)
