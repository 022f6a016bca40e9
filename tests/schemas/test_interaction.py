"""An interaction is what its producer said: round trips, versions, defaults, unknown fields, times, codes."""

import json
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.decode import decode_interaction, time_zone_names
from schemas.event_time import EARLIEST, epoch_ms
from schemas.fields import MAX_RECORD_BYTES
from schemas.interactions import TYPE_OF_CODE, Interaction, InteractionType, event_time_ms
from schemas.invalid import Invalid, Reason

SMALLEST = {"userId": "u-17", "interactionType": "VIEW", "contentType": "article", "contentId": "algebra-1"}

TEXT = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
IDS = st.text(TEXT, min_size=1, max_size=128)
SHARES = st.floats(0, 1)
ZONES = st.builds(timezone, st.integers(-23 * 60, 23 * 60).map(lambda minutes: timedelta(minutes=minutes)))
TIMES = st.datetimes(datetime(1990, 1, 2), datetime(9998, 1, 1), timezones=st.just(UTC) | ZONES) | st.integers(
    631_152_000_000, 253_402_300_799_999
)
INTERACTIONS = st.builds(
    Interaction,
    user_id=IDS,
    interaction_type=st.sampled_from(InteractionType),
    content_type=st.text(TEXT, min_size=1, max_size=64),
    content_id=IDS,
    time_spent=st.none() | st.floats(0, 86_400),
    completion_rate=st.none() | SHARES,
    rating=st.none() | st.floats(1, 5),
    feedback=st.none() | st.text(TEXT, max_size=300),
    clicks_count=st.none() | st.integers(0, 100_000),
    scroll_depth=st.none() | SHARES,
    event_id=st.none() | IDS,
    occurred_at=st.none() | TIMES,
    session_id=st.none() | IDS,
    score=st.none() | SHARES,
    success=st.none() | st.booleans(),
    recommendation_id=st.none() | IDS,
    path_id=st.none() | IDS,
    module_id=st.none() | IDS,
    context=st.none() | st.dictionaries(st.text(TEXT), st.integers() | st.text(TEXT) | st.booleans(), max_size=5),
    timezone=st.none() | st.sampled_from(sorted(time_zone_names())),
)


def sent(**changes):
    """Return the smallest interaction with changes, as bytes on the wire."""
    return json.dumps({**SMALLEST, **changes}).encode()


@settings(max_examples=300, deadline=None)
@given(INTERACTIONS)
def test_round_trip(interaction):
    """What is encoded decodes to the same interaction."""
    assert decode_interaction(msgspec.json.encode(interaction)) == interaction


@settings(max_examples=200, deadline=None)
@given(INTERACTIONS)
def test_escaped_json_reads_the_same(interaction):
    """A producer that escapes every non-ASCII character says the same."""
    escaped = json.dumps(json.loads(msgspec.json.encode(interaction)), ensure_ascii=True).encode()
    assert decode_interaction(escaped) == interaction


def test_absent_fields_are_none():
    """Only four fields are required; all others are None when absent, and the version is 1."""
    interaction = decode_interaction(sent())
    fields = msgspec.structs.asdict(interaction)
    assert {name for name, value in fields.items() if value is not None} == {
        "user_id",
        "interaction_type",
        "content_type",
        "content_id",
        "schema_version",
    }


def test_null_is_absent():
    """An explicit null for an optional field is the same as leaving it out."""
    assert decode_interaction(sent(rating=None, occurredAt=None, context=None)) == decode_interaction(sent())


def test_encoding_leaves_absent_fields_out():
    """An encoded interaction has no nulls, so that records stay small."""
    assert json.loads(msgspec.json.encode(decode_interaction(sent()))) == SMALLEST


def test_unknown_fields_are_ignored():
    """A newer producer's extra fields change nothing."""
    assert decode_interaction(sent(mood="curious", nested={"deep": [1, {"er": None}]})) == decode_interaction(sent())


def test_last_duplicate_member_counts():
    """Where a member stands twice, the last one counts."""
    twice = b'{"userId":"first",' + sent(userId="last")[1:]
    assert decode_interaction(twice).user_id == "last"


def test_version_one_may_be_named():
    """Version 1 written out is the same as version 1 left out."""
    assert decode_interaction(sent(schemaVersion=1)) == decode_interaction(sent())


@pytest.mark.parametrize("version", [0, 2, 99])
def test_unknown_version_is_refused(version):
    """A version that the reader does not know is refused as such."""
    refused = decode_interaction(sent(schemaVersion=version))
    assert (refused.reason_code, refused.pointer) == (Reason.UNKNOWN_VERSION, "/schemaVersion")


def test_unknown_version_wins_over_other_faults():
    """A newer message whose other fields look wrong is refused for its version, which is the real reason."""
    refused = decode_interaction(b'{"schemaVersion":2,"interactionType":"TELEPORT","rating":11}')
    assert refused.reason_code is Reason.UNKNOWN_VERSION


def test_codes_are_for_good():
    """The int8 codes of tables and snapshots are these, in this order."""
    names = "VIEW START PROGRESS COMPLETE CLICK LIKE DISLIKE BOOKMARK SHARE RATE ATTEMPT SKIP"
    assert " ".join(kind.value for kind in TYPE_OF_CODE) == names
    assert [kind.code for kind in TYPE_OF_CODE] == list(range(12))


@pytest.mark.parametrize(
    ("written", "epoch"),
    [
        ("2024-05-01T12:34:56.789Z", 1_714_566_896_789),
        ("2024-05-01T14:34:56.789+02:00", 1_714_566_896_789),
        ("2024-05-01T07:04:56.789-05:30", 1_714_566_896_789),
        ("2024-05-01t12:34:56.789z", 1_714_566_896_789),
        ("2024-05-01 12:34:56.789Z", 1_714_566_896_789),
        ("2024-05-01T12:34:56.7899999Z", 1_714_566_896_790),
        (1_714_566_896_789, 1_714_566_896_789),
        ("1990-01-01T00:00:00Z", 631_152_000_000),
        ("2524-05-01T12:34:56.001Z", 17_493_021_296_001),
    ],
)
def test_event_time(written, epoch):
    """Both spellings of a time give its milliseconds since 1970."""
    assert event_time_ms(decode_interaction(sent(occurredAt=written))) == epoch


def test_event_time_absent():
    """Without occurredAt the record's own time decides, so there is no event time here."""
    assert event_time_ms(decode_interaction(sent())) is None


@settings(max_examples=300, deadline=None)
@given(st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 30), timezones=st.just(UTC) | ZONES))
def test_epoch_ms_is_exact(time):
    """Milliseconds are exact in every year, cut off and not rounded."""
    assert epoch_ms(time) == (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def test_1990_is_the_first_instant():
    """The first instant of 1990 is accepted whatever its offset, the one before is not."""
    assert isinstance(decode_interaction(sent(occurredAt="1990-01-01T05:00:00+05:00")), Interaction)
    early = decode_interaction(sent(occurredAt="1990-01-01T00:00:00+05:00"))
    assert early.reason_code is Reason.TIME_BEFORE_1990
    assert EARLIEST.year == 1990


def test_largest_record():
    """A record of exactly 256 KB is read, one byte more is refused."""
    record = sent()
    padded = record + b" " * (MAX_RECORD_BYTES - len(record))
    assert isinstance(decode_interaction(padded), Interaction)
    assert isinstance(decode_interaction(padded + b" "), Invalid)
