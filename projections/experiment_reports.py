"""What do experiments say now, and what did they say before?  Table ``experiment_report``: the newest of each hour.

Reports are computed by one jobs process for whoever looks: the live page, dashboards, the API.  They hold sums over
learners only, with nothing of groups that are too small (`models.experiments.report`).
"""

from __future__ import annotations

import datetime as dt
from typing import LiteralString

import msgspec

from models.experiments.report import report
from projections import experiments
from projections.locks import EXPERIMENTS_LOCK
from projections.stores.postgres import Connection
from schemas.experiments import Experiment, Report, decode

# A stopped experiment's learners still have days to come that count.
OPEN: LiteralString = """
SELECT definition::text FROM experiment
WHERE state = 'running' OR state = 'stopped'
      AND updated_at > now() - make_interval(days => 1 + (definition ->> 'horizonDays')::int)
ORDER BY key
"""
PUT: LiteralString = """
INSERT INTO experiment_report (experiment, hour, report, computed_at)
VALUES (%(key)s, date_trunc('hour', %(now)s, 'UTC'), %(report)s::jsonb, %(now)s)
ON CONFLICT (experiment, hour) DO UPDATE SET report = excluded.report, computed_at = excluded.computed_at
"""
TRY_LOCK: LiteralString = "SELECT pg_try_advisory_xact_lock(%(lock)s)"


def refresh(connection: Connection, now: dt.datetime) -> list[Report] | None:
    """Writes the reports of all experiments that are not over; None while another process does.

    Args:
        connection: autocommit.
        now: the time of the reports.
    """
    with connection.transaction():
        if connection.execute(TRY_LOCK, {"lock": EXPERIMENTS_LOCK}).fetchone() != (True,):
            return None
        return [_write(connection, decode(row[0]), now) for row in connection.execute(OPEN).fetchall()]


def _write(connection: Connection, experiment: Experiment, now: dt.datetime) -> Report:
    found = report(experiment, experiments.outcomes(connection, experiment))
    kept = {"key": experiment.key, "report": msgspec.json.encode(found).decode(), "now": now}
    connection.execute(PUT, kept)
    return found
