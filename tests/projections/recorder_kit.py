"""Builds decoded polls for the recorder's tests out of plain dictionaries, through the real decoder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from projections.poll import Slice
from schemas.partitioning import partition_of
from streams.intake import decode_slice

PARTITIONS = 8
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
