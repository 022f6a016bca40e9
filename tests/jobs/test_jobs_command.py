"""Does `personalize jobs` do on real servers what its help says?"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from job_kit import add_to_log, courses

from personalize.stack import Endpoints
from projections.stores.postgres import connect

ROOT = Path(__file__).resolve().parents[2]


class Shell:
    """`personalize jobs ...` with the servers of the tests."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Starts a command."""
        return subprocess.Popen(
            [sys.executable, "-m", "personalize.cli", "jobs", *words],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end."""
        process = self.start(*words)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def json(self, *words: str):
        """What a command prints as JSON."""
        done = self.run(*words, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def shell(stack: Endpoints, database_url: str, tmp_path: Path) -> Shell:
    """A shell whose settings name the test's own database."""
    inherited = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    servers = {**stack.environment(), "DATABASE_URL": database_url, "PERSONALIZE_HOME": str(tmp_path)}
    return Shell({**inherited, **servers})


@pytest.fixture
def serving(shell: Shell) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A jobs process and the URL of its metrics; it must end well when it is told to stop."""
    process = shell.start("run")
    first_line = process.stdout.readline()
    yield process, first_line.split()[-1]
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err


def test_trigger_list_models_and_rollback(shell: Shell, serving, database_url: str) -> None:
    """Two trainings by hand: both are in the list, their metrics on /metrics, and the first can be made live again."""
    with connect(database_url, autocommit=True) as connection:
        add_to_log(connection, *courses(60, 20, seed=1), applied_seq=1)
    first = shell.json("trigger", "train-models", "--wait")
    assert (first["state"], first["rows_written"]) == ("done", 4)
    shell.json("trigger", "train-models", "--wait")

    listed = shell.json("list")
    by_hand = [run for run in listed["runs"] if run["job"] == "train-models" and "/" in run["run_key"]]
    assert [run["state"] for run in by_hand] == ["done", "done"]
    assert {job["queue"] for job in listed["jobs"]} == {"recommendation", "analytics", "training", "notification"}

    ease = [model for model in shell.json("models") if model["kind"] == "ease"]
    live = next(model["version"] for model in ease if model["state"] == "live")
    older = min(model["version"] for model in ease)
    assert older < live
    after = shell.json("models", "--rollback", str(older))
    assert {model["version"]: model["state"] for model in after}[older] == "live"
    assert {model["version"]: model["state"] for model in after}[live] == "retired"

    metrics = urllib.request.urlopen(serving[1], timeout=10).read().decode()
    assert 'personalize_job_attempts_total{job_name="train-models",outcome="done"}' in metrics
    assert 'personalize_job_seconds_bucket{job_name="train-models"' in metrics
    deadline = time.monotonic() + 90
    while 'personalize_job_queue_depth{queue="training"} 0.0' not in metrics:  # looked at once a tick
        assert time.monotonic() < deadline, metrics
        time.sleep(0.5)
        metrics = urllib.request.urlopen(serving[1], timeout=10).read().decode()


def test_what_is_wrong_is_named(shell: Shell) -> None:
    """Unknown jobs, queues and versions, and a webhook without a secret, end with code 2 and say what is known."""
    for words, said in (
        (("trigger", "nonsense"), "train-models"),
        (("trigger", "send-notification"), "train-models"),
        (("run", "--queue", "nonsense"), "notification"),
        (("models", "--rollback", "99"), "no model 99"),
    ):
        done = shell.run(*words)
        assert done.returncode == 2, words
        assert said in done.stderr
    shell.environment["NOTIFICATION_WEBHOOK_URL"] = "https://example.org/hook"
    done = shell.run("run")
    assert done.returncode == 2
    assert "NOTIFICATION_WEBHOOK_SECRET" in done.stderr
