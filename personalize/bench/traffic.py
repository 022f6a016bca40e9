"""Where does steady traffic come from while something else is measured?  OULAD's rows at a fixed rate, happening now.

Runs as a process of its own.  Every 5 ms what is due is packed into a batch a partition, as a producer with a linger of
5 ms does it; a small share are commands (profiles set anew), so that both learner-keyed topics carry traffic.  Prints
one JSON line with what it reached.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from personalize.demo import oulad
from personalize.demo.bulk_producer import BulkProducer
from personalize.demo.records import Encoder, user_id
from schemas.topics import INTERACTIONS, LEARNER_COMMANDS

_TICK_SECONDS: Final = 0.005
_BLOCK_ROWS: Final = 256


def interactions(table: oulad.Oulad) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of the table's rows, over and over with new event ids, each happening when it is taken."""
    encoder = Encoder(table)
    turn = 0
    # Another first turn a process, so that two runs on the same servers do not repeat each other's event ids.
    start = int(time.time())
    while True:
        for first in range(0, len(table.clicks), _BLOCK_ROWS):
            block = table.clicks.take(slice(first, first + _BLOCK_ROWS))
            now = np.full(len(block), int(time.time() * 1000))
            keys = [user_id(student).encode() for student in block.student.tolist()]
            yield from zip(keys, encoder.values(block, now, start + turn), strict=True)
        turn += 1


def commands(table: oulad.Oulad) -> Iterator[tuple[bytes, bytes]]:
    """Profiles of the same learners, set anew with changing interests."""
    students = np.unique(table.clicks.student).tolist()
    number = 0
    while True:
        for student in students:
            number += 1
            body = {
                "command": "ProfileSet",
                "commandId": f"traffic-{time.time_ns()}",
                "issuedAt": int(time.time() * 1000),
                "userId": user_id(student),
                "interests": ["discussion", f"number {number % 7}"],
            }
            yield user_id(student).encode(), json.dumps(body).encode()


async def send(
    bootstrap: str, table: oulad.Oulad, rate: float, seconds: float, command_share: float
) -> dict[str, float]:
    """Publishes until told to stop or the time is over; what was sent, and how late the latest tick was."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    feeds = {INTERACTIONS.name: interactions(table), LEARNER_COMMANDS.name: commands(table)}
    shares = {INTERACTIONS.name: 1 - command_share, LEARNER_COMMANDS.name: command_share}
    sent = dict.fromkeys(feeds, 0)
    behind = 0.0
    async with BulkProducer(bootstrap) as producer:
        begun = time.monotonic()
        tick = 0
        while not stop.is_set() and (elapsed := time.monotonic() - begun) < seconds:
            for topic, feed in feeds.items():
                due = int(elapsed * rate * shares[topic]) - sent[topic]
                if due > 0:
                    await producer.put(topic, [next(feed) for _ in range(due)])
                    sent[topic] += due
            tick += 1
            pause = begun + tick * _TICK_SECONDS - time.monotonic()
            behind = max(behind, -pause)
            if pause < 0:
                tick = int((time.monotonic() - begun) / _TICK_SECONDS)
            await asyncio.sleep(max(pause, 0))
        elapsed = time.monotonic() - begun
        await producer.drain()
    return {
        "events_per_second": sum(sent.values()) / elapsed,
        "seconds": elapsed,
        "latest_tick_ms": behind * 1000,
        **{f"{topic}_sent": count for topic, count in sent.items()},
    }


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--rate", type=float, required=True, help="records a second over both topics")
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--command-share", type=float, default=0.005)
    parser.add_argument("--data", type=Path, default=oulad.BUNDLED, help="a folder of OULAD")
    given = parser.parse_args()
    table = oulad.read(given.data)
    print(
        json.dumps(asyncio.run(send(given.bootstrap, table, given.rate, given.seconds, given.command_share))),
        flush=True,
    )


if __name__ == "__main__":
    main()
