"""Is the job of a killed process done by another, and its effect there once?"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
import redis
from job_kit import wait_for

from projections import job_runs
from projections.stores.postgres import connect
from streams.jobs.settings import JobSettings

PLANTED = Path(__file__).parent / "planted_job.py"


@pytest.fixture
def start_process(job_settings: JobSettings, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Starts jobs processes; all are gone at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, str(PLANTED), json.dumps(asdict(job_settings)), str(tmp_path)]
        started.append(subprocess.Popen(command, cwd=Path(__file__).parents[2], env={"PYTHONPATH": "."}))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_killed_job_runs_again_and_its_effect_happens_once(
    job_settings: JobSettings, start_process, tmp_path: Path, redis_client: redis.Redis
) -> None:
    """SIGKILL in the middle of a job: the message is taken over, the second attempt writes the only row."""
    with connect(job_settings.database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE planted_effect (run_key text, pid integer)")
        job_runs.register(connection, "planted", "training", ["one"])
        first = start_process()
        wait_for((tmp_path / f"begun-{first.pid}").exists, "the first attempt")
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert job_runs.one(connection, "planted", "one").state == "running"

        second = start_process()
        wait_for((tmp_path / f"begun-{second.pid}").exists, "the second attempt")
        (tmp_path / "go").touch()
        wait_for(lambda: job_runs.one(connection, "planted", "one").state == "done", "the end of the job")
        run = job_runs.one(connection, "planted", "one")
        assert (run.attempts, run.rows_written) == (2, 1)
        effects = connection.execute("SELECT run_key, pid FROM planted_effect").fetchall()
        assert effects == [("one", second.pid)]
        wait_for(lambda: redis_client.xlen(f"{job_settings.prefix}:training") == 0, "the acknowledgement")


def test_a_job_of_a_living_process_is_not_taken_over(job_settings: JobSettings, start_process, tmp_path: Path) -> None:
    """A job that runs for longer than the idle time keeps its message, because its process renews it."""
    with connect(job_settings.database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE planted_effect (run_key text, pid integer)")
        job_runs.register(connection, "planted", "training", ["long"])
        first = start_process()
        wait_for((tmp_path / f"begun-{first.pid}").exists, "the attempt")
        other = start_process()
        time.sleep(3.5 * job_settings.idle_ms / 1_000)
        assert not (tmp_path / f"begun-{other.pid}").exists()
        (tmp_path / "go").touch()
        wait_for(lambda: job_runs.one(connection, "planted", "long").state == "done", "the end of the job")
        assert job_runs.one(connection, "planted", "long").attempts == 1
        assert connection.execute("SELECT pid FROM planted_effect").fetchall() == [(first.pid,)]
