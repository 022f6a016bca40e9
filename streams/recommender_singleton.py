"""Is another recommender at work?  One process holds the tables; a second one waits as its stand-in."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from projections.recommender.progress import try_alone
from projections.stores.postgres import TRANSIENT, connect

LOOK_SECONDS = 1.0

logger = logging.getLogger(__name__)


@contextmanager
def hold_alone(database_url: str) -> Iterator[None]:
    """Waits until no other recommender holds the lock, and holds it; Postgres frees it when the process ends."""
    told = False
    while True:
        try:
            connection = connect(database_url, autocommit=True, name="personalize-recommender-alone")
            if try_alone(connection):
                break
            connection.close()
        except TRANSIENT as fault:
            logger.warning("database: %s; trying again", type(fault).__name__)
        if not told:
            logger.warning("another recommender is at work; waiting to take over")
            told = True
        time.sleep(LOOK_SECONDS)
    try:
        yield
    finally:
        connection.close()
