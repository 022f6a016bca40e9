"""How fast is a plain Faust agent that does nothing?  The reference that `bench ingest` is compared with.

An ordinary ``app.agent`` over raw bytes with an empty body, Faust's default settings, its compiled streams.  Prints one
JSON line after ``--count`` events and ends.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import Any

import faust


def main() -> None:
    """Reads the topic from its beginning."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--count", type=int, required=True)
    arguments = parser.parse_args()
    app = faust.App(
        f"plain-{os.getpid()}",
        broker=f"aiokafka://{arguments.bootstrap}",
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
    )
    topic = app.topic(arguments.topic, value_type=bytes, value_serializer="raw", key_serializer="raw")

    @app.agent(topic)
    async def _nothing(stream: Any) -> None:
        seen, begun = 0, 0.0
        async for _ in stream:
            if not seen:
                begun = time.perf_counter()
            seen += 1
            if seen == arguments.count:
                print(json.dumps({"events": seen, "seconds": time.perf_counter() - begun}), flush=True)
                os._exit(0)

    faust.Worker(app, loglevel="ERROR", redirect_stdouts=False).execute_from_commandline()


if __name__ == "__main__":
    main()
