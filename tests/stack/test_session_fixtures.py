"""The fixtures give what they promise: three real servers, each test on its own ground."""

import asyncio

import psycopg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer


def test_database_is_migrated_and_empty(database_url):
    """A fresh database stands at the newest revision and holds no learner."""
    from projections.migrate import current, head

    assert current(database_url) == head()
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM learners").fetchone() == (0,)
        assert connection.execute("SHOW synchronous_commit").fetchone() == ("on",)


def test_a_record_comes_back_from_a_created_topic(kafka):
    """A topic made by the helper has the wanted partitions, and gives back what was sent."""
    topic = kafka.create_topic(partitions=3)

    async def there_and_back():
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap)
        await producer.start()
        try:
            await producer.send_and_wait(topic, b"value", key=b"key")
            partitions = await producer.partitions_for(topic)
        finally:
            await producer.stop()
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka.bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            record = await asyncio.wait_for(consumer.getone(), 20)
        finally:
            await consumer.stop()
        return len(partitions), record.key, record.value

    assert asyncio.run(there_and_back()) == (3, b"key", b"value")


def test_redis_starts_empty(redis_client):
    """Each test gets an empty Redis database that takes writes."""
    assert redis_client.dbsize() == 0
    redis_client.set("key", "value")
    assert redis_client.get("key") == b"value"
