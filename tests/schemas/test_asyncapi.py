"""The AsyncAPI document is valid, names every topic, and its examples are right."""

from __future__ import annotations

import copy
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from schemas.asyncapi import document
from schemas.topics import TOPICS

#: The schema of AsyncAPI 3.0.0 as its authors publish it (@asyncapi/specs 6.11.1, Apache-2.0), compressed.
SPECIFICATION = Path(__file__).parent / "asyncapi-3.0.0.schema.json.gz"


@pytest.fixture(scope="module")
def specification() -> Draft7Validator:
    return Draft7Validator(json.loads(gzip.decompress(SPECIFICATION.read_bytes())))


def test_it_is_asyncapi_3_0(specification):
    """The document follows the specification, and a broken one would be seen."""
    made = document()
    assert [error.message for error in specification.iter_errors(made)] == []
    broken = copy.deepcopy(made)
    broken["operations"]["receive-interactions"]["action"] = "read"
    assert list(specification.iter_errors(broken))


def test_it_names_every_topic_as_it_is_declared():
    """Channels carry the topics' partitions and settings, and every message its key."""
    made = document()
    assert list(made["channels"]) == [topic.name for topic in TOPICS]
    for topic in TOPICS:
        binding = made["channels"][topic.name]["bindings"]["kafka"]
        assert binding["partitions"] == topic.partitions
        assert binding["topicConfiguration"].get("retention.ms") == topic.retention_ms
    for message in made["components"]["messages"].values():
        assert message["bindings"]["kafka"]["key"]["type"] == "string"


def test_references_resolve():
    """Every `$ref` points at something."""
    made = document()

    def walk(value: Any) -> int:
        if isinstance(value, list):
            return sum(map(walk, value))
        if not isinstance(value, dict):
            return 0
        found = 0
        if isinstance(value.get("$ref"), str):
            target: Any = made
            for step in value["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            found = 1
        return found + sum(map(walk, value.values()))

    assert walk(made) > 30


def test_examples_hold_to_their_payloads():
    """Each message with a schema has examples, and they are right."""
    made = document()
    checked = 0
    for message in made["components"]["messages"].values():
        schema = {**message["payload"], "components": made["components"]}
        for example in message.get("examples", ()):
            Draft202012Validator(schema).validate(example["payload"])
            checked += 1
    assert checked >= 15
