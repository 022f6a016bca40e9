"""The schema files, their examples and the field tables say what the decoders do."""

import copy
import json
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from schemas.decode import JsonDecoder, decode_interaction
from schemas.documents import DOCUMENTS
from schemas.field_tables import filled, structs
from schemas.interactions import Interaction
from schemas.invalid import Invalid, Reason
from schemas.jsonschema import FOLDER, PAGE, drifted, main, schema_of

WRITTEN = [document for document in DOCUMENTS if document.travels != "answer"]
VALIDATORS = {document.name: Draft202012Validator(schema_of(document)) for document in DOCUMENTS}
DECODERS = {document.name: JsonDecoder(document.type) for document in DOCUMENTS} | {
    "interaction": type("", (), {"decode": staticmethod(decode_interaction)})
}


def name_of(document):
    """Return a document's name, for test ids."""
    return document.name


def test_files_do_not_drift():
    """Schema files and field tables are what the code makes now; otherwise run `python -m schemas.jsonschema`."""
    assert drifted() == []
    assert main(["--check"]) == 0


def test_drift_is_found(monkeypatch, tmp_path, capsys):
    """A changed, missing or left-over file is named and the check fails; writing repairs all three."""
    folder, page = tmp_path / "schemas" / "json", tmp_path / "events.md"
    folder.mkdir(parents=True)
    page.write_text(PAGE.read_text("utf-8"), "utf-8")
    for name, value in {"ROOT": tmp_path, "FOLDER": folder, "PAGE": page}.items():
        monkeypatch.setattr(f"schemas.jsonschema.{name}", value)
    assert main([]) == 0
    (folder / "interaction.schema.json").write_text("{}", "utf-8")
    (folder / "problem.schema.json").unlink()
    (folder / "nobody.schema.json").write_text("{}", "utf-8")
    page.write_text(page.read_text("utf-8").replace("| `userId` |", "| `learner` |"), "utf-8")
    assert main(["--check"]) == 1
    named = capsys.readouterr().err
    assert all(name in named for name in ("interaction", "problem", "nobody", "events.md"))
    assert main([]) == 0
    assert main(["--check"]) == 0


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_examples(document):
    """Every documented example decodes, validates, and survives the round trip."""
    stored = json.loads((FOLDER / f"{document.name}.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(stored)
    assert stored["examples"]
    for example in stored["examples"]:
        Draft202012Validator(stored).validate(example)
        message = DECODERS[document.name].decode(json.dumps(example).encode())
        assert not isinstance(message, Invalid), message
        assert DECODERS[document.name].decode(msgspec.json.encode(message)) == message


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_field_examples(document):
    """Every example of a single field validates against that field."""
    schema = schema_of(document)
    fields = [
        (name, field)
        for part in schema["$defs"].values()
        for name, field in part.get("properties", {}).items()
        if "examples" in field
    ]
    for _, field in fields:
        validator = Draft202012Validator({**field, "$defs": schema["$defs"]})
        for example in field["examples"]:
            validator.validate(example)
    assert fields or document.name == "notification"


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_field_is_described(document):
    """Every field of every message has a description, so that a schema file explains itself."""
    for name, part in schema_of(document)["$defs"].items():
        tag = {"command", "kind", "type"} if name != "Recommendation" else set()
        for field, holds in part.get("properties", {}).items():
            assert holds.get("description") or field in tag, f"{name}.{field}"


def test_no_text_holds_nul():
    """Every string that a producer may send is closed to U+0000, which the decoder refuses."""
    closed = {"pattern", "enum", "format", "const"}
    for document in WRITTEN:
        for part in schema_of(document)["$defs"].values():
            for field, holds in part.get("properties", {}).items():
                for branch in holds.get("anyOf", [holds]):
                    assert branch.get("type") != "string" or closed & branch.keys(), f"{document.name}: {field}"


def test_numbers_have_ranges():
    """Every number that a producer may send is bounded, so that no fold has to think about absurd ones."""
    for document in WRITTEN:
        for part in schema_of(document)["$defs"].values():
            for field, holds in part.get("properties", {}).items():
                for branch in holds.get("anyOf", [holds]):
                    if branch.get("type") in {"number", "integer"} and document.name != "notification":
                        assert "minimum" in branch or "exclusiveMinimum" in branch, field
                        assert "maximum" in branch, field


def test_page_names_every_reason():
    """The events page explains every reason code."""
    page = PAGE.read_text("utf-8")
    assert [reason for reason in Reason if f"| `{reason}` |" not in page] == []


def test_page_has_every_published_message():
    """The events page has the table of every Struct that travels on a topic by itself."""
    page = PAGE.read_text("utf-8")
    for document in DOCUMENTS:
        if document.travels == "topic" and document.name != "notification":
            outermost = next(structs(document.type)).cls.__name__
            assert f"<!-- fields: {outermost} -->\n|" in page


def test_page_slot_for_nobody():
    """A slot that names no Struct is an error and not an empty table."""
    with pytest.raises(KeyError):
        filled("<!-- fields: Nobody -->\n<!-- end -->", {"Interaction": ""})


# What the decoder refuses although the schema accepts it: documented in schemas/decode.py and in each file's $comment.
BEYOND_THE_SCHEMA = {
    Reason.NOT_JSON,  # half a surrogate pair; RFC 8259 calls it unpredictable
    Reason.NOT_A_TIME,  # 30 February
    Reason.TIME_BEFORE_1990,
    Reason.UNKNOWN_TIMEZONE,
    Reason.TOO_LARGE,
}
BEYOND_AT = {
    (Reason.OUT_OF_RANGE, "/feedback"),  # more than 16384 bytes in fewer characters
    (Reason.OUT_OF_RANGE, "/description"),
    (Reason.TOO_DEEP, "/context"),
    (Reason.UNSTORABLE_TEXT, "/context"),
}

LENGTHS = st.sampled_from([0, 1, 35, 36, 64, 65, 128, 129, 512, 513, 16_384, 16_385])
TEXTS = (
    st.text(max_size=5)
    | LENGTHS.map(lambda length: "x" * length)
    | LENGTHS.map(lambda length: "é" * length)
    | st.sampled_from(
        ["VIEW", "clicked", "BEGINNER", "en", "pt-BR", "en\n", "Europe/Lisbon", "hide", "ProfileSet", "\0"]
    )
    | st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)
    | st.datetimes().map(lambda time: time.isoformat() + "Z\n")
    | st.sampled_from(
        [
            "2024-02-30T00:00:00Z",
            "2024-05-01 00:00:00z",
            "2024-05-01T24:00:00Z",
            "2024-05-01T00:00:60Z",
            "2024-05-01T00:00:00",
            "2024-05-01T00:00:00+0530",
            "2024-05-01T00:00:00+24:00",
            "2024-05-01T00:00:00.Z",
            "2024-13-01T00:00:00Z",
            "٢024-05-01T00:00:00Z",
        ]
    )
)
NUMBERS = (
    st.sampled_from([-1, 0, 1, 2, 4, 5, 6, 120, 121, 1000, 1001, 86_400, 86_401, 100_000, 100_001, 315_360_001])
    | st.integers()
    | st.integers(631_151_999_999, 631_152_000_001)
    # 2.0 is an integer to JSON Schema and not to the decoder: documented, and tested by itself below.
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: number != int(number))
)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | TEXTS, inner, max_size=3),
    max_leaves=8,
) | st.integers(0, 70).map(lambda count: {str(n): n for n in range(count)})


