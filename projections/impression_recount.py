"""Do the sums of what came of recommendations hold what the served lists say?  They are counted anew from `impression`.

Rows of lists are kept for `housekeeping.IMPRESSIONS_KEPT`; sums of days before the oldest row stay as they are.  The
exposures of items are counted from the rows that are there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import LiteralString, NamedTuple

from models.recommendation import outcomes
from models.recommendation.outcomes import EMPTY, Cell, Sums
from projections import impressions
from projections.locks import WRITERS_LOCK
from projections.stores.postgres import Connection, connect

NAME = "recommendation_outcome"
"""In `personalize rebuild`."""
CHUNK_ROWS = 10_000
LOCK_ALONE = "SELECT pg_advisory_xact_lock(%(lock)s)"
PAGE: LiteralString = """
SELECT learner_key, list_key, list_type, coalesce(first_day, -1), places, ranks, item_keys, arms, propensities,
       servings, outcomes
FROM impression WHERE (learner_key, list_key) > (%(learner)s, %(list)s)
ORDER BY learner_key, list_key LIMIT %(rows)s
"""
OLD: LiteralString = """
SELECT day - '1970-01-01'::date, list_type, arm, rank, servings, impressions, clicks, conversions, likes, dislikes,
       weight, click_weight
FROM recommendation_outcome WHERE day - '1970-01-01'::date >= %(first_day)s
"""
DELETE: LiteralString = "DELETE FROM recommendation_outcome WHERE day - '1970-01-01'::date >= %(first_day)s"
DELETE_EXPOSURES: LiteralString = "DELETE FROM item_exposure"


class Recounted(NamedTuple):
    """What a recount found."""

    lists: int
    """Rows of `impression` read."""
    differences: int
    """Sums that were not what the rows say."""


def recount(
    database_url: str, on_progress: Callable[[int], None] = lambda _: None, *, dry_run: bool = False
) -> Recounted:
    """Counts anew, in one transaction in which no writer is active.

    Args:
        database_url: Postgres.
        on_progress: called with the lists read so far.
        dry_run: compare only.
    """
    with connect(database_url, name="personalize-rebuild") as connection, connection.transaction():
        connection.execute(LOCK_ALONE, {"lock": WRITERS_LOCK})
        sums: dict[Cell, Sums] = {}
        exposures: dict[int, tuple[int, int]] = {}
        after, read = impressions.Key(-1, 0), 0
        while lists := _page(connection, after):
            after, read = max(lists), read + len(lists)
            changes = [(EMPTY, one) for one in lists.values()]
            for cell, more in outcomes.moved(changes).items():
                sums[cell] = sums.get(cell, Sums()).plus(more)
            for item, (shown, clicked) in outcomes.exposures(changes).items():
                held = exposures.get(item, (0, 0))
                exposures[item] = (held[0] + shown, held[1] + clicked)
            on_progress(read)
        first_day = min((cell.day for cell in sums), default=1 << 30)
        rows = connection.execute(OLD, {"first_day": first_day}).fetchall()
        old = {Cell(*row[:4]): Sums(*row[4:]) for row in rows}
        different = sum(_differ(old.get(cell, Sums()), sums.get(cell, Sums())) for cell in old.keys() | sums.keys())
        if not dry_run:
            connection.execute(DELETE, {"first_day": first_day})
            connection.execute(DELETE_EXPOSURES)
            impressions.add(connection, sums, exposures)
    return Recounted(read, different)


def _page(connection: Connection, after: impressions.Key) -> dict[impressions.Key, outcomes.ServedList]:
    which = {"learner": after.learner_key, "list": after.list_key, "rows": CHUNK_ROWS}
    return impressions.of_rows(connection.execute(PAGE, which).fetchall())


def _differ(a: Sums, b: Sums) -> bool:
    return any(abs(x - y) > 1e-9 * max(1.0, abs(x)) for x, y in zip(a, b, strict=True))
