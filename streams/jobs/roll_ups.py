"""How do the roll-ups of analytics stay close to the log?  One jobs process at a time catches up every few seconds."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from projections.analytics import follower
from projections.stores.postgres import TRANSIENT, connect
from streams.jobs import metrics
from streams.jobs.settings import JobSettings

logger = logging.getLogger(__name__)
EVERY_SECONDS: Final = 2.0
"""Between two looks; at least as long as the last one took, so that reading takes half of a core at most."""


class RollUps:
    """Catches up until it is cancelled."""

    def __init__(self, settings: JobSettings) -> None:
        self._settings = settings

    async def run(self) -> None:
        """Looks again and again; passing faults of Postgres are tried again."""
        while True:
            begun = time.monotonic()
            try:
                await asyncio.to_thread(self._catch_up)
            except TRANSIENT as fault:
                logger.warning("roll-ups: %s; trying again", type(fault).__name__)
            await asyncio.sleep(max(EVERY_SECONDS, time.monotonic() - begun))

    def _catch_up(self) -> None:
        begun = time.monotonic()
        with connect(self._settings.database_url, autocommit=True, name="personalize-roll-ups") as connection:
            folded = follower.catch_up(connection)
        if folded:
            metrics.ROLLED_UP.inc(folded)
            metrics.ROLL_UP_SECONDS.observe(time.monotonic() - begun)
