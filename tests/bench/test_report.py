"""A bench report says what was measured, on what, by which command, in one flat file."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personalize.bench.processor_time import ProcessorTime
from personalize.bench.report import Report, describe_machine, formatted, percentile


def test_file_has_the_four_members_and_comes_back(tmp_path: Path):
    """What is written has name, command, machine and figures, all flat, and reads back equal."""
    report = Report.of("example", {"events_per_second": 51234.56, "ratio": 4.123456, "loader": "own", "lost": 0})
    path = tmp_path / "deep" / "example.json"
    report.write(path)
    raw = json.loads(path.read_text())
    assert set(raw) == {"name", "command", "machine", "figures"}
    assert not any(isinstance(value, dict | list) for value in (*raw["figures"].values(), *raw["machine"].values()))
    assert raw["figures"]["ratio"] == 4.123
    assert Report.read(path) == report


def test_other_files_are_refused(tmp_path: Path):
    """A file with other members is no report."""
    path = tmp_path / "x.json"
    path.write_text('{"name": "x", "figures": {}}')
    with pytest.raises(ValueError, match="machine"):
        Report.read(path)


def test_machine_is_described():
    """The machine says how many cores and how much memory it has and which Python ran."""
    machine = describe_machine()
    assert machine["cores"] >= 1
    assert machine["memory_bytes"] > 2**20
    assert machine["python"] == ".".join(map(str, sys.version_info[:3]))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.floats(0.01, 1.0))
def test_percentile_is_the_nearest_rank(values, share):
    """The percentile is one of the values; at least the share do not exceed it, and fewer lie below it."""
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9
    assert sum(value < found for value in values) < share * len(values) + 1e-9


def test_percentile_of_nothing():
    """Nothing has no percentile."""
    assert math.isnan(percentile([], 0.5))


@pytest.mark.parametrize(
    ("value", "text"), [(1234567, "1,234,567"), (52345.6, "52,346"), (0.123456, "0.1235"), (None, "-"), ("a", "a")]
)
def test_figures_are_readable(value, text):
    """Figures are printed with separated thousands and four digits."""
    assert formatted(value) == text


def test_processor_time_belongs_to_the_process_that_used_it():
    """A spinning process shows as using the processor, children included; a sleeping one does not."""
    spin = "import subprocess,sys; subprocess.run([sys.executable,'-c','while True: pass'])"
    with (
        subprocess.Popen([sys.executable, "-c", spin], start_new_session=True) as busy,
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as idle,
    ):
        try:
            time.sleep(0.5)
            meter = ProcessorTime({"busy": busy.pid, "idle": idle.pid})
            time.sleep(1.0)
            figures = meter.figures()
        finally:
            import os
            import signal

            os.killpg(busy.pid, signal.SIGKILL)
            idle.kill()
    assert figures["cpu_busy_cores"] > 0.05
    assert figures["cpu_idle_cores"] < figures["cpu_busy_cores"] / 2
