"""How fast can Python take the records at all?  Fetch and decode, nothing else: the limit of any Python worker.

aiokafka hands over whole polls, msgspec makes an `Interaction` of each value.  Prints one JSON line after ``--count``
records and ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time

from aiokafka import AIOKafkaConsumer

from schemas.decode import decode_interaction

_POLL_RECORDS = 20_000


async def measure(bootstrap: str, topic: str, count: int) -> dict[str, float]:
    """Reads ``count`` records of the topic from its beginning; how many, and in how many seconds."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    await consumer.start()
    try:
        seen, begun = 0, time.perf_counter()
        while seen < count:
            polled = await consumer.getmany(timeout_ms=1000, max_records=_POLL_RECORDS)
            for records in polled.values():
                for record in records:
                    decode_interaction(record.value)
                seen += len(records)
        return {"events": seen, "seconds": time.perf_counter() - begun}
    finally:
        await consumer.stop()


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--count", type=int, required=True)
    arguments = parser.parse_args()
    print(json.dumps(asyncio.run(measure(arguments.bootstrap, arguments.topic, arguments.count))), flush=True)


if __name__ == "__main__":
    main()
