"""A refused message says why, names the field, tells the fix, and never repeats what was sent."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.commands import ProfileRequest
from schemas.decode import (
    JsonDecoder,
    decode_command,
    decode_content,
    decode_impression,
    decode_interaction,
)
from schemas.examples.messages import COMMAND, CONTENT, IMPRESSION, INTERACTION
from schemas.impressions import ImpressionServed
from schemas.interactions import Interaction
from schemas.invalid import Invalid, Reason

FULL = json.dumps(INTERACTION[1]).encode()
SECRET = "xyzzy-8b1f"


def changed(**members):
    """Return a full interaction with members replaced."""
    return json.dumps({**INTERACTION[1], **members}).encode()


def without(name):
    """Return a full interaction without one member."""
    return json.dumps({key: value for key, value in INTERACTION[1].items() if key != name}).encode()


def raw(member, text):
    """Return a full interaction with one more member, its value written as it stands."""
    return FULL[:-1] + f', "{member}": {text}'.encode() + b"}"


NESTED = '{"a": ' * 9 + "1" + "}" * 9

BAD = [
    (None, Reason.NULL_VALUE, ""),
    (b"", Reason.NOT_JSON, ""),
    (b"   ", Reason.NOT_JSON, ""),
    (b"\x00\x01\x02", Reason.NOT_JSON, ""),
    (b"null", Reason.WRONG_TYPE, ""),
    (b"[]", Reason.WRONG_TYPE, ""),
    (b'"VIEW"', Reason.WRONG_TYPE, ""),
    (FULL[:-1], Reason.NOT_JSON, ""),
    (FULL + b"x", Reason.NOT_JSON, ""),
    (FULL + b"\n" + FULL, Reason.NOT_JSON, ""),
    (b"\xef\xbb\xbf" + FULL, Reason.NOT_JSON, ""),
    (FULL.decode().encode("utf-16"), Reason.NOT_JSON, ""),
    (FULL.replace(b"u-17", b"\xff\xfe"), Reason.NOT_UTF8, ""),
    (FULL[:-1] + b', "ignored": "\xff"}', Reason.NOT_UTF8, ""),
    (FULL[:-1] + b', "ignored": "\xed\xa0\x80"}', Reason.NOT_UTF8, ""),
    (raw("sessionId", r'"\ud800"'), Reason.NOT_JSON, ""),
    (raw("sessionId", r'"\udc00\ud800"'), Reason.NOT_JSON, ""),
    (raw("timeSpent", "NaN"), Reason.NOT_JSON, ""),
    (raw("timeSpent", "Infinity"), Reason.NOT_JSON, ""),
    (raw("context", '{"a": -Infinity}'), Reason.NOT_JSON, ""),
    (raw("timeSpent", "1e400"), Reason.OUT_OF_RANGE, "/timeSpent"),
    (raw("context", '{"a": 1e400}'), Reason.OUT_OF_RANGE, "/context"),
    (raw("context", "9" * 5000), Reason.OUT_OF_RANGE, "/context"),
    (raw("ignored", "[" * 100_000 + "]" * 100_000), Reason.TOO_DEEP, ""),
    (raw("context", '{"a": ' * 20_000 + "1" + "}" * 20_000), Reason.TOO_DEEP, ""),
    (raw("context", NESTED), Reason.TOO_DEEP, "/context"),
    (b'{"a": "' + b"x" * 262_144 + b'"}', Reason.TOO_LARGE, ""),
    (b" " * 1_000_000 + FULL, Reason.TOO_LARGE, ""),
    (without("userId"), Reason.MISSING_FIELD, "/userId"),
    (without("interactionType"), Reason.MISSING_FIELD, "/interactionType"),
    (without("contentType"), Reason.MISSING_FIELD, "/contentType"),
    (without("contentId"), Reason.MISSING_FIELD, "/contentId"),
    (changed(userId=None), Reason.WRONG_TYPE, "/userId"),
    (changed(userId=17), Reason.WRONG_TYPE, "/userId"),
    (changed(userId=""), Reason.OUT_OF_RANGE, "/userId"),
    (changed(userId=SECRET * 13), Reason.OUT_OF_RANGE, "/userId"),
    (changed(userId=SECRET + "\0"), Reason.UNSTORABLE_TEXT, "/userId"),
    (changed(interactionType=SECRET), Reason.UNKNOWN_TYPE, "/interactionType"),
    (changed(interactionType="view"), Reason.UNKNOWN_TYPE, "/interactionType"),
    (changed(interactionType=SECRET + " - at `$.rating`"), Reason.UNKNOWN_TYPE, "/interactionType"),
    (changed(interactionType=3), Reason.WRONG_TYPE, "/interactionType"),
    (changed(contentType=SECRET * 7), Reason.OUT_OF_RANGE, "/contentType"),
    (changed(contentId=""), Reason.OUT_OF_RANGE, "/contentId"),
    (changed(timeSpent=-1), Reason.OUT_OF_RANGE, "/timeSpent"),
    (changed(timeSpent=86_400.5), Reason.OUT_OF_RANGE, "/timeSpent"),
    (changed(timeSpent="312.5"), Reason.WRONG_TYPE, "/timeSpent"),
    (changed(timeSpent=True), Reason.WRONG_TYPE, "/timeSpent"),
    (changed(completionRate=1.01), Reason.OUT_OF_RANGE, "/completionRate"),
    (changed(completionRate=85), Reason.OUT_OF_RANGE, "/completionRate"),
    (changed(rating=0), Reason.OUT_OF_RANGE, "/rating"),
    (changed(rating=5.5), Reason.OUT_OF_RANGE, "/rating"),
    (changed(feedback=SECRET * 2000), Reason.OUT_OF_RANGE, "/feedback"),
    (changed(feedback="é" * 8193), Reason.OUT_OF_RANGE, "/feedback"),
    (changed(feedback=["no"]), Reason.WRONG_TYPE, "/feedback"),
    (changed(clicksCount=-1), Reason.OUT_OF_RANGE, "/clicksCount"),
    (changed(clicksCount=100_001), Reason.OUT_OF_RANGE, "/clicksCount"),
    (changed(clicksCount=10**30), Reason.OUT_OF_RANGE, "/clicksCount"),
    (changed(clicksCount=1.5), Reason.WRONG_TYPE, "/clicksCount"),
    (changed(clicksCount=2.0), Reason.WRONG_TYPE, "/clicksCount"),
    (changed(scrollDepth=-0.1), Reason.OUT_OF_RANGE, "/scrollDepth"),
    (changed(eventId=""), Reason.OUT_OF_RANGE, "/eventId"),
    (changed(eventId=SECRET * 13), Reason.OUT_OF_RANGE, "/eventId"),
    (changed(occurredAt=SECRET), Reason.NOT_A_TIME, "/occurredAt"),
    (changed(occurredAt="2024-05-01T12:34:56"), Reason.NOT_A_TIME, "/occurredAt"),
    (changed(occurredAt="2024-02-30T12:34:56Z"), Reason.NOT_A_TIME, "/occurredAt"),
    (changed(occurredAt="2024-05-01"), Reason.NOT_A_TIME, "/occurredAt"),
    (changed(occurredAt="1970-01-01T00:00:00Z"), Reason.TIME_BEFORE_1990, "/occurredAt"),
    (changed(occurredAt="1989-12-31T23:59:59.999Z"), Reason.TIME_BEFORE_1990, "/occurredAt"),
    (changed(occurredAt="0001-01-01T00:00:00+05:00"), Reason.TIME_BEFORE_1990, "/occurredAt"),
    (changed(occurredAt=0), Reason.TIME_BEFORE_1990, "/occurredAt"),
    (changed(occurredAt=-5), Reason.TIME_BEFORE_1990, "/occurredAt"),
    (changed(occurredAt=1_714_566_896), Reason.TIME_BEFORE_1990, "/occurredAt"),
    (changed(occurredAt=1_714_566_896_789_000), Reason.OUT_OF_RANGE, "/occurredAt"),
    (changed(occurredAt=1_714_566_896_789.5), Reason.WRONG_TYPE, "/occurredAt"),
    (changed(score=1.5), Reason.OUT_OF_RANGE, "/score"),
    (changed(success="yes"), Reason.WRONG_TYPE, "/success"),
    (changed(success=1), Reason.WRONG_TYPE, "/success"),
    (changed(sessionId=SECRET * 13), Reason.OUT_OF_RANGE, "/sessionId"),
    (changed(recommendationId=1), Reason.WRONG_TYPE, "/recommendationId"),
    (changed(pathId={}), Reason.WRONG_TYPE, "/pathId"),
    (changed(moduleId=[]), Reason.WRONG_TYPE, "/moduleId"),
    (changed(context=[]), Reason.WRONG_TYPE, "/context"),
    (changed(context={str(n): n for n in range(65)}), Reason.OUT_OF_RANGE, "/context"),
    (changed(context={"device": SECRET + "\0"}), Reason.UNSTORABLE_TEXT, "/context"),
    (changed(context={SECRET + "\0": 1}), Reason.UNSTORABLE_TEXT, "/context"),
    (changed(context={SECRET: ["\0"]}), Reason.UNSTORABLE_TEXT, "/context"),
    (changed(timezone=SECRET), Reason.UNKNOWN_TIMEZONE, "/timezone"),
    (changed(timezone="+02:00"), Reason.UNKNOWN_TIMEZONE, "/timezone"),
    (changed(timezone="localtime"), Reason.UNKNOWN_TIMEZONE, "/timezone"),
    (changed(timezone="europe/lisbon"), Reason.UNKNOWN_TIMEZONE, "/timezone"),
    (changed(schemaVersion=2), Reason.UNKNOWN_VERSION, "/schemaVersion"),
    (changed(schemaVersion="1"), Reason.WRONG_TYPE, "/schemaVersion"),
]


@pytest.mark.parametrize(("value", "reason", "pointer"), BAD)
def test_bad_interaction(value, reason, pointer):
    """Each bad record is refused for its own reason, at its own field, with a fix that does not quote it."""
    refused = decode_interaction(value)
    assert isinstance(refused, Invalid)
    assert (refused.reason_code, refused.pointer) == (reason, pointer)
    assert SECRET not in refused.detail + refused.pointer
    assert refused.detail.endswith(".")
    if pointer and reason is not Reason.UNSTORABLE_TEXT:
        assert f"`{pointer[1:]}`" in refused.detail


def test_every_field_is_covered():
    """The table of bad records has an entry for every field of an interaction."""
    fields = {f"/{field.encode_name}" for field in msgspec.structs.fields(Interaction)}
    assert fields <= {pointer for _, _, pointer in BAD}


@pytest.mark.parametrize(
    ("value", "fix"),
    [
        (changed(completionRate=85), "`completionRate` must be a number from 0 to 1."),
        (without("userId"), "`userId` is required: text of 1 to 128 characters."),
        (changed(clicksCount=-1), "`clicksCount` must be a whole number from 0 to 100000."),
        (changed(success=1), "`success` must be true or false."),
        (changed(context=[]), "`context` must be an object of at most 64 members."),
        (
            changed(occurredAt="yesterday"),
            "`occurredAt` must be an RFC 3339 time with a zone such as 2024-05-01T12:34:56Z"
            " or whole milliseconds since 1970 (not before 1990).",
        ),
        (b"{", "The record is not JSON, or ends too early. Send one JSON object in UTF-8 a record, with nothing after"),
        (b"{]", "The record is not JSON at byte 1."),
    ],
)
def test_detail_tells_the_fix(value, fix):
    """The detail says in plain words what to send instead."""
    assert decode_interaction(value).detail.startswith(fix)


def command(kind, **changes):
    """Return the first example of a command with changes (a None removes the member)."""
    example = next(example for example in COMMAND if example["command"] == kind)
    return json.dumps({name: value for name, value in {**example, **changes}.items() if value is not None}).encode()


@pytest.mark.parametrize(
    ("value", "reason", "pointer"),
    [
        (None, Reason.NULL_VALUE, ""),
        (b"{}", Reason.MISSING_FIELD, "/command"),
        (command("EraseRequested", command="Explode"), Reason.UNKNOWN_TYPE, "/command"),
        (command("EraseRequested", command=5), Reason.WRONG_TYPE, "/command"),
        (command("EraseRequested", commandId=None), Reason.MISSING_FIELD, "/commandId"),
        (command("EraseRequested", issuedAt=None), Reason.MISSING_FIELD, "/issuedAt"),
        (command("EraseRequested", issuedAt=12), Reason.TIME_BEFORE_1990, "/issuedAt"),
        (command("EraseRequested", issuedAt="1970-01-01T00:00:00Z"), Reason.TIME_BEFORE_1990, "/issuedAt"),
        (command("EraseRequested", userId="a\0"), Reason.UNSTORABLE_TEXT, "/userId"),
        (command("EraseRequested", schemaVersion=2), Reason.UNKNOWN_VERSION, "/schemaVersion"),
        (command("ProfileSet", age=4), Reason.OUT_OF_RANGE, "/age"),
        (command("ProfileSet", age=121), Reason.OUT_OF_RANGE, "/age"),
        (command("ProfileSet", learningStyle="PSYCHIC"), Reason.UNKNOWN_VALUE, "/learningStyle"),
        (command("ProfileSet", experienceLevel="GURU"), Reason.UNKNOWN_VALUE, "/experienceLevel"),
        (command("ProfileSet", preferredPace="WARP"), Reason.UNKNOWN_VALUE, "/preferredPace"),
        (command("ProfileSet", interests=["ok", ""]), Reason.OUT_OF_RANGE, "/interests/1"),
        (command("ProfileSet", interests=["x"] * 51), Reason.OUT_OF_RANGE, "/interests"),
        (command("ProfileSet", careerGoals="rich"), Reason.WRONG_TYPE, "/careerGoals"),
        (command("ProfileSet", learningObjectives=[1]), Reason.WRONG_TYPE, "/learningObjectives/0"),
        (command("ProfileSet", timezone="Mars/Olympus"), Reason.UNKNOWN_TIMEZONE, "/timezone"),
        (command("ProfileSet", language="english!"), Reason.BAD_FORMAT, "/language"),
        (command("ProfileSet", language="en\n"), Reason.BAD_FORMAT, "/language"),
        (command("FeedbackGiven", action="loved"), Reason.UNKNOWN_VALUE, "/action"),
        (command("FeedbackGiven", contentId=None), Reason.MISSING_FIELD, "/contentId"),
        (command("OverrideSet", override={"kind": "explode"}), Reason.UNKNOWN_TYPE, "/override/kind"),
        (command("OverrideSet", override={"kind": "hide"}), Reason.MISSING_FIELD, "/override/contentId"),
        (command("OverrideSet", override={"contentId": "a"}), Reason.MISSING_FIELD, "/override/kind"),
        (command("PathCreated", modules=[]), Reason.OUT_OF_RANGE, "/modules"),
        (command("PathCreated", modules=[{"id": "a"}]), Reason.MISSING_FIELD, "/modules/0/title"),
        (
            command("PathCreated", modules=[{"id": "a", "title": "A", "type": "video", "duration": -1}]),
            Reason.OUT_OF_RANGE,
            "/modules/0/duration",
        ),
        (command("PathProgressed", completionRate=2), Reason.OUT_OF_RANGE, "/completionRate"),
        (command("AchievementClaimed", achievementId=""), Reason.OUT_OF_RANGE, "/achievementId"),
        (command("ConsentSet", purposes={}), Reason.OUT_OF_RANGE, "/purposes"),
        (command("ConsentSet", purposes={"personalize": True}), Reason.UNKNOWN_VALUE, "/purposes"),
        (command("ConsentSet", purposes={"personalise": "yes"}), Reason.WRONG_TYPE, "/purposes"),
    ],
)
def test_bad_command(value, reason, pointer):
    """Each bad command is refused for its own reason, at its own field."""
    refused = decode_command(value)
    assert isinstance(refused, Invalid)
    assert (refused.reason_code, refused.pointer) == (reason, pointer)


@pytest.mark.parametrize(
    ("change", "reason", "pointer"),
    [
        ({"title": ""}, Reason.OUT_OF_RANGE, "/title"),
        ({"topics": [""]}, Reason.OUT_OF_RANGE, "/topics/0"),
        ({"topics": ["a\0"]}, Reason.UNSTORABLE_TEXT, "/topics/0"),
        ({"difficulty": "HARD"}, Reason.UNKNOWN_VALUE, "/difficulty"),
        ({"durationSeconds": -1}, Reason.OUT_OF_RANGE, "/durationSeconds"),
        ({"position": 1.5}, Reason.WRONG_TYPE, "/position"),
        ({"description": "é" * 8193}, Reason.OUT_OF_RANGE, "/description"),
    ],
)
def test_bad_content(change, reason, pointer):
    """Each bad catalogue entry is refused for its own reason, at its own field."""
    refused = decode_content(json.dumps({**CONTENT[1], **change}).encode())
    assert (refused.reason_code, refused.pointer) == (reason, pointer)


def test_bad_impression():
    """A refused impression points into its items."""
    bad = {**IMPRESSION[0], "items": [*IMPRESSION[0]["items"], {"contentId": "a", "rank": 0, "arm": "b"}]}
    refused = decode_impression(json.dumps(bad).encode())
    assert (refused.reason_code, refused.pointer) == (Reason.OUT_OF_RANGE, "/items/2/rank")
    assert isinstance(decode_impression(json.dumps(IMPRESSION[0]).encode()), ImpressionServed)


def test_request_bodies_use_the_same_rules():
    """A request body is refused as a record would be."""
    refused = JsonDecoder(ProfileRequest).decode(b'{"userId":"u","timezone":"Mars/Olympus"}')
    assert (refused.reason_code, refused.pointer) == (Reason.UNKNOWN_TIMEZONE, "/timezone")


def test_a_bug_is_not_a_refusal():
    """An exception that is not about the message is not swallowed: no record is dropped because of a bug of ours."""
    with pytest.raises(TypeError):
        decode_interaction(["not bytes"])


@st.composite
def damaged(draw, examples):
    """Bytes of a good message with a piece cut out, doubled or overwritten."""
    good = json.dumps(draw(st.sampled_from(examples)), ensure_ascii=draw(st.booleans())).encode()
    start = draw(st.integers(0, len(good)))
    end = draw(st.integers(start, min(len(good), start + 20)))
    return good[:start] + draw(st.binary(max_size=8) | st.just(good[start:end] * 2)) + good[end:]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("decode", "examples"),
    [
        (decode_interaction, INTERACTION),
        (decode_command, COMMAND),
        (decode_content, CONTENT),
        (decode_impression, IMPRESSION),
    ],
)
@settings(max_examples=400, deadline=None)
@given(st.data())
def test_any_bytes_have_an_outcome(decode, examples, data):
    """Whatever the bytes are, the outcome is a message or a refusal, never an exception."""
    value = data.draw(st.binary() | damaged(examples) | JSON.map(lambda value: json.dumps(value).encode()))
    outcome = decode(value)
    if isinstance(outcome, Invalid):
        assert outcome.detail
        assert outcome.reason_code in set(Reason)
    else:
        # What is accepted can be stored and sent on: strict UTF-8 without U+0000.
        assert "\\u0000" not in msgspec.json.encode(outcome).decode().replace("\\\\", "")


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(INTERACTION[1])), JSON)
def test_any_value_in_any_field_has_an_outcome(name, value):
    """Whatever stands in one field, a refusal points at that field or at the whole message."""
    outcome = decode_interaction(changed(**{name: value}))
    if isinstance(outcome, Invalid):
        assert outcome.pointer in {"", f"/{name}"}
