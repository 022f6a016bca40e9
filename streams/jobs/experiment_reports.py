"""How do the reports of experiments stay fresh?  One jobs process computes them again and again."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import Final

from projections import experiment_reports
from projections.stores.postgres import TRANSIENT, connect
from schemas.experiments import VERDICTS, Report
from streams.jobs import metrics
from streams.jobs.settings import JobSettings

logger = logging.getLogger(__name__)
EVERY_SECONDS: Final = 15.0
"""Between two reports; twenty times as long as the last one took, if that is more."""


class ExperimentReports:
    """Computes reports until it is cancelled."""

    def __init__(self, settings: JobSettings) -> None:
        self._settings = settings

    async def run(self) -> None:
        """Looks again and again; passing faults of Postgres are tried again."""
        while True:
            begun = time.monotonic()
            try:
                show(await asyncio.to_thread(self._refresh))
            except TRANSIENT as fault:
                logger.warning("experiment reports: %s; trying again", type(fault).__name__)
            await asyncio.sleep(max(EVERY_SECONDS, 20.0 * (time.monotonic() - begun)))

    def _refresh(self) -> list[Report] | None:
        with connect(self._settings.database_url, autocommit=True, name="personalize-experiments") as connection:
            return experiment_reports.refresh(connection, datetime.now(UTC))


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
