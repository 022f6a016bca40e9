"""Builds decoded polls for the recorder's tests out of plain dictionaries, through the real decoder."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from projections.poll import Slice, TopicPartition
from projections.recorder import Recorder
from projections.stores.postgres import Connection, connect
from schemas.partitioning import partition_of
from streams.intake import decode_slice

PARTITIONS = 8
TOPICS = ("interactions", "learner-commands")
RECORD_MS = 1_790_000_000_000


def record(value: Any, offset: int, *, key: bytes | None = None, headers: Sequence[tuple[str, bytes]] = ()) -> Any:
    """A Kafka record as aiokafka hands it out; a dictionary becomes JSON, its userId the key."""
    if isinstance(value, dict):
        key = key if key is not None else str(value.get("userId", "")).encode()
        value = json.dumps(value).encode()
    return SimpleNamespace(key=key, value=value, headers=headers, offset=offset, timestamp=RECORD_MS + offset)


def event(user: str, event_id: str | None = None, **fields: Any) -> dict[str, Any]:
    """A valid interaction of a user, VIEW of the article a-1 unless said otherwise."""
    made = {"userId": user, "interactionType": "VIEW", "contentType": "article", "contentId": "a-1", **fields}
    return made if event_id is None else {**made, "eventId": event_id}


def users_of(part: int, count: int = 3) -> list[str]:
    """User ids whose key belongs to a partition."""
    found = (f"u-{n}" for n in range(100_000) if partition_of(f"u-{n}".encode(), PARTITIONS) == part)
    return [next(found) for _ in range(count)]


def poll(topic: str, part: int, start: int, values: Sequence[Any], **more: Any) -> Slice:
    """The slice of one partition from ``start`` on."""
    records = [
        value if isinstance(value, SimpleNamespace) else record(value, start + n) for n, value in enumerate(values)
    ]
    return decode_slice(topic, part, start, records, PARTITIONS, **more)


class OnePartition:
    """A recorder of one partition of both topics, fed with what learners do and ask for."""

    def __init__(self, url: str, part: int) -> None:
        self.url, self.part = url, part
        self.recorder = Recorder(url, "test")
        self.recorder.claim({TopicPartition(topic, part): (0, 10_000_000) for topic in TOPICS})
        self.connection: Connection = connect(url, autocommit=True)
        self._offsets = dict.fromkeys(TOPICS, 0)
        self._ids = itertools.count()

    def close(self) -> None:
        """Gives the partition back."""
        self.recorder.reset()
        self.connection.close()

    def record(self, values: Sequence[dict[str, Any]]) -> None:
        """One poll of both topics; a command is known by its member `command`."""
        slices = []
        for topic in TOPICS:
            of_topic = [value for value in values if ("command" in value) == (topic == "learner-commands")]
            if of_topic:
                slices.append(poll(topic, self.part, self._offsets[topic], of_topic))
                self._offsets[topic] += len(of_topic)
        self.recorder.record(slices)

    def verdict(self, kind: str, user: str, at: str, **fields: Any) -> tuple[int, str | None]:
        """Carries a command out; its status and the type of its problem."""
        command_id = f"c{next(self._ids)}"
        self.record([{"command": kind, "userId": user, "commandId": command_id, "issuedAt": at, **fields}])
        return self.connection.execute(
            "SELECT status, problem ->> 'type' FROM command_result WHERE command_id = %s", (command_id,)
        ).fetchone()
