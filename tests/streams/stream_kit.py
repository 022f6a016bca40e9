"""Records for the topics, and what is on a topic."""

from __future__ import annotations

import asyncio
import json
from typing import Any


def interaction(user: str, n: int, **more: Any) -> tuple[str, bytes, bytes]:
    """A record of the topic `interactions`, published by its key."""
    made = {"userId": user, "interactionType": "VIEW", "contentType": "article", "contentId": f"a-{n % 7}"}
    return "interactions", user.encode(), json.dumps({**made, "eventId": f"{user}-{n}", **more}).encode()


def records_of(bootstrap: str, topic: str, count: int) -> list[Any]:
    """The first records of a topic."""

    async def run() -> list[Any]:
        from aiokafka import AIOKafkaConsumer

        consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            return [await asyncio.wait_for(consumer.getone(), 20) for _ in range(count)]
        finally:
            await consumer.stop()

    return asyncio.run(run())
