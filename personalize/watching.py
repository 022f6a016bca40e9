"""How is the engine doing, seen from a terminal?  One look at Kafka, Postgres and the processes; two make rates.

Nothing has to run for it but the servers: it asks Kafka and Postgres itself; of a process, only whether it answers.
"""

from __future__ import annotations

import asyncio
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any, Final

from personalize import scrape_targets
from personalize.settings import Settings
from personalize.stack import Endpoints, ports
from projections.reads import backlog
from projections.reads.backlog import Backlog
from projections.reads.lag import GROUPS, Lag, LagHistory
from projections.stores.log_positions import AWAY, LogPositions
from projections.stores.postgres import TRANSIENT, Connection, connect
from schemas.topics import CATALOGUE, LEARNER_KEYED

LAG_SECONDS: Final = 10.0
OUTBOX_SECONDS: Final = 60.0
COUNTS: Final = """
SELECT coalesce(sum(applied), 0)::bigint, coalesce(sum(dead), 0)::bigint, coalesce(sum(duplicates), 0)::bigint,
       date_part('epoch', now() - max(committed_at)),
       (SELECT coalesce(sum(next_offset), 0)::bigint FROM stream_offset
        WHERE projection = 'worker' AND topic = 'interactions')
FROM applied_range WHERE committed_at > now() - interval '1 hour'
"""


@dataclass(frozen=True, slots=True)
class GroupLag:
    """How far one group is with one topic."""

    group: str
    topic: str
    records: int
    seconds: float
    rate: float | None
    """Records dealt with a second since the last look; None at the first."""


@dataclass(slots=True)
class Look:
    """What one look saw."""

    at_seconds: float
    kafka: bool = False
    postgres: bool = False
    processes: dict[str, bool] = field(default_factory=dict)
    """Kind → whether it answers; only those that are known."""
    lags: list[GroupLag] = field(default_factory=list)
    events_per_second: float | None = None
    events_last_hour: int = 0
    dead_last_hour: int = 0
    duplicates_last_hour: int = 0
    commit_age_seconds: float | None = None
    outbox_records: int = 0
    outbox_age_seconds: float = 0.0
    overdue_seconds: dict[str, float] = field(default_factory=dict)

    def problems(self) -> list[str]:
        """What a person should look at; nothing when all is well."""
        found = [f"{name} does not answer" for name in ("kafka", "postgres") if not getattr(self, name)]
        found += [f"{name} does not answer" for name, answers in self.processes.items() if not answers]
        found += [
            f"{lag.group} is {lag.seconds:.0f} s behind on {lag.topic} ({lag.records:,} records)"
            for lag in self.lags
            if lag.seconds > LAG_SECONDS
        ]
        if self.outbox_age_seconds > OUTBOX_SECONDS:
            found.append(f"the outbox is stuck: its oldest record is {self.outbox_age_seconds:.0f} s old")
        found += [f"queue {queue} is {age:.0f} s overdue" for queue, age in self.overdue_seconds.items() if age > 1_800]
        return found

    def document(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "healthy": not self.problems(),
            "problems": self.problems(),
            "kafka": self.kafka,
            "postgres": self.postgres,
            "processes": self.processes,
            "lags": [
                {
                    "group": lag.group,
                    "topic": lag.topic,
                    "records": lag.records,
                    "seconds": round(lag.seconds, 3),
                    "recordsPerSecond": lag.rate,
                }
                for lag in self.lags
            ],
            "eventsPerSecond": self.events_per_second,
            "lastHour": {
                "events": self.events_last_hour,
                "deadLetters": self.dead_last_hour,
                "duplicates": self.duplicates_last_hour,
            },
            "commitAgeSeconds": self.commit_age_seconds,
            "outbox": {"records": self.outbox_records, "oldestAgeSeconds": self.outbox_age_seconds},
            "queueOverdueSeconds": self.overdue_seconds,
        }


class Watcher:
    """Looks again and again."""

    def __init__(self, settings: Settings, servers: Endpoints) -> None:
        self._settings = settings
        self._servers = servers
        topics = [topic.name for topic in (*LEARNER_KEYED, CATALOGUE)]
        self._positions = LogPositions(servers.kafka, topics, [*GROUPS.values()])
        self._history = LagHistory()
        self._connection: Connection | None = None
        self._offsets: dict[tuple[str, str], tuple[float, int]] = {}
        self._folded: tuple[float, int] | None = None

    async def look(self) -> Look:
        """Looks once; what is away is said, not raised."""
        look = Look(at_seconds=time.monotonic())
        waiting = await asyncio.to_thread(self._of_postgres, look)
        try:
            seen = await self._positions.read()
            look.kafka = True
            lags = self._history.look(look.at_seconds, seen, waiting.offsets if waiting else {})
            look.lags = self._by_topic(lags, look.at_seconds)
        except AWAY:
            look.kafka = False
        look.processes = await asyncio.to_thread(self._answering)
        return look

    async def close(self) -> None:
        """Ends the connections."""
        await self._positions.close()
        if self._connection is not None:
            self._connection.close()

    def _of_postgres(self, look: Look) -> Backlog | None:
        try:
            if self._connection is None:
                url = self._servers.database_url
                self._connection = connect(url, autocommit=True, name="personalize-watch-command")
            waiting = backlog.read(self._connection)
            row = self._connection.execute(COUNTS).fetchone()
        except TRANSIENT:
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            return None
        assert row is not None
        look.postgres = True
        look.events_last_hour, look.dead_last_hour, look.duplicates_last_hour, look.commit_age_seconds, folded = row
        if self._folded is not None and look.at_seconds > self._folded[0]:
            look.events_per_second = (folded - self._folded[1]) / (look.at_seconds - self._folded[0])
        self._folded = (look.at_seconds, folded)
        look.outbox_records, look.outbox_age_seconds = waiting.outbox_records, waiting.outbox_age_seconds
        look.overdue_seconds = waiting.overdue_seconds
        return waiting

    def _by_topic(self, lags: list[Lag], now: float) -> list[GroupLag]:
        found = []
        for group, topic in sorted({(lag.group, lag.topic) for lag in lags}):
            mine = [lag for lag in lags if (lag.group, lag.topic) == (group, topic)]
            offset = sum(lag.offset for lag in mine)
            before = self._offsets.get((group, topic))
            rate = (offset - before[1]) / (now - before[0]) if before and now > before[0] else None
            self._offsets[group, topic] = (now, offset)
            records, seconds = sum(lag.records for lag in mine), max(lag.seconds for lag in mine)
            found.append(GroupLag(group, topic, records, seconds, rate))
        return found

    def _answering(self) -> dict[str, bool]:
        known = scrape_targets.read(self._settings)
        return {name: _answers(f"http://{ports.LOOPBACK}:{port}/metrics") for name, port in known.items()}


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - of this machine
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
