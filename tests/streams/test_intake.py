"""Decoding a fetched slice: what each kind of record becomes, without a broker."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from schemas.partitioning import partition_of
from streams.intake import decode_slice, producer_of

PARTITIONS = 8


def record(offset: int, key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes], ...] = ()) -> Any:
    """A record as aiokafka hands it out."""
    return SimpleNamespace(key=key, value=value, headers=headers, offset=offset, timestamp=1_790_000_000_000)


def user_in(part: int) -> str:
    """A user id whose key belongs to the partition."""
    return next(f"u{n}" for n in range(10_000) if partition_of(f"u{n}".encode(), PARTITIONS) == part)


def interaction(user: str, **more: Any) -> bytes:
    """A valid interaction."""
    made = {"userId": user, "interactionType": "VIEW", "contentType": "article", "contentId": "a", **more}
    return json.dumps(made).encode()


def test_an_event_id_is_kept_or_minted_from_its_place() -> None:
    """A given eventId stays; without one the id is topic, partition and offset."""
    user = user_in(2)
    piece = decode_slice(
        "interactions",
        2,
        10,
        [record(10, user.encode(), interaction(user, eventId="e")), record(12, user.encode(), interaction(user))],
        PARTITIONS,
    )
    assert piece.event_ids == ["e", "interactions/2/12"]
    assert (piece.start, piece.end, piece.delivered) == (10, 13, 2)


def test_every_record_is_accounted_for() -> None:
    """Good, dead and misrouted records add up to what was delivered."""
    user, stranger = user_in(2), user_in(3)
    records = [
        record(0, user.encode(), interaction(user)),
        record(1, user.encode(), b"not json"),
        record(2, stranger.encode(), interaction(stranger)),
        record(3, None, interaction(user)),
        record(4, user.encode(), None),
    ]
    piece = decode_slice("interactions", 2, 0, records, PARTITIONS)
    assert (len(piece.messages), len(piece.dead), len(piece.misrouted)) == (1, 2, 2)
    assert [letter.reason for letter in piece.dead] == ["not-json", "null-value"]


def test_a_misrouted_record_keeps_its_bytes_and_headers() -> None:
    """What is sent on is the original value with the userId as key, every header, and the id it had here."""
    stranger = user_in(3)
    value = interaction(stranger, custom="kept")
    piece = decode_slice("interactions", 2, 7, [record(7, b"wrong", value, (("trace", b"t"),))], PARTITIONS)
    offset, healed = piece.misrouted[0]
    assert offset == 7
    assert (healed.key, healed.value) == (stranger.encode(), value)
    assert healed.headers == (("trace", b"t"), ("personalize-event-id", b"interactions/2/7"))


def test_a_catalogue_key_must_be_the_content_id() -> None:
    """Compaction works on keys: a record under another key, or none, is refused; a null value withdraws."""
    body = json.dumps({"contentId": "c", "contentType": "video", "title": "T"}).encode()
    records = [record(0, b"c", body), record(1, b"d", body), record(2, None, body), record(3, b"c", None)]
    piece = decode_slice("catalogue", 0, 0, records, PARTITIONS)
    assert [message is None for message in piece.messages] == [False, True]
    assert piece.keys == [b"c", b"c"]
    assert [letter.offset for letter in piece.dead] == [1, 2]


def test_an_unknown_command_is_a_dead_letter() -> None:
    """A command that no version knows is refused with its tag named as the field."""
    user = user_in(1)
    body = json.dumps({"command": "Explode", "userId": user, "commandId": "x", "issuedAt": 1}).encode()
    piece = decode_slice("learner-commands", 1, 0, [record(0, user.encode(), body)], PARTITIONS)
    assert len(piece.dead) == 1
    assert piece.dead[0].pointer == "/command"


def test_the_producer_is_read_from_the_headers() -> None:
    """The first header that may name a producer counts; hostile bytes do no harm."""
    assert producer_of([("ce_source", b"/lms"), ("producer", b"importer")]) == "importer"
    assert producer_of([("producer", b"\xff\x00x")]) == "\ufffdx"
    assert producer_of([]) == ""
