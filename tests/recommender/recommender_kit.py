"""A worker's recorder and the recommender's engine over one database, fed with decoded records, without Kafka."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import psycopg

from projections.poll import Slice, TopicPartition
from projections.recommender.engine import Engine, EngineSettings
from projections.recommender.pieces import piece_of
from projections.recommender.state import State
from projections.recorder import Recorder
from projections.stores.redis import Mirror, RedisAddress
from schemas.partitioning import partition_of
from streams.intake import decode_slice
from streams.list_tick import ListTick
from streams.settings import WorkerSettings

PARTITIONS = 8
RECORD_MS = 1_790_000_000_000
TOPICS = ("interactions", "learner-commands", "catalogue")


class Log:
    """The topics, as lists of records a partition."""

    def __init__(self) -> None:
        self.records: dict[TopicPartition, list[Any]] = {
            TopicPartition(topic, part): [] for topic in TOPICS for part in range(PARTITIONS)
        }

    def put(self, topic: str, value: dict[str, Any], key: str | None = None) -> None:
        """Appends a record to its key's partition."""
        name = key or value["userId"]
        held = self.records[TopicPartition(topic, partition_of(name.encode(), PARTITIONS))]
        at = RECORD_MS + sum(map(len, self.records.values()))
        record = {"key": name.encode(), "value": json.dumps(value).encode(), "headers": (), "timestamp": at}
        held.append(SimpleNamespace(**record, offset=len(held)))

    def view(self, user: str, item: str, minute: int, **more: Any) -> None:
        """Appends an interaction."""
        event = {"userId": user, "interactionType": "VIEW", "contentType": "article", "contentId": item}
        at_ms = RECORD_MS - 86_400_000 + minute * 60_000
        self.put("interactions", {**event, "eventId": f"{user}/{item}/{minute}", "occurredAt": at_ms, **more})

    def content(self, item: str, title: str, **more: Any) -> None:
        """Appends a catalogue entry."""
        self.put("catalogue", {"contentId": item, "contentType": "article", "title": title, **more}, key=item)

    def slices(self, starts: dict[TopicPartition, int], most: int) -> list[Slice]:
        """What comes behind these offsets, at most ``most`` records a partition."""
        return [
            decode_slice(p.topic, p.part, start, held[start : start + most], PARTITIONS)
            for p, start in starts.items()
            if (held := self.records[p])[start : start + most]
        ]

    def bounds(self, topics: Sequence[str]) -> dict[TopicPartition, tuple[int, int]]:
        """First and next offset of every partition."""
        return {p: (0, len(held)) for p, held in self.records.items() if p.topic in topics}


class Bench:
    """Worker and recommender over one log and one database."""

    def __init__(self, database_url: str, redis_port: RedisAddress) -> None:
        self.url = database_url
        self.log = Log()
        self.redis = redis_port
        self._recorder = Recorder(database_url, "w0")
        self._claimed = False
        self._engines: list[Engine] = []

    def work(self) -> None:
        """Lets the worker record everything there is."""
        if not self._claimed:
            self._recorder.claim(self.log.bounds(TOPICS))
            self._claimed = True
        at = {p: cursor.next_offset for p, cursor in self._recorder.cursors.items()}
        slices = self.log.slices(at, 1 << 30)
        if slices:
            self._recorder.record(slices)

    def write_lists(self) -> None:
        """Lets the worker's list tick do what it would do after a start."""
        tick = ListTick(
            WorkerSettings(
                kafka_bootstrap="",
                database_url=self.url,
                redis=self.redis,
            )
        )
        tick._tick([], {}, [])
        tick._tick(list(tick._dirty), {}, [])
        tick._reset()

    def engine(self, **settings: Any) -> Engine:
        """A recommender that has claimed everything; one that exists already is thereby dead."""
        # Exploration goes by the moment at which a list is made: only tests of it want it.
        given = {"learn_budget_seconds": float("inf"), "exploration_share": 0.0, **settings}
        made = Engine(EngineSettings(database_url=self.url, owner="r0", **given), Mirror(self.redis))
        self._engines.append(made)
        made.claim(self.log.bounds(TOPICS[:2]))
        return made

    def close(self) -> None:
        """Ends every connection."""
        self._recorder.reset()
        for engine in self._engines:
            engine.reset_connection()

    def feed(self, engine: Engine, most: int = 1 << 30) -> int:
        """Reads on from where the engine is, and lets it tick; events folded."""
        starts = {p: at for p, at in engine.waiting.received.items() if p.topic != "catalogue"}
        assert not engine.receive([piece_of(one) for one in self.log.slices(starts, most)])
        return engine.tick().events

    def save(self, engine: Engine) -> None:
        """Stores a snapshot."""
        snapshot = engine.copy()
        if snapshot is not None:
            engine.store(engine.connection(), snapshot)

    def ask(self, query: str, *parameters: Any) -> list[Any]:
        """The rows of a query."""
        with psycopg.connect(self.url) as connection:
            given = parameters[0] if parameters and isinstance(parameters[0], dict) else parameters
            return connection.execute(query, given).fetchall()

    def items(self, user: str) -> list[str]:
        """The content ids of a learner's stored hybrid list."""
        query = """
            SELECT c.content_id FROM recommendations r JOIN learners l USING (learner_key),
                 unnest(r.item_keys) WITH ORDINALITY AS e (item_key, place) JOIN content c USING (item_key)
            WHERE l.user_id = %s AND r.type = 'hybrid' ORDER BY e.place"""
        return [row[0] for row in self.ask(query, user)]


def differences(one: State, other: State) -> list[str]:
    """Names of the arrays in which two states differ; [] when they are the same bit for bit."""
    first, second = one.arrays(), other.arrays()
    assert first.keys() == second.keys()
    return [name for name in first if first[name].tobytes() != second[name].tobytes()]
