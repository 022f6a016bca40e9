"""Which messages travel over Kafka, on which topics, under which keys? The AsyncAPI 3.0 document of the engine.

Made from the declared topics and the documented messages. Operations are the engine's: it receives what others publish
and sends what it announces. Schemas are msgspec's, with references moved to the document's components.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

import msgspec

from schemas.documents import DOCUMENTS, Document
from schemas.notifications import CONTENT_TYPE, AchievementUnlocked, MilestoneReached, RecommendationsUpdated
from schemas.topics import (
    ACHIEVEMENTS,
    CATALOGUE,
    DEAD_LETTERS,
    IMPRESSIONS,
    INTERACTIONS,
    LEARNER_COMMANDS,
    MILESTONES,
    RECOMMENDATION_UPDATES,
    TOPICS,
    Topic,
)

ASYNCAPI = "3.0.0"
BINDING = "0.5.0"
JSON = "application/json"
_KEYS = {
    "userId": "The learner's userId in UTF-8. It decides the partition: Java's murmur2 partitioner.",
    "contentId": "The contentId in UTF-8.",
    "as received": "The key that the record had, if any.",
}
_REQUEST_HEADERS: dict[str, Any] = {
    "type": "object",
    "description": "Present on records that came over HTTP.",
    "properties": {
        "request-id": {"type": "string", "description": "Id of the HTTP request."},
        "producer": {"type": "string", "description": "`api`."},
        "traceparent": {"type": "string", "description": "W3C trace context of the request, if it had one."},
    },
}
_ERROR_HEADERS: dict[str, Any] = {
    "type": "object",
    "description": "The record's own headers, and why it was refused, under the names that Kafka Connect uses.",
    "properties": {
        f"__connect.errors.{name}": {"type": "string", "description": text}
        for name, text in {
            "topic": "Where it stood.",
            "partition": "In which partition.",
            "offset": "At which offset.",
            "stage": "`VALUE_CONVERTER`.",
            "class.name": "Who refused it.",
            "exception.class.name": "Why, in a stable word.",
            "exception.message": "JSON Pointer to the field, and the fix.",
        }.items()
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A topic, who uses it how, and what may stand on it (message name to type; None: no value, `bytes`: any)."""

    topic: Topic
    action: Literal["receive", "send"]
    summary: str
    messages: dict[str, Any]
    content_type: str = JSON
    headers: dict[str, Any] | None = None


CHANNELS: tuple[Channel, ...] = (
    Channel(
        topic=INTERACTIONS,
        action="receive",
        summary="Folds what learners did, each interaction once.",
        messages={"interaction": "interaction"},
        headers=_REQUEST_HEADERS,
    ),
    Channel(
        topic=LEARNER_COMMANDS,
        action="receive",
        summary="Carries out what was asked for, each command once.",
        messages={"learnerCommand": "learner-command"},
        headers=_REQUEST_HEADERS,
    ),
    Channel(
        topic=IMPRESSIONS,
        action="receive",
        summary="Notes which lists were shown.",
        messages={"impressionServed": "impression-served"},
    ),
    Channel(
        topic=CATALOGUE,
        action="receive",
        summary="Takes over the content there is.",
        messages={"contentSet": "content-set", "contentWithdrawn": None},
        headers=_REQUEST_HEADERS,
    ),
    Channel(
        topic=ACHIEVEMENTS,
        action="send",
        summary="Announces unlocked achievements, at least once, with stable ids.",
        messages={"achievementUnlocked": AchievementUnlocked},
        content_type=CONTENT_TYPE,
    ),
    Channel(
        topic=MILESTONES,
        action="send",
        summary="Announces milestones, at least once, with stable ids.",
        messages={"milestoneReached": MilestoneReached},
        content_type=CONTENT_TYPE,
    ),
    Channel(
        topic=RECOMMENDATION_UPDATES,
        action="send",
        summary="Announces whose recommendations changed.",
        messages={"recommendationsUpdated": RecommendationsUpdated},
        content_type=CONTENT_TYPE,
    ),
    Channel(
        topic=DEAD_LETTERS,
        action="send",
        summary="Passes on what could not be used, bytes as they came.",
        messages={"deadLetter": bytes},
        content_type="application/octet-stream",
        headers=_ERROR_HEADERS,
    ),
)


def document() -> dict[str, Any]:
    """Return the AsyncAPI document."""
    assert {channel.topic.name for channel in CHANNELS} == {topic.name for topic in TOPICS}
    schemas: dict[str, Any] = {}
    messages = {
        name: _message(name, kind, channel, schemas) for channel in CHANNELS for name, kind in channel.messages.items()
    }
    return {
        "asyncapi": ASYNCAPI,
        "info": {
            "title": "Personalization engine",
            "version": version("personalize"),
            "description": "What the engine reads from Kafka and what it announces there.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": JSON,
        "servers": {"local": {"host": "127.0.0.1:9092", "protocol": "kafka", "description": "The local stack."}},
        "channels": {channel.topic.name: _channel(channel) for channel in CHANNELS},
        "operations": {f"{channel.action}-{channel.topic.name}": _operation(channel) for channel in CHANNELS},
        "components": {"messages": messages, "schemas": dict(sorted(schemas.items()))},
    }


def text() -> str:
    """Return the document as its file holds it."""
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def _channel(channel: Channel) -> dict[str, Any]:
    topic = channel.topic
    configuration: dict[str, Any] = {
        "cleanup.policy": [topic.cleanup_policy],
        "max.message.bytes": topic.max_message_bytes,
    }
    if topic.retention_ms is not None:
        configuration["retention.ms"] = topic.retention_ms
    return {
        "address": topic.name,
        "description": f"{topic.holds[0].upper()}{topic.holds[1:]}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in channel.messages},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": configuration,
                "bindingVersion": BINDING,
            }
        },
    }


def _operation(channel: Channel) -> dict[str, Any]:
    name = channel.topic.name
    return {
        "action": channel.action,
        "channel": {"$ref": f"#/channels/{name}"},
        "summary": channel.summary,
        "messages": [{"$ref": f"#/channels/{name}/messages/{message}"} for message in channel.messages],
    }


def _message(name: str, kind: Any, channel: Channel, schemas: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "name": name,
        "contentType": channel.content_type,
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": _KEYS[channel.topic.key]},
                "bindingVersion": BINDING,
            }
        },
    }
    if channel.headers is not None:
        said["headers"] = channel.headers
    if kind is None:
        return {**said, "summary": "No value: the content is withdrawn.", "payload": {"type": "null"}}
    if kind is bytes:
        return {**said, "summary": "The bytes of the refused record.", "payload": {}}
    documented = kind if not isinstance(kind, str) else next(d for d in DOCUMENTS if d.name == kind)
    return {**said, **_documented(documented, schemas)}


def _documented(kind: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    if isinstance(kind, Document):
        of, examples = kind.type, kind.examples
    else:
        tag = kind.__struct_config__.tag
        of = kind
        examples = [e for d in DOCUMENTS if d.name == "notification" for e in d.examples if e["type"] == tag]
    (schema,), components = msgspec.json.schema_components([of], ref_template="#/components/schemas/{name}")
    schemas.update({each: _draft_07(made) for each, made in components.items()})
    return {"payload": _draft_07(schema), "examples": [{"payload": example} for example in examples]}


def _draft_07(schema: Any) -> Any:
    """Return a schema in AsyncAPI's dialect, whose `discriminator` is the member's name alone."""
    if isinstance(schema, list):
        return [_draft_07(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: value["propertyName"] if name == "discriminator" and isinstance(value, dict) else _draft_07(value)
        for name, value in schema.items()
    }
