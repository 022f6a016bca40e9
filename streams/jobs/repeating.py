"""How is work done again and again beside the jobs?  In a thread, with a pause that grows with what it takes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from projections.stores.postgres import TRANSIENT

logger = logging.getLogger(__name__)


async def repeat(what: str, work: Callable[[], object], every_seconds: float, rest: float) -> None:
    """Works until it is cancelled; passing faults of Postgres are tried again.

    Args:
        what: is done, for the log.
        work: one turn, in a thread.
        every_seconds: least pause between two turns.
        rest: least pause, in lengths of the last turn: 1 leaves half of a core at least.
    """
    while True:
        begun = time.monotonic()
        try:
            await asyncio.to_thread(work)
        except TRANSIENT as fault:
            logger.warning("%s: %s; trying again", what, type(fault).__name__)
        await asyncio.sleep(max(every_seconds, rest * (time.monotonic() - begun)))
