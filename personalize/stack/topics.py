"""Are the topics there, and are they kept as declared?  Missing ones are created; other differences are only reported.

A difference is not repaired here, because each repair has a price that a person must accept: more partitions move keys
to other workers, less retention deletes records.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from personalize.errors import StackError
from projections.stores.kafka import client_options

_VISIBLE_SECONDS: Final = 20.0
_PATIENCE_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 0.5
_TOPIC_RESOURCE: Final = 2
_REPLICAS: Final = 3  # as many as there are brokers, up to this
_ALREADY_EXISTS: Final = 36  # Kafka protocol guide, error codes


class Declared(Protocol):
    """What a declared topic says of itself; see `schemas.topics`."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def partitions(self) -> int:
        """How many partitions it has."""

    def config(self) -> dict[str, str]:
        """Its settings as Kafka's admin protocol takes them."""


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference between the declaration and the broker."""

    topic: str
    setting: str  # "partitions" or a name of Kafka's
    declared: str
    found: str

    @property
    def fix(self) -> str:
        """The command that would put it right, and its price."""
        if self.setting == "partitions":
            return (
                f"stop the workers; make a new topic with {self.declared} partitions and copy {self.topic} into it"
                " (adding partitions in place would move learners to other partitions)"
            )
        change = f"--add-config {self.setting}={self.declared}"
        return f"kafka-configs.sh --alter --entity-type topics --entity-name {self.topic} {change}"


@dataclass(frozen=True, slots=True)
class TopicReport:
    """What `ensure_topics` found and did."""

    created: tuple[str, ...]
    existing: tuple[str, ...]
    drift: tuple[Drift, ...]


async def ensure_topics(bootstrap: str, topics: Sequence[Declared]) -> TopicReport:
    """Creates the declared topics that are missing, waits until they can be used, and compares the others.

    Safe to run from several processes at once.

    Raises:
        StackError: the broker cannot be reached, or refuses a topic.
    """
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.errors import KafkaError

    admin = AIOKafkaAdminClient(**client_options(bootstrap))
    created: set[str] = set()
    deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    try:
        await admin.start()
        while True:
            try:
                return await _ensure(admin, topics, created)
            except KafkaError as error:
                # A broker under load, or one that is becoming the controller, answers a moment later.
                if not error.retriable or asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(_PAUSE_SECONDS)
    except KafkaError as error:
        raise StackError(
            f"Kafka at {bootstrap} cannot be used ({type(error).__name__}: {error}).",
            "personalize status; or check KAFKA_BOOTSTRAP_SERVERS.",
        ) from error
    finally:
        await admin.close()


async def _ensure(admin: Any, topics: Sequence[Declared], created: set[str]) -> TopicReport:
    """One attempt; `created` keeps what an earlier attempt made."""
    present = set(await admin.list_topics())
    await _create(admin, [topic for topic in topics if topic.name not in present], created)
    partitions = await _await_partitions(admin, [topic.name for topic in topics])
    existing = [topic for topic in topics if topic.name not in created]
    drift = _partition_drift(topics, partitions) + _setting_drift(existing, await _settings_of(admin, existing))
    return TopicReport(tuple(sorted(created)), tuple(topic.name for topic in existing), tuple(drift))


async def _create(admin: Any, topics: Sequence[Declared], created: set[str]) -> None:
    from aiokafka.admin import NewTopic
    from aiokafka.errors import for_code

    if not topics:
        return
    replicas = min(_REPLICAS, len((await admin.describe_cluster())["brokers"]))
    wanted = [NewTopic(topic.name, topic.partitions, replicas, topic_configs=topic.config()) for topic in topics]
    answer = await admin.create_topics(wanted)
    for name, code, message, *_ in answer.topic_errors:
        if code == 0:
            created.add(name)
        elif code != _ALREADY_EXISTS:  # another process was faster
            if for_code(code).retriable:
                raise for_code(code)(name)
            raise StackError(f"Kafka refuses topic {name}: error {code}, {message}.", "see schemas/topics.py")


async def _await_partitions(admin: Any, names: list[str]) -> dict[str, int]:
    """The number of partitions of each topic, once each partition has a leader."""
    deadline = asyncio.get_running_loop().time() + _VISIBLE_SECONDS
    while True:
        found = {}
        for topic in await admin.describe_topics(names):
            if topic["error_code"] == 0 and all(part["leader"] >= 0 for part in topic["partitions"]):
                found[topic["topic"]] = len(topic["partitions"])
        if len(found) == len(names):
            return found
        if asyncio.get_running_loop().time() > deadline:
            lost = ", ".join(sorted(set(names) - set(found)))
            raise StackError(
                f"These topics have no leader after {_VISIBLE_SECONDS:.0f} s: {lost}.", "check the brokers"
            )
        await asyncio.sleep(0.05)


async def _settings_of(admin: Any, topics: Sequence[Declared]) -> dict[str, dict[str, str]]:
    from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

    if not topics:
        return {}
    wanted = [ConfigResource(ConfigResourceType.TOPIC, topic.name, dict.fromkeys(topic.config())) for topic in topics]
    found: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs(wanted):
        for _code, _message, kind, name, entries in answer.resources:
            if kind == _TOPIC_RESOURCE:
                found[name] = {entry[0]: str(entry[1]) for entry in entries}
    return found


def _partition_drift(topics: Sequence[Declared], found: Mapping[str, int]) -> list[Drift]:
    return [
        Drift(topic.name, "partitions", str(topic.partitions), str(found[topic.name]))
        for topic in topics
        if found[topic.name] != topic.partitions
    ]


def _setting_drift(topics: Sequence[Declared], found: Mapping[str, Mapping[str, str]]) -> list[Drift]:
    return [
        Drift(topic.name, setting, declared, found[topic.name][setting])
        for topic in topics
        for setting, declared in topic.config().items()
        if found.get(topic.name, {}).get(setting, declared) != declared
    ]
