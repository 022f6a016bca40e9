"""`personalize watch` sees what waits, names what is wrong, and says it in a line, a screen, or JSON."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from rich.console import Console

from personalize.commands.watch import line, picture
from personalize.settings import Settings
from personalize.stack import Endpoints
from personalize.watching import GroupLag, Look, Watcher

if TYPE_CHECKING:
    from conftest import KafkaForTests

WELL = Look(at_seconds=1.0, kafka=True, postgres=True, processes={"api": True}, events_per_second=12.5)


def test_what_is_wrong_is_named() -> None:
    assert WELL.problems() == []
    lag = GroupLag("personalize-worker", "interactions", 5_000, 61.0, 3.0)
    bad = replace(WELL, kafka=False, processes={"worker": False}, lags=[lag], outbox_age_seconds=90.0)
    said = " / ".join(bad.problems())
    for expected in ("kafka does not answer", "worker does not answer", "61 s behind", "5,000 records", "outbox"):
        assert expected in said
    assert bad.document()["healthy"] is False


def test_a_line_and_a_screen() -> None:
    lag = GroupLag("personalize-worker", "interactions", 7, 0.4, 3.0)
    look = replace(WELL, lags=[lag])
    assert line(look).startswith("12.5 events/s  lag 7 ")
    output = io.StringIO()
    Console(file=output, width=100, no_color=True, force_terminal=False).print(picture(look))
    assert "interactions" in output.getvalue()
    assert "all is well" in output.getvalue()
    assert "\x1b" not in output.getvalue()


def test_two_looks_make_rates(stack: Endpoints, kafka: KafkaForTests, module_database_url: str, tmp_path: Path) -> None:
    kafka.create_topics({"interactions": 8})
    servers = replace(stack, database_url=module_database_url)
    with psycopg.connect(module_database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO stream_offset (projection, topic, part) VALUES ('worker', 'interactions', 0)")

        async def look_twice() -> tuple[Look, Look]:
            watcher = Watcher(replace(Settings(), home=tmp_path), servers)
            first = await watcher.look()
            while not first.kafka:  # a broker that has never seen a group makes their topic first
                first = await watcher.look()
            connection.execute("UPDATE stream_offset SET next_offset = next_offset + 50")
            second = await watcher.look()
            await watcher.close()
            return first, second

        first, second = asyncio.run(asyncio.wait_for(look_twice(), 60))
    assert first.kafka
    assert first.postgres
    assert second.events_per_second is not None
    assert second.events_per_second > 0
    assert [lag.topic for lag in second.lags if lag.group == "personalize-worker"] == ["interactions"]


def test_what_is_away_is_said_not_raised(tmp_path: Path) -> None:
    nowhere = Endpoints(kafka="127.0.0.1:1", database_url="postgresql://x:y@127.0.0.1:1/z", redis_host="", redis_port=1)

    async def look() -> Look:
        watcher = Watcher(replace(Settings(), home=tmp_path), nowhere)
        try:
            return await watcher.look()
        finally:
            await watcher.close()

    assert asyncio.run(look()).problems()[:2] == ["kafka does not answer", "postgres does not answer"]
