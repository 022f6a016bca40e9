"""What keeps difficulty and weights of the learner model up to date?  A task of the recommender, beside its ticks.

It follows the log of record, not Kafka, in a thread and with a connection of its own.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

from projections.learner_model_teacher import Taught, Teacher
from projections.stores.postgres import TRANSIENT, Connection, connect
from streams import recommender_metrics as metrics
from streams.batch_app import BatchApp

logger = logging.getLogger(__name__)

REST_SECONDS = 1.0
"""Between two looks for attempts when there were none."""
RETRY_SECONDS = 5.0


class Teaching:
    """Takes step after step until the app stops."""

    def __init__(self, app: BatchApp, database_url: str) -> None:
        self._app = app
        self._database_url = database_url
        self._connection: Connection | None = None
        self._teacher: Teacher | None = None

    async def run(self) -> None:
        """Runs for as long as the app does; an error that no retry heals ends the process."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, thread_name_prefix="teacher") as thread:
            while not self._app.should_stop:
                try:
                    taught = await loop.run_in_executor(thread, self._step)
                except TRANSIENT as fault:
                    logger.warning("learner model: %s; trying again", type(fault).__name__)
                    self._close()
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                except Exception as fault:
                    self._app._crash(fault)
                    raise
                _show(taught)
                if not taught.attempts:
                    await asyncio.sleep(REST_SECONDS)
        self._close()

    def _step(self) -> Taught:
        if self._teacher is None:
            self._connection = connect(self._database_url, autocommit=True, name="personalize-learner-model")
            self._teacher = Teacher(self._connection)
        return self._teacher.step()

    def _close(self) -> None:
        """Forgets what was learnt since the newest version: it is learnt again."""
        self._teacher = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _show(taught: Taught) -> None:
    metrics.ATTEMPTS.inc(taught.attempts)
    if taught.published:
        metrics.MODEL_VERSION.set(taught.published)
        for measure in ("auc", "log_loss", "calibration_error"):
            metrics.MODEL_QUALITY.labels(measure).set(getattr(taught, measure))
