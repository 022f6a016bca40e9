"""How do the roll-ups of analytics stay close to the log?  One jobs process at a time catches up every few seconds."""

from __future__ import annotations

import time
from typing import Final

from projections.analytics import follower
from projections.stores.postgres import connect
from streams.jobs import metrics
from streams.jobs.repeating import repeat
from streams.jobs.settings import JobSettings

EVERY_SECONDS: Final = 2.0
"""Between two looks; at least as long as the last one took, so that reading takes half of a core at most."""


async def keep_rolled_up(settings: JobSettings) -> None:
    """Catches up until it is cancelled."""

    def catch_up() -> None:
        begun = time.monotonic()
        with connect(settings.database_url, autocommit=True, name="personalize-roll-ups") as connection:
            folded = follower.catch_up(connection)
        if folded:
            metrics.ROLLED_UP.inc(folded)
            metrics.ROLL_UP_SECONDS.observe(time.monotonic() - begun)

    await repeat("roll-ups", catch_up, EVERY_SECONDS, rest=1.0)
