"""What does a running experiment change for a learner?  Looked up when a list is asked for, kept for a few seconds.

The definitions are few and the same for all; whether a learner agrees to experiments is one row.  Both are asked for
again after ``KEPT_SECONDS``, so that a started experiment and a withdrawn consent act that soon.  Without a running
experiment nothing is asked for a learner.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final, LiteralString, NamedTuple

from models.columns import CONSENT_EXPERIMENT
from models.experiments.assignment import in_namespace, share, variation
from projections.experiments import RUNNING
from projections.stores.postgres_pool import ReadPool, Unavailable
from schemas.experiments import Experiment, decode

KEPT_SECONDS: Final = 5.0
AHEAD_SECONDS: Final = 3.0
"""From this age on the definitions are asked for again while the known ones still count."""
MOST_KEPT: Final = 50_000
FAMILIES: Final = ("relevance", "collaborative", "trending", "context")

CONSENT: LiteralString = "SELECT consent FROM learners WHERE user_id = %(user_id)s"


class Served(NamedTuple):
    """What experiments do to one learner's list."""

    arms: dict[str, str]
    """Experiment → variation."""
    kind: str | None
    """The list to serve instead."""
    factors: tuple[float, ...]
    """(4,) on the families of the score; empty: as they are."""


NOTHING: Final = Served({}, None, ())


class Experiments:
    """Knows the running experiments, and who takes part.

    Args:
        pool: where to ask.
        clock: seconds, monotonic.
    """

    def __init__(self, pool: ReadPool, clock: Callable[[], float]) -> None:
        self._pool = pool
        self._clock = clock
        self._running: list[Experiment] = []
        self._asked_at = -1e9
        self._asking = asyncio.Lock()
        self._ahead: asyncio.Task[None] | None = None
        self._served: dict[str, tuple[float, Served]] = {}

    @property
    def idle(self) -> bool:
        """Whether no experiment runs, as far as was known a moment ago; asks ahead, so that nobody waits for it."""
        age = self._clock() - self._asked_at
        if AHEAD_SECONDS < age < KEPT_SECONDS and (self._ahead is None or self._ahead.done()):
            self._ahead = asyncio.create_task(self._ask_ahead())
        return not self._running and age < KEPT_SECONDS

    async def serve(self, user_id: str) -> Served:
        """What applies to a learner now; nothing while Postgres is away, for lists are served then, too."""
        try:
            return await self._serve(user_id)
        except Unavailable:
            return NOTHING

    async def _serve(self, user_id: str) -> Served:
        if self._clock() - self._asked_at >= KEPT_SECONDS:
            await self._ask()
        if not self._running:
            return NOTHING
        kept = self._served.get(user_id)
        if kept is not None and self._clock() - kept[0] < KEPT_SECONDS:
            return kept[1]
        row = await self._pool.row(CONSENT, {"user_id": user_id})
        found = served(self._running, user_id) if row is not None and row[0] & CONSENT_EXPERIMENT else NOTHING
        if len(self._served) >= MOST_KEPT:
            self._served.clear()
        self._served[user_id] = (self._clock(), found)
        return found

    async def _ask_ahead(self) -> None:
        with contextlib.suppress(Unavailable):
            await self._ask(AHEAD_SECONDS)

    async def _ask(self, after_seconds: float = KEPT_SECONDS) -> None:
        async with self._asking:  # one asks, the others take its answer
            if self._clock() - self._asked_at < after_seconds:
                return
            self._asked_at = self._clock()  # also when it fails: the next look is in a while
            rows = await self._pool.rows(RUNNING)
            self._running = [decode(row[0]) for row in rows]
            self._served.clear()


def served(running: list[Experiment], user_id: str) -> Served:
    """The variations of a learner, taken together: factors multiply, the first list wins."""
    arms: dict[str, str] = {}
    kind: str | None = None
    factors = [1.0] * len(FAMILIES)
    for experiment in running:
        part = experiment.namespace
        if part is not None and not in_namespace(user_id, part.name, part.begin, part.end):
            continue
        place = share(experiment.seed or experiment.key, user_id, experiment.hash_version)
        number = variation(place, [each.weight for each in experiment.variations], experiment.coverage)
        if number is None:
            continue
        chosen = experiment.variations[number]
        arms[experiment.key] = chosen.name
        kind = kind or chosen.list
        for family, factor in chosen.family_weights.items():
            factors[FAMILIES.index(family)] *= factor
    return Served(arms, kind, () if factors == [1.0] * len(FAMILIES) else tuple(factors))
