"""How do the reports of experiments stay fresh?  One jobs process computes them again and again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from projections import experiment_reports
from projections.stores.postgres import connect
from schemas.experiments import VERDICTS, Report
from streams.jobs import metrics
from streams.jobs.repeating import repeat
from streams.jobs.settings import JobSettings

EVERY_SECONDS: Final = 15.0
"""Between two reports; twenty times as long as the last one took, if that is more."""


async def keep_reported(settings: JobSettings) -> None:
    """Computes reports until it is cancelled."""

    def refresh() -> None:
        with connect(settings.database_url, autocommit=True, name="personalize-experiments") as connection:
            show(experiment_reports.refresh(connection, datetime.now(UTC)))

    await repeat("experiment reports", refresh, EVERY_SECONDS, rest=20.0)


def show(reports: list[Report] | None) -> None:
    """Sets the gauges; a process that does not report shows nothing."""
    if reports is None:
        for gauge in metrics.OF_EXPERIMENTS:
            gauge.clear()
        return
    for verdict in VERDICTS:
        metrics.EXPERIMENTS.labels(verdict).set(sum(one.verdict == verdict for one in reports))
    for state in ("held", "open", "broken"):
        found = sum(guard.state == state for one in reports for guard in one.guardrails)
        metrics.GUARDRAILS.labels(state).set(found)
