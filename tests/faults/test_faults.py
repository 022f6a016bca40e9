"""Nothing is lost, doubled or miscounted under any fault; and each known bug is noticed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from personalize.bench.fault_kinds import FAULTS
from personalize.bench.faults import run_one

pytestmark = pytest.mark.faults

PLANTED = Path(__file__).with_name("planted_worker.py")


@pytest.mark.parametrize("name", [*FAULTS, "three_workers"])
def test_short_run_is_exact(name: str):
    """After a short schedule of the fault, every table equals the reference fold of the topic."""
    outcome = run_one(name, seed=1, short=True)
    assert outcome.good, outcome.verdict.findings


@pytest.mark.parametrize(
    ("bug", "fault", "sign"),
    [
        ("no_compare_and_swap", "zombie", "doubled"),
        ("commit_before_write", "kill", "lost"),
        ("dropped_fetch", "none", "lost"),
        ("round_robin", "three_workers", "wrong"),
    ],
)
def test_planted_bug_is_noticed(bug: str, fault: str, sign: str):
    """A worker with the bug comes out red, by the sign that fits the bug, under a fault that brings it to light."""
    outcome = run_one(fault, seed=1, short=True, command=(sys.executable, str(PLANTED), bug))
    assert not outcome.good
    assert getattr(outcome.verdict, sign) > 0, outcome.verdict.findings
