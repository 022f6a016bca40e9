"""What do the raw records of a poll say?  Decoding: good messages, dead letters and misrouted records, as values.

Pure: the same records give the same slice.  Nothing raises for what a record holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from projections.poll import DeadLetter, Slice, TopicPartition
from projections.projection import OutboxRecord
from schemas.catalogue import ContentSet
from schemas.decode import (
    Invalid,
    Reason,
    decode_command,
    decode_content,
    decode_impression,
    decode_interaction,
)
from schemas.interactions import Interaction
from schemas.partitioning import partitions_of
from schemas.topics import CATALOGUE, IMPRESSIONS, INTERACTIONS, LEARNER_COMMANDS

EVENT_ID_HEADER = "personalize-event-id"
"""Carries the minted event id of a record that is re-published to its own partition."""
PRODUCER_HEADERS = ("producer", "ce_source", "client-id")
"""Headers that may name who published a record, the first present one counts."""

_Records = Sequence[Any]


def decode_slice(
    topic: str, part: int, start: int, records: _Records, partition_count: int, seek_number: int = 0
) -> Slice:
    """One partition's fetched records, decoded by the rules of their topic.

    Args:
        topic: name of the topic, one that the worker subscribes to.
        part: partition number.
        start: offset that was asked for, at or before the first record.
        records: aiokafka records in offset order, at least one.
        partition_count: partitions of the topic, for the check of the key.
        seek_number: how often the partition had been sought when this was fetched.
    """
    build = _Building(TopicPartition(topic, part), partition_count)
    _DECODERS[topic](build, records)
    return Slice(
        partition=build.partition,
        start=start,
        end=records[-1].offset + 1,
        delivered=len(records),
        offsets=build.offsets,
        record_ms=build.record_ms,
        messages=build.messages,
        event_ids=build.event_ids,
        dead=build.dead,
        misrouted=build.misrouted,
        keys=build.keys,
        seek_number=seek_number,
        producers=Counter(
            producer for record in records if record.headers and (producer := producer_of(record.headers))
        ),
    )


@dataclass(slots=True)
class _Building:
    partition: TopicPartition
    partition_count: int
    offsets: list[int] = field(default_factory=list)
    record_ms: list[int] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)
    event_ids: list[str] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    misrouted: list[tuple[int, OutboxRecord]] = field(default_factory=list)
    keys: list[bytes | None] = field(default_factory=list)

    def refuse(self, record: Any, invalid: Invalid) -> None:
        """Notes a record that cannot be used."""
        self.dead.append(
            DeadLetter(
                offset=record.offset,
                record_ms=record.timestamp,
                reason=invalid.reason_code.value,
                pointer=invalid.pointer,
                detail=invalid.detail,
                producer=producer_of(record.headers),
                key=record.key,
                value=record.value,
                headers=tuple(record.headers),
            )
        )

    def misroute(self, record: Any, user_id: str, event_id: str | None) -> None:
        """Notes a record for its own partition, with its event id (kept or minted) and every header."""
        headers = [(name, value) for name, value in record.headers if name != EVENT_ID_HEADER]
        if event_id is not None:
            headers.append((EVENT_ID_HEADER, event_id.encode()))
        healed = OutboxRecord(
            topic=self.partition.topic, key=user_id.encode(), value=record.value, headers=tuple(headers)
        )
        self.misrouted.append((record.offset, healed))

    def minted_id(self, record: Any) -> str:
        """The id of an event without one: where it stands in the log, or stood before it was sent to its partition."""
        for name, value in record.headers:
            if name == EVENT_ID_HEADER:
                return str(value.decode(errors="replace"))
        return f"{self.partition.topic}/{self.partition.part}/{record.offset}"

    def foreign_learners(self, user_ids: set[str]) -> set[str]:
        """Those whose key belongs to another partition."""
        distinct = list(user_ids)
        places = partitions_of([user_id.encode() for user_id in distinct], self.partition_count)
        return {user_id for user_id, place in zip(distinct, places, strict=True) if place != self.partition.part}


def producer_of(headers: Sequence[tuple[str, bytes]]) -> str:
    """Who published a record, as far as its headers say; at most 128 characters."""
    found = dict(headers) if headers else {}
    for name in PRODUCER_HEADERS:
        if found.get(name):
            return found[name].decode(errors="replace")[:128].replace("\0", "")
    return ""


def _interactions(build: _Building, records: _Records) -> None:
    decoded = [decode_interaction(record.value) for record in records]
    foreign = build.foreign_learners({message.user_id for message in decoded if isinstance(message, Interaction)})
    keys = [record.key for record in records]
    if foreign or None in keys or Invalid in set(map(type, decoded)):
        for record, message in zip(records, decoded, strict=True):
            _one_interaction(build, record, message, foreign)
        return
    # Nothing is wrong, as nearly always: a column at a time costs a third of a record at a time.
    build.offsets = [record.offset for record in records]
    build.record_ms = [record.timestamp for record in records]
    messages = cast("list[Interaction]", decoded)
    build.messages = messages
    given = [message.event_id for message in messages]
    if None in given:
        given = [event_id or build.minted_id(record) for event_id, record in zip(given, records, strict=True)]
    build.event_ids = cast("list[str]", given)


def _one_interaction(build: _Building, record: Any, message: Interaction | Invalid, foreign: set[str]) -> None:
    if isinstance(message, Invalid):
        build.refuse(record, message)
        return
    event_id = message.event_id or build.minted_id(record)
    if record.key is None or message.user_id in foreign:
        build.misroute(record, message.user_id, event_id)
        return
    build.offsets.append(record.offset)
    build.record_ms.append(record.timestamp)
    build.messages.append(message)
    build.event_ids.append(event_id)


def _commands(build: _Building, records: _Records) -> None:
    _learner_keyed(build, records, decode_command)


def _impressions(build: _Building, records: _Records) -> None:
    _learner_keyed(build, records, decode_impression)


def _learner_keyed(build: _Building, records: _Records, decode: Callable[[bytes | None], Any]) -> None:
    for record in records:
        message = decode(record.value)
        if isinstance(message, Invalid):
            build.refuse(record, message)
        elif record.key is None or build.foreign_learners({message.user_id}):
            build.misroute(record, message.user_id, None)
        else:
            build.offsets.append(record.offset)
            build.record_ms.append(record.timestamp)
            build.messages.append(message)


def _catalogue(build: _Building, records: _Records) -> None:
    for record in records:
        message: ContentSet | Invalid | None = None
        if not record.key or b"\0" in record.key:
            message = Invalid(Reason.BAD_FORMAT, "", "The record key must be the contentId.")
        elif record.value is not None:
            message = decode_content(record.value)
            if isinstance(message, ContentSet) and message.content_id.encode() != record.key:
                message = Invalid(Reason.BAD_FORMAT, "/contentId", "The record key must equal `contentId`.")
        if isinstance(message, Invalid):
            build.refuse(record, message)
        else:
            build.offsets.append(record.offset)
            build.record_ms.append(record.timestamp)
            build.messages.append(message)
            build.keys.append(record.key)


_DECODERS: dict[str, Callable[[_Building, _Records], None]] = {
    INTERACTIONS.name: _interactions,
    LEARNER_COMMANDS.name: _commands,
    IMPRESSIONS.name: _impressions,
    CATALOGUE.name: _catalogue,
}
