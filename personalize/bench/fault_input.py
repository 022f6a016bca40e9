"""What is a faulted worker fed with?  A fixed stream of good, repeated, late, misrouted and unusable records.

Seeded: the same seed and moment give the same bytes.  A record that must become a dead letter says so in the header
`x-expected`, which the product does not know, so that the reference need not judge records by the product's own rules.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate, count
from typing import Any, Final

from aiokafka.partitioner import murmur2

from schemas.interactions import InteractionType
from schemas.topics import INTERACTIONS, LEARNER_COMMANDS

EXPECTED_HEADER: Final = "x-expected"
DEAD: Final = b"dead"
ZONE_HEADER: Final = "x-zone"
"""Names the zone that the learner had declared before this record was published."""
LEARNERS: Final = 300
ITEMS: Final = 120
PARTITIONS: Final = 8
DAY_MS: Final = 86_400_000
_SPAN_DAYS: Final = 25
_TYPES: Final = tuple(member.value for member in InteractionType)
_TYPE_WEIGHTS: Final = (30, 8, 12, 12, 10, 3, 2, 3, 3, 4, 11, 2)
_CONTENT_TYPES: Final = ("video", "article", "quiz", "forum", "lab", "podcast", "book")
_ZONES: Final = ("UTC", "Europe/Lisbon", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "America/Sao_Paulo")


@dataclass(frozen=True, slots=True)
class Sent:
    """One record to publish."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How much of the stream is out of the ordinary; shares of all records."""

    events: int = 40_000
    """Records that fill the 25 days before now, half of them as a backlog; later ones happen now."""
    duplicates: float = 0.02
    poison: float = 0.003
    late: float = 0.05
    future: float = 0.002
    misrouted: float = 0.002
    commands: float = 0.005


def partition_of(key: bytes) -> int:
    """The right partition, by aiokafka's murmur2: not the product's own, so that a fault in that one shows."""
    return int((murmur2(key) & 0x7FFFFFFF) % PARTITIONS)


def catalogue() -> list[tuple[bytes, bytes]]:
    """Key and value of the catalogue records that are folded before the stream begins; every fourth has no duration."""
    records = []
    for item in range(ITEMS):
        value: dict[str, Any] = {
            "contentId": f"item-{item}",
            "contentType": _CONTENT_TYPES[item % len(_CONTENT_TYPES)],
            "title": f"Item {item}",
            "topics": [f"topic-{item % 9}"],
        }
        if item % 4:
            value["durationSeconds"] = duration_seconds(item)
        records.append((value["contentId"].encode(), json.dumps(value).encode()))
    return records


def duration_seconds(item: int) -> float | None:
    """What the catalogue states for an item."""
    return 60.0 * (1 + item % 17) if item % 4 else None


def stream(seed: int, now_ms: int, shape: Shape) -> Iterator[Sent]:
    """The records in the order in which they are published, without end.

    Args:
        seed: of everything random.
        now_ms: about the moment of publication; event times end there.
        shape: how many fill the days before now, and how many are of what kind.
    """
    dice = random.Random(seed)
    weights = list(accumulate(1 / (1 + rank) for rank in range(LEARNERS)))
    sent: list[Sent] = []
    for number in count():
        (learner,) = dice.choices(range(LEARNERS), cum_weights=weights)
        lot = dice.random()
        if lot < shape.poison:
            record = _poison(dice, learner)
        elif lot < shape.poison + shape.duplicates and sent:
            record = sent[-dice.randint(1, min(len(sent), dice.choice((3, 500, 100_000))))]
        elif lot < shape.poison + shape.duplicates + shape.commands:
            record = _command(dice, seed, number, learner, now_ms)
        else:
            record = _interaction(dice, seed, number, learner, now_ms=now_ms, shape=shape)
        sent.append(record)
        yield record


def zones(seed: int, now_ms: int) -> tuple[list[Sent], list[Sent]]:
    """Profiles that declare a zone, and interactions to publish when those are folded.

    Whoever folds the interactions must know the zone, also when somebody else could have folded the profile.
    """
    profiles, interactions = [], []
    for learner in range(LEARNERS):
        user, zone = user_id(learner), _ZONES[1:][learner % (len(_ZONES) - 1)]
        key = user.encode()
        profile = {
            "command": "ProfileSet",
            "commandId": f"zone-{seed}-{learner}",
            "userId": user,
            "issuedAt": now_ms,
            "timezone": zone,
            "interests": [zone],
        }
        body = {
            "userId": user,
            "interactionType": "VIEW",
            "contentType": "video",
            "contentId": "item-7",
            "eventId": f"zone-{seed}-{learner}",
            "occurredAt": now_ms - learner * 1000,
        }
        partition = partition_of(key)
        profiles.append(Sent(LEARNER_COMMANDS.name, key, json.dumps(profile).encode(), partition))
        interactions.append(
            Sent(INTERACTIONS.name, key, json.dumps(body).encode(), partition, ((ZONE_HEADER, zone.encode()),))
        )
    return profiles, interactions


