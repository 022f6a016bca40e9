"""Which events does the topic hold, each once?  Read from Kafka as it is and judged without the product's code.

Only what the documentation promises is used: a record marked as unusable is a dead letter; one without a key, or in a
partition that is not its key's, is passed on and not folded; of equal (userId, eventId) the first counts; an event time
more than 24 h after the record's is that limit; measurements are float32.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from aiokafka import AIOKafkaConsumer, TopicPartition

from personalize.bench.fault_input import DEAD, EXPECTED_HEADER, PARTITIONS, ZONE_HEADER, duration_seconds, partition_of
from schemas.topics import INTERACTIONS, LEARNER_COMMANDS

_EVENT_ID_HEADER: Final = "personalize-event-id"
_FUTURE_MS: Final = 86_400_000
_EPOCH_DATE: Final = datetime(1970, 1, 1, tzinfo=UTC).date()
_MEASURES: Final = ("timeSpent", "completionRate", "rating", "clicksCount", "scrollDepth", "score")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One accepted interaction."""

    learner: str
    item: str
    content_type: str
    type: str
    at_ms: int
    local_day: int
    local_hour: int
    time_spent: float | None
    completion: float | None
    rating: float | None
    clicks: float | None
    scroll: float | None
    score: float | None
    success: bool | None
    expected: float | None
    dedupe_key: int


@dataclass(slots=True)
class Truth:
    """Everything that the topics say should have happened."""

    events: list[Event] = field(default_factory=list)
    """Accepted interactions, partition by partition in the order of the log."""
    ends: dict[tuple[str, int], int] = field(default_factory=dict)
    """Log end of each partition."""
    delivered: dict[tuple[str, int], int] = field(default_factory=dict)
    """Records that each partition holds."""
    duplicates: int = 0
    misrouted: int = 0
    dead: set[tuple[str, int, int]] = field(default_factory=set)
    """Topic, partition, offset of each unusable record."""
    interests: dict[str, list[str]] = field(default_factory=dict)
    """By learner, of the last profile that was set."""
    commands: set[str] = field(default_factory=set)


async def read(bootstrap: str, topics: Sequence[str] = (INTERACTIONS.name, LEARNER_COMMANDS.name)) -> Truth:
    """Reads the topics from their beginning to their end."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, part) for topic in topics for part in range(PARTITIONS)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        held: dict[TopicPartition, list[Any]] = {partition: [] for partition in partitions}
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for partition, records in (await consumer.getmany(timeout_ms=500)).items():
                held[partition] += [record for record in records if record.offset < ends[partition]]
    finally:
        await consumer.stop()
    truth = Truth(ends={(tp.topic, tp.partition): end for tp, end in ends.items()})
    for partition, records in held.items():
        judge(truth, partition.topic, partition.partition, records)
    return truth


def judge(truth: Truth, topic: str, part: int, records: Iterable[Any]) -> None:
    """Adds one partition's records, in offset order, to the truth."""
    seen: set[int] = set()
    truth.delivered[topic, part] = 0
    for record in records:
        truth.delivered[topic, part] += 1
        headers = dict(record.headers)
        if headers.get(EXPECTED_HEADER) == DEAD:
            truth.dead.add((topic, part, record.offset))
        elif record.key is None or partition_of(record.key) != part:
            truth.misrouted += 1
        elif topic == LEARNER_COMMANDS.name:
            _command(truth, json.loads(record.value))
        else:
            body = json.loads(record.value)
            event_id = body.get("eventId") or headers.get(_EVENT_ID_HEADER, b"").decode()
            body.setdefault("timezone", headers.get(ZONE_HEADER, b"UTC").decode())
            event = _event(body, event_id or f"{topic}/{part}/{record.offset}", record.timestamp)
            if event.dedupe_key in seen:
                truth.duplicates += 1
            else:
                seen.add(event.dedupe_key)
                truth.events.append(event)


def _command(truth: Truth, body: dict[str, Any]) -> None:
    if body["commandId"] not in truth.commands:
        truth.commands.add(body["commandId"])
        truth.interests[body["userId"]] = body["interests"]


def _event(body: dict[str, Any], event_id: str, record_ms: int) -> Event:
    at_ms = min(_time_ms(body.get("occurredAt"), record_ms), record_ms + _FUTURE_MS)
    local = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
    local = local.astimezone(ZoneInfo(body["timezone"]))
    time_spent, completion, rating, clicks, scroll, score = (_float32(body.get(name)) for name in _MEASURES)
    return Event(
        learner=body["userId"],
        item=body["contentId"],
        content_type=body["contentType"],
        type=body["interactionType"],
        at_ms=at_ms,
        local_day=(local.date() - _EPOCH_DATE).days,
        local_hour=local.hour,
        time_spent=time_spent,
        completion=completion,
        rating=rating,
        clicks=clicks,
        scroll=scroll,
        score=score,
        success=body.get("success"),
        expected=_float32(duration_seconds(int(body["contentId"].rpartition("-")[2]))),
        dedupe_key=dedupe_key(body["userId"], event_id),
    )


def dedupe_key(user_id: str, event_id: str) -> int:
    """First 64 bits of SHA-256 over user id, a zero byte and event id, as a signed integer."""
    digest = hashlib.sha256(user_id.encode() + b"\0" + event_id.encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)


def _time_ms(stated: str | int | None, record_ms: int) -> int:
    if stated is None:
        return record_ms
    if isinstance(stated, int):
        return stated
    since = datetime.fromisoformat(stated) - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(milliseconds=1)


def _float32(value: float | None) -> float | None:
    return None if value is None else float(struct.unpack("f", struct.pack("f", value))[0])
