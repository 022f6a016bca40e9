"""What do other services change about a list?  Items that break a rule go, reasons are worded more kindly.

Nobody waits for another service: the list is served as it is, and the finished one when it is there.  A newer list
begins anew.  A service that fails changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog

from api.metrics import Metrics
from api.neighbours.adapters import ListItem, ListValidation, Polishing
from api.neighbours.client import Neighbour, SkippedError
from api.neighbours.settings import NeighbourSettings
from projections.reads import ready_list
from projections.reads.ready_list import ReadyList

MOST_AT_ONCE = 16
"""Lists being finished; the others are served as they are."""
MOST_REMEMBERED = 10_000
MOST_ITEMS = 20
"""Items of a list that others are asked about; a longer one is served as it is."""

_log = structlog.get_logger("api.neighbours")
Consents = Callable[[str], Awaitable[bool]]
"""Whether a learner agrees that texts about them are worded by somebody else."""


class Finishing:
    """Finishes lists in the background and remembers them.

    Args:
        validation: which items must not be shown; None: nobody is asked.
        polishing: how reasons are worded; None: as they are.
        consents: asked before a reason leaves this process.
        metrics: where violations are counted.
    """

    def __init__(
        self, validation: ListValidation | None, polishing: Polishing | None, consents: Consents, metrics: Metrics
    ) -> None:
        self._validation = validation
        self._polishing = polishing
        self._consents = consents
        self._metrics = metrics
        self._done: dict[tuple[str, bytes], ReadyList] = {}
        self._under_way: dict[tuple[str, bytes], asyncio.Task[None]] = {}

    def finished(self, user_id: str, ready: ReadyList) -> ReadyList:
        """The finished list if it is there; otherwise the list itself, and work on it begins."""
        if not ready.ends or len(ready.ends) > MOST_ITEMS:
            return ready
        key = (user_id, ready.blob)
        found = self._done.get(key)
        if found is not None:
            return found
        if key not in self._under_way and len(self._under_way) < MOST_AT_ONCE:
            task = asyncio.create_task(self._finish(key, ready))
            self._under_way[key] = task
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        return ready

    async def settle(self) -> None:
        """Waits for the work under way."""
        while self._under_way:
            await asyncio.gather(*self._under_way.values())

    async def close(self) -> None:
        """Ends the work under way and the connections."""
        for task in list(self._under_way.values()):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for adapter in (self._validation, self._polishing):
            if adapter is not None:
                await adapter.neighbour.close()

    async def _finish(self, key: tuple[str, bytes], ready: ReadyList) -> None:
        items: list[dict[str, Any]] = msgspec.json.decode(ready.body(MOST_ITEMS))
        try:
            kept = await self._without_violations(items)
            worded = await self._worded(key[0], kept)
        except SkippedError:
            return  # the next read tries again
        except Exception as error:  # noqa: BLE001 - a neighbour never harms a list
            _log.error("finishing_failed", error=type(error).__name__)
            return
        if worded is None:
            return
        for rank, item in enumerate(worded, start=1):
            item["rank"] = rank
        packed = ready_list.pack(
            [msgspec.json.encode(item) for item in worded],
            generated_at_ms=ready.generated_at_ms,
            as_of_ms=ready.as_of_ms,
        )
        unmoved = len(worded) == len(items)
        if len(self._done) >= MOST_REMEMBERED:
            del self._done[next(iter(self._done))]
        self._done[key] = msgspec.structs.replace(
            packed,
            complete=ready.complete,
            # Ranks have moved: what is shown where is no longer the draw that the propensity speaks of.
            slot_rank=ready.slot_rank if unmoved else 0,
            explored=ready.explored and unmoved,
            propensity=ready.propensity if unmoved else 1.0,
        )

    async def _without_violations(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if self._validation is None:
            return items
        told = [
            ListItem(item["contentId"], item["title"], item["contentType"], item["type"], item["reason"])
            for item in items
        ]
        found = await self._validation.violations(told)
        self._metrics.violations.inc(len(found))
        broken = {violation.content_id for violation in found}
        return [item for item in items if item["contentId"] not in broken]

    async def _worded(self, user_id: str, items: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
        """The items with reasons worded anew; None when nothing was left to finish."""
        if not items:
            return None  # an empty list helps nobody; the violations were counted
        if self._polishing is None or not await self._consents(user_id):
            return items
        reasons = sorted({item["reason"] for item in items})
        worded = dict(zip(reasons, await self._polishing.polished(reasons), strict=True))
        return [{**item, "reason": worded[item["reason"]]} for item in items]


def finishing(settings: NeighbourSettings, consents: Consents, metrics: Metrics) -> Finishing | None:
    """What finishes lists as configured; None when nothing does."""
    validation = polishing = None
    if settings.ai_model_service_url is not None:
        service = Neighbour(
            "ai-models", settings.ai_model_service_url, metrics, timeout_seconds=settings.timeout_seconds
        )
        validation = ListValidation(service)
    if settings.openai_api_key is not None:
        headers = {"authorization": f"Bearer {settings.openai_api_key}"}
        service = Neighbour(
            "openai", settings.openai_base_url, metrics, headers=headers, timeout_seconds=settings.timeout_seconds
        )
        polishing = Polishing(service, settings.openai_model)
    if validation is None and polishing is None:
        return None
    return Finishing(validation, polishing, consents, metrics)
