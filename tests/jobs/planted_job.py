"""A jobs process whose only job tells a file when it begins, waits for another file, and leaves one row an effect.

Run as ``python planted_job.py SETTINGS FOLDER``: settings as JSON, then the folder of the signal files.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from projections.stores.postgres import Connection
from projections.stores.redis import RedisAddress
from streams.jobs.job import Assignment, Effect, Job
from streams.jobs.process import main
from streams.jobs.settings import JobSettings

INSERT = "INSERT INTO planted_effect (run_key, pid) VALUES (%(run_key)s, %(pid)s)"


def planted(folder: Path) -> Job:
    """The job: its effect is one row in ``planted_effect``."""

    def work(assignment: Assignment) -> Effect:
        (folder / f"begun-{os.getpid()}").touch()
        while not (folder / "go").exists():
            time.sleep(0.02)

        def effect(connection: Connection) -> int:
            connection.execute(INSERT, {"run_key": assignment.run_key, "pid": os.getpid()})
            return 1

        return effect

    return Job(name="planted", queue="training", does="Leaves a row.", work=work)


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    main(JobSettings(**{**given, "redis": RedisAddress(**given["redis"])}), {"planted": planted(Path(sys.argv[2]))})