@st.composite
def variations(draw, document):
    """A documented example with up to three members or entries replaced, removed or added at any depth."""
    message = copy.deepcopy(draw(st.sampled_from(document.examples)))
    for _ in range(draw(st.integers(0, 3))):
        place = message
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            deeper = [key for key in keys if isinstance(place[key], dict | list) and place[key]]
            if not deeper or draw(st.booleans()):
                break
            place = place[draw(st.sampled_from(deeper))]
        key = draw(st.sampled_from(keys)) if keys else None
        action = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
        if action == "replace" and keys:
            place[key] = draw(VALUES)
        elif action == "remove" and keys:
            del place[key]
        elif isinstance(place, dict):
            place[draw(st.text(max_size=3))] = draw(VALUES)
        else:
            place.append(draw(VALUES))
    return message


@pytest.mark.parametrize("document", WRITTEN, ids=name_of)
@settings(max_examples=400, deadline=None)
@given(st.data())
def test_schema_and_decoder_agree(document, data):
    """What the decoder accepts the schema accepts; the other way round too, but for the documented exceptions."""
    payload = data.draw(variations(document) | VALUES)
    accepted = VALIDATORS[document.name].is_valid(payload)
    outcome = DECODERS[document.name].decode(json.dumps(payload).encode())
    if not isinstance(outcome, Invalid):
        assert accepted
    elif accepted:
        assert outcome.reason_code in BEYOND_THE_SCHEMA or (outcome.reason_code, outcome.pointer) in BEYOND_AT


def test_whole_numbers_are_written_whole():
    """2.0 is an integer to JSON Schema; the decoder wants 2 (a documented exception)."""
    payload = {**DOCUMENTS[0].examples[0], "clicksCount": 2.0}
    assert VALIDATORS["interaction"].is_valid(payload)
    assert decode_interaction(json.dumps(payload).encode()).pointer == "/clicksCount"


def test_structs_finds_nested_ones():
    """The Structs of a message are found through lists, unions and optional fields, each once."""
    commands = next(document for document in DOCUMENTS if document.name == "learner-command")
    names = [node.cls.__name__ for node in structs(commands.type)]
    assert {"ProfileSet", "OverrideSet", "NeverShowTopic", "PathModule", "EraseRequested"} <= set(names)
    assert len(names) == len(set(names))
    assert [node.cls for node in structs(Interaction)] == [Interaction]
