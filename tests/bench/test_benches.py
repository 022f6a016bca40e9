"""Every bench runs to its end on small input and says what it promises; how fast is not tested."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.servers


def figures_of(tmp_path: Path, *arguments: str) -> dict[str, float]:
    """Runs a bench as a person would, in a process of its own, and returns its figures."""
    file = tmp_path / "report.json"
    done = subprocess.run(
        [sys.executable, "-m", "personalize.cli", "bench", *arguments, "--json", str(file)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    report = json.loads(file.read_text())
    assert report["name"] == arguments[0]
    assert report["command"].startswith(f"personalize bench {arguments[0]}")
    return report["figures"]


def test_ingest(tmp_path: Path):
    """The ingest bench folds what it published and measures both references in the same run."""
    figures = figures_of(tmp_path, "ingest", "--events", "6000")
    assert figures["events"] == 6000
    assert figures["events_per_second"] > 0
    assert figures["ratio_to_plain_faust"] > 0
    assert figures["ratio_to_fetch_decode_limit"] > 0
    assert figures["cpu_worker_cores"] >= 0


def test_latency(tmp_path: Path):
    """The latency bench sees every probe, and Kafka alone beside it."""
    figures = figures_of(tmp_path, "latency", "--seconds", "2", "--rate", "200")
    assert figures["probes"] > 5
    assert 0 < figures["publish_to_visible_p50_ms"] <= figures["publish_to_visible_p99_ms"]
    assert 0 < figures["produce_to_consume_p50_ms"] <= figures["produce_to_consume_p99_ms"]


def test_freshness(tmp_path: Path):
    """The freshness bench sees every probe in a list that reflects it, and impressions are on."""
    figures = figures_of(tmp_path, "freshness", "--seconds", "2", "--rate", "100")
    assert figures["probes"] > 3
    assert figures["impressions"] > 0
    assert 0 < figures["list_visible_p50_ms"] <= figures["list_visible_p99_ms"]
    assert 0 <= figures["oldest_event_not_in_a_list_p50_ms"] <= figures["oldest_event_not_in_a_list_p99_ms"]
    assert 0 < figures["produce_to_consume_p50_ms"] <= figures["produce_to_consume_p99_ms"]


def test_memory(tmp_path: Path):
    """The memory bench reports slope, learner and item."""
    figures = figures_of(tmp_path, "memory", "--events", "20000", "--new-ones", "500")
    assert figures["events"] == 20000
    assert {"rss_slope_bytes_per_event", "bytes_per_learner", "bytes_per_item"} <= figures.keys()


def test_read(tmp_path: Path):
    """The read bench measures the API, alone and while ingesting, and both references."""
    figures = figures_of(tmp_path, "read", "--seconds", "0.5", "--ingest-rate", "200", "--read-rate", "50")
    assert "load_generator" in figures["load_generator"]
    assert figures["requests_per_second"] > 0
    assert figures["p99_ms_while_ingesting"] > 0
    assert figures["p99_ms_at_1000_per_second"] > 0
    assert figures["requests_per_second_with_key"] > 0
    assert figures["cpu_us_per_request_with_key"] > 0
    assert figures["static_asgi_requests_per_second"] > 0
    assert figures["redis_get_requests_per_second"] > 0
    assert "limited_by_load_generator" in figures
