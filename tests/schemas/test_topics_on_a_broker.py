"""A real broker takes the declared topics, and its clients put keys where the partitioner says."""

import asyncio
import uuid

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.partitioning import partitions_of
from schemas.topics import DEAD_LETTERS, INTERACTIONS, TOPICS


async def check(bootstrap, suffix):
    """Create every topic under another name, read its settings back, and produce to two of them."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics(
            [NewTopic(topic.name + suffix, topic.partitions, 1, topic_configs=topic.config()) for topic in TOPICS]
        )
        asked = [ConfigResource(ConfigResourceType.TOPIC, topic.name + suffix) for topic in TOPICS]
        answers = await admin.describe_configs(asked)
        settings = {
            resource[3]: {entry[0]: entry[1] for entry in resource[4]}
            for answer in answers
            for resource in answer.resources
        }
        for topic in TOPICS:
            kept = settings[topic.name + suffix]
            assert topic.config().items() <= kept.items()
    finally:
        await admin.close()
    keys = [f"learner-{n}".encode() for n in range(300)]
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=4_000_000) as producer:
        sent = [await producer.send(INTERACTIONS.name + suffix, b"{}", key=key) for key in keys]
        landed = [(await record).partition for record in sent]
        # The largest record that `interactions` takes still fits as a dead letter with its headers.
        await producer.send_and_wait(INTERACTIONS.name + suffix, b"x" * 1_048_000)
        headers = [("__connect.errors.exception.message", b"y" * 10_000)]
        await producer.send_and_wait(DEAD_LETTERS.name + suffix, b"x" * 1_048_000, headers=headers)
    assert landed == partitions_of(keys, INTERACTIONS.partitions).tolist()
    assert set(landed) == set(range(INTERACTIONS.partitions))


def test_a_broker_takes_the_topics(stack):
    """Settings are kept as declared, keys land as computed, a dead letter fits where its original did."""
    asyncio.run(check(stack.kafka, "-" + uuid.uuid4().hex[:8]))