def user_id(learner: int) -> str:
    """Some ids are long or not ASCII: keys are bytes, not words."""
    return f"lernende-ü-{learner}" if learner % 37 == 0 else f"learner-{learner}"


def _interaction(dice: random.Random, seed: int, number: int, learner: int, *, now_ms: int, shape: Shape) -> Sent:
    item = min(int(dice.expovariate(0.05)), ITEMS - 1)
    kind = dice.choices(_TYPES, _TYPE_WEIGHTS)[0]
    body: dict[str, Any] = {
        "userId": user_id(learner),
        "interactionType": kind,
        "contentType": _CONTENT_TYPES[item % len(_CONTENT_TYPES)],
        "contentId": f"item-{item}",
        "occurredAt": _event_time(dice, number, now_ms, shape),
    }
    if dice.random() < 0.98:
        body["eventId"] = f"{seed}-{number}"
    body |= {name: value for name, share, value in _measures(dice, kind) if share > dice.random()}
    if learner % 5 == 0:
        body["timezone"] = _ZONES[learner // 5 % len(_ZONES)]
    if dice.random() < 0.02:
        del body["occurredAt"]
    elif dice.random() < 0.3:
        body["occurredAt"] = datetime.fromtimestamp(body["occurredAt"] / 1000, UTC).isoformat(timespec="milliseconds")
    key = body["userId"].encode()
    partition = partition_of(key)
    if dice.random() < shape.misrouted:
        # Either in a neighbour's partition, or without a key at all.
        keyless = dice.random() < 0.3
        return Sent(
            INTERACTIONS.name, None if keyless else key, json.dumps(body).encode(), (partition + 1) % PARTITIONS
        )
    return Sent(INTERACTIONS.name, key, json.dumps(body).encode(), partition)


def _event_time(dice: random.Random, number: int, now_ms: int, shape: Shape) -> int:
    at_ms = now_ms - int(max(1 - number / shape.events, 0.0) * _SPAN_DAYS * DAY_MS) - dice.randint(0, 90_000)
    lot = dice.random()
    if lot < shape.late:
        at_ms -= dice.randint(0, 30 * DAY_MS)
    elif lot < shape.late + shape.future:
        at_ms = now_ms + dice.randint(3, 300) * DAY_MS
    return at_ms


def _measures(dice: random.Random, kind: str) -> list[tuple[str, float, Any]]:
    """Name, share of the records that state it, and value."""
    return [
        ("timeSpent", 0.6, round(dice.expovariate(1 / 300) % 7200, 3)),
        ("completionRate", 0.5, 1 if kind == "COMPLETE" else round(dice.random(), 4)),
        ("rating", 0.9 if kind == "RATE" else 0.02, dice.randint(1, 5)),
        ("clicksCount", 0.5, dice.randint(0, 40)),
        ("scrollDepth", 0.4, round(dice.random(), 5)),
        ("score", 0.8 if kind == "ATTEMPT" else 0.0, round(dice.random(), 2)),
        ("success", 0.8 if kind == "ATTEMPT" else 0.0, dice.random() < 0.7),
    ]


def _command(dice: random.Random, seed: int, number: int, learner: int, now_ms: int) -> Sent:
    body = {
        "command": "ProfileSet",
        "commandId": f"command-{seed}-{number}",
        "userId": user_id(learner),
        "issuedAt": now_ms,
        "interests": [f"topic-{dice.randint(0, 8)}", f"number-{number}"],
    }
    key = body["userId"]
    assert isinstance(key, str)
    return Sent(LEARNER_COMMANDS.name, key.encode(), json.dumps(body).encode(), partition_of(key.encode()))


def _poison(dice: random.Random, learner: int) -> Sent:
    user = user_id(learner)
    good = {"userId": user, "interactionType": "VIEW", "contentType": "video", "contentId": "item-1"}
    makers: list[Callable[[], bytes | None]] = [
        lambda: b"\xff\xfe\x00 these are no characters",
        lambda: json.dumps(good).encode()[:-7],
        lambda: None,
        lambda: json.dumps({**good, "timeSpent": "ten"}).encode(),
        lambda: json.dumps({**good, "rating": float("nan")}).encode(),
        lambda: json.dumps({**good, "completionRate": 7}).encode(),
        lambda: json.dumps({**good, "schemaVersion": 99}).encode(),
        lambda: json.dumps({**good, "occurredAt": "1970-01-02T00:00:00Z"}).encode(),
        lambda: json.dumps({**good, "interactionType": "DANCE"}).encode(),
        lambda: json.dumps({**good, "context": {"blob": "x" * 300_000}}).encode(),
        lambda: json.dumps({key: good[key] for key in good if key != "userId"}).encode(),
        lambda: b"[1, 2, 3]",
    ]
    # The large one is rare: it is 300 KB.
    value = makers[dice.choices(range(len(makers)), [1 if index == 9 else 8 for index in range(len(makers))])[0]]()
    key = user.encode()
    return Sent(INTERACTIONS.name, key, value, partition_of(key), ((EXPECTED_HEADER, DEAD),))
