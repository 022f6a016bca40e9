"""How does a request become records?  Items are checked one by one, published in order, and accounted for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from api.bodies import Item, check_media_type, split, too_long_line
from api.dependencies import Dependencies
from api.freshness import TOKEN_HEADER
from api.problems import Answer, Headers, InputError, ProblemError, problem
from api.publisher import KafkaAwayError, Outgoing, Place, RecordHeaders
from schemas.invalid import Invalid
from schemas.receipts import RejectedItem
from schemas.topics import CATALOGUE

BREATH = 200
"""Items checked before the event loop sees to others (about 1 ms)."""
REQUEST_ID_HEADER = "request-id"
PRODUCER_HEADER = "producer"
_TRACE_PARENT = b"traceparent"


@dataclass(slots=True)
class Checked:
    """The items of a body after checking, in order."""

    records: list[Outgoing] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    """The id of each record: eventId or contentId."""
    rejected: list[RejectedItem] = field(default_factory=list)
    duplicates: int = 0


Check = Callable[[bytes, Checked], Invalid | None]
"""Adds a good item to the ``Checked``, or says why it is not one."""


async def check_items(dependencies: Dependencies, headers: dict[bytes, bytes], body: bytes, check: Check) -> Checked:
    """Cuts a body into items and checks each; raises the problem when not one of them is good."""
    lines = check_media_type(headers, lines=True)
    items = split(body, lines=lines, limits=dependencies.limits)
    checked = Checked()
    for first in range(0, len(items), BREATH):
        if first:
            await asyncio.sleep(0)
        for item in items[first : first + BREATH]:
            invalid = too_long_line(item, dependencies.limits) or check(item.value, checked)
            if invalid is not None:
                checked.rejected.append(item.rejected(invalid))
                dependencies.metrics.rejected.labels(invalid.reason_code.value).inc()
    if not checked.records:
        raise _nothing_good(items, checked.rejected, dependencies.limits.errors)
    return checked


def _nothing_good(items: Sequence[Item], rejected: Sequence[RejectedItem], most: int) -> ProblemError:
    if not items:
        return problem(422, "The body holds no item. Send at least one.")
    errors = tuple(
        InputError(
            detail=entry.detail,
            pointer=item.pointer + entry.pointer,
            line=entry.line,
            reason_code=entry.reason_code,
        )
        for item, entry in zip(items[:most], rejected, strict=False)
    )
    syntax = all(entry.reason_code in {"not-json", "not-utf8", "too-deep"} for entry in rejected)
    return problem(
        400 if syntax else 422,
        "The body is not JSON in UTF-8." if syntax else "No item can be used; `errors` names each field and the fix.",
        kind="not-json" if syntax else None,
        title="Body is not JSON" if syntax else None,
        errors=errors,
    )


async def publish(
    dependencies: Dependencies,
    topic: str,
    records: Sequence[Outgoing],
    headers: dict[bytes, bytes],
    request_id: str,
    ids: Sequence[str] = (),
) -> dict[tuple[str, int], int]:
    """Publishes records; returns the positions behind them, or raises the problem that names which are in the log."""
    try:
        places = await dependencies.publisher.publish(topic, records, record_headers(headers, request_id))
    except KafkaAwayError as error:
        dependencies.metrics.published.labels(topic).inc(len(error.acknowledged))
        raise problem(
            503,
            "Kafka did not acknowledge in time. Whether the records after the first `accepted` reached the log is "
            "unknown: send them again later, with these ids, and none is counted twice.",
            headers=[(b"retry-after", b"1")],
            accepted=len(error.acknowledged),
            event_ids=tuple(ids),
        ) from None
    dependencies.metrics.published.labels(topic).inc(len(places))
    if topic != CATALOGUE.name:
        dependencies.caches.written({record.key for record in records})
    return behind(topic, places)


def behind(topic: str, places: Iterable[Place]) -> dict[tuple[str, int], int]:
    """The offset behind the last record in each partition."""
    positions: dict[tuple[str, int], int] = {}
    for place in places:
        key = (topic, place.partition)
        positions[key] = max(positions.get(key, 0), place.offset + 1)
    return positions


def record_headers(headers: dict[bytes, bytes], request_id: str) -> RecordHeaders:
    """What a record says about the request that brought it."""
    found: RecordHeaders = [(REQUEST_ID_HEADER, request_id.encode()), (PRODUCER_HEADER, b"api")]
    trace = headers.get(_TRACE_PARENT)
    if trace is not None and len(trace) == 55:
        found.append((_TRACE_PARENT.decode(), trace))
    return found


async def receipt_answer(
    dependencies: Dependencies, headers: dict[bytes, bytes], positions: dict[tuple[str, int], int], body: bytes
) -> Answer:
    """202 with the token of the records, after waiting until they are folded if ``Prefer: wait=N`` asks for it."""
    answer: Headers = [
        (b"content-type", b"application/json"),
        (b"cache-control", b"no-store"),
        (TOKEN_HEADER, dependencies.freshness.token(positions).encode()),
    ]
    if b"wait" in headers.get(b"prefer", b""):
        seconds = dependencies.freshness.wait_seconds(headers)
        folded = await dependencies.waiting.for_positions(positions, seconds, patient=True) is not None
        answer.append((b"preference-applied", b"wait=%d" % seconds) if folded else (b"x-stale", b"true"))
    return Answer(202, answer, body)
