"""A fixed log and every table it must give: a change of meaning shows as a difference in a reviewed file.

`make golden` writes the expected rows anew; look at the difference before you commit it.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from projections.poll import TopicPartition
from projections.recorder import Recorder
from schemas.partitioning import partition_of
from streams.intake import decode_slice

HERE = Path(__file__).parent
LOG, EXPECTED = HERE / "log.jsonl", HERE / "log.expected.json"
RECORD_MS = 1_774_000_000_000
PARTITIONS = 8
# Moments of writing, and numbers that count transactions.
NOT_PINNED = {"created_at", "updated_at", "committed_at", "applied_seq", "version"}
NOT_TABLES = {"alembic_version", "achievement_rule", "event_seen"}


def apply_log(url: str) -> None:
    """Publishes nothing: decodes the file as partitions' slices and records them as one poll a topic."""
    places: dict[tuple[str, int], list[Any]] = {}
    for line in LOG.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        key = entry["key"].encode()
        records = places.setdefault((entry["topic"], partition_of(key, PARTITIONS)), [])
        value = json.dumps(entry["value"]).encode()
        records.append(
            SimpleNamespace(key=key, value=value, headers=(), offset=len(records), timestamp=RECORD_MS + len(records))
        )
    recorder = Recorder(url, "golden")
    try:
        recorder.claim({TopicPartition(*place): (0, len(records)) for place, records in places.items()})
        for topic in ("catalogue", "learner-commands", "interactions"):
            recorder.record(
                [
                    decode_slice(topic, part, 0, records, PARTITIONS)
                    for (name, part), records in sorted(places.items())
                    if name == topic
                ]
            )
    finally:
        recorder.reset()


def rows_of(url: str) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, in a form that JSON can hold."""
    found: dict[str, list[dict[str, Any]]] = {}
    with psycopg.connect(url) as connection:
        names = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
            " AND relnamespace = 'public'::regnamespace ORDER BY relname"
        ).fetchall()
        for (name,) in names:
            if name in NOT_TABLES:
                continue
            cursor = connection.execute(f"SELECT * FROM {name}")  # type: ignore[arg-type]
            columns = [column.name for column in cursor.description or ()]
            rows = [
                {c: plain(v) for c, v in zip(columns, row, strict=True) if c not in NOT_PINNED}
                for row in cursor.fetchall()
            ]
            if rows:
                found[name] = sorted(rows, key=lambda row: json.dumps(row, sort_keys=True, default=str))
    return found


def plain(value: Any) -> Any:
    """A value as JSON holds it; floats with nine digits, so that the file is the same on every machine."""
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else str(value)
    if isinstance(value, (dt.datetime, dt.date)):
        return value.astimezone(dt.UTC).isoformat() if isinstance(value, dt.datetime) else value.isoformat()
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).decode(errors="backslashreplace")
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, (int, str, bool, dict)) or value is None:
        return value
    return str(value)


def test_the_fixed_log_gives_the_fixed_tables(database_url: str) -> None:
    """Table by table, what the fixed log folds to is what the reviewed file says."""
    apply_log(database_url)
    found = json.loads(json.dumps(rows_of(database_url)))
    if os.environ.get("PERSONALIZE_GOLDEN") == "write":
        EXPECTED.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        pytest.skip("wrote the expected rows anew: review the difference")
    expected = json.loads(EXPECTED.read_text(encoding="utf-8"))
    assert sorted(expected) == sorted(found)
    for table, rows in expected.items():
        assert rows == found[table], table
