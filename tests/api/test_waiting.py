"""Waiting for the worker: bounded in time and number, asking Postgres only while somebody waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from api.waiting import Waiting

PARTITION = ("interactions", 3)


class Away(Exception):
    """Postgres does not answer."""


class Worker:
    """Where the worker is, as Postgres would tell."""

    def __init__(self) -> None:
        self.offsets = {PARTITION: 10}
        self.lists = {(7, "hybrid"): 5}
        self.asked = 0
        self.away = False

    async def fetch_offsets(self) -> dict[tuple[str, int], int]:
        self.asked += 1
        if self.away:
            raise Away
        return dict(self.offsets)

    async def fetch_lists(self, keys: Sequence[tuple[int, str]]) -> dict[tuple[int, str], int]:
        return {key: self.lists[key] for key in keys if key in self.lists}


def run(scenario: Callable[[Worker, Waiting], Awaitable[None]], most_waiters: int = 500) -> None:
    async def main() -> None:
        worker = Worker()
        waiting = Waiting(worker.fetch_offsets, worker.fetch_lists, Away, most_waiters)
        await scenario(worker, waiting)
        await waiting.close()

    asyncio.run(main())


def test_what_has_arrived_needs_no_waiting() -> None:
    """A position that was passed is found passed, even with no time to wait."""

    async def scenario(_worker: Worker, waiting: Waiting) -> None:
        assert await waiting.for_positions({PARTITION: 10}, 0, patient=True) is not None
        assert await waiting.for_positions({}, 0, patient=True) is not None

    run(scenario)


def test_a_reader_is_released_when_the_worker_gets_there() -> None:
    """Readers wait until every position is passed, and are told how much of their time is left."""

    async def scenario(worker: Worker, waiting: Waiting) -> None:
        reader = asyncio.create_task(waiting.for_positions({PARTITION: 12}, 30, patient=True))
        await asyncio.sleep(0.05)
        assert not reader.done()
        worker.offsets[PARTITION] = 12
        left = await reader
        assert left is not None
        assert 0 < left < 30
        assert waiting.count == 0

    run(scenario)


def test_news_save_questions_and_not_time() -> None:
    """Who hears of transactions asks when one is told, and seldom besides: not every one is told of."""

    async def scenario(worker: Worker, waiting: Waiting) -> None:
        async def asked(seconds: float) -> int:
            reader = asyncio.create_task(waiting.for_positions({PARTITION: 12}, seconds, patient=True))
            before = worker.asked
            assert await reader is None
            return worker.asked - before

        blind = await asked(0.5)
        waiting.hear(heard=True)
        assert 2 < await asked(0.5) < blind / 2
        reader = asyncio.create_task(waiting.for_positions({PARTITION: 12}, 30, patient=True))
        await asyncio.sleep(0.05)
        worker.offsets[PARTITION] = 12
        waiting.told()
        assert await reader is not None
        assert await waiting.for_positions({PARTITION: 12}, 0, patient=True) is not None
        worker.offsets[PARTITION] = 13
        assert await waiting.for_positions({PARTITION: 13}, 30, patient=True) is not None

    run(scenario)


def test_the_deadline_ends_the_wait() -> None:
    """A position that is not passed in time gives None."""

    async def scenario(_worker: Worker, waiting: Waiting) -> None:
        assert await waiting.for_positions({PARTITION: 11}, 0.05, patient=True) is None
        assert await waiting.for_positions({("interactions", 9): 1}, 0, patient=True) is None
        assert waiting.count == 0

    run(scenario)


def test_one_question_serves_all_readers_and_none_is_asked_without_them() -> None:
    """However many wait, Postgres is asked by one task; when nobody waits any more, it stops."""

    async def scenario(worker: Worker, waiting: Waiting) -> None:
        readers = [asyncio.create_task(waiting.for_positions({PARTITION: 11}, 30, patient=True)) for _ in range(100)]
        await asyncio.sleep(0.05)
        assert 0 < worker.asked < 100
        worker.offsets[PARTITION] = 11
        await asyncio.gather(*readers)
        await asyncio.sleep(0.02)
        asked = worker.asked
        await asyncio.sleep(0.05)
        assert worker.asked == asked

    run(scenario)


def test_too_many_readers_are_not_let_in() -> None:
    """Beyond the limit a reader is told at once that it would wait in vain."""

    async def scenario(worker: Worker, waiting: Waiting) -> None:
        readers = [asyncio.create_task(waiting.for_positions({PARTITION: 11}, 30, patient=True)) for _ in range(2)]
        await asyncio.sleep(0)
        assert await waiting.for_positions({PARTITION: 10}, 30, patient=True) is None
        assert waiting.refused == 1
        worker.offsets[PARTITION] = 11
        assert None not in await asyncio.gather(*readers)

    run(scenario, most_waiters=2)


def test_waiting_outlives_an_absent_postgres() -> None:
    """While Postgres is away readers wait on, and are released once it is back."""

    async def scenario(worker: Worker, waiting: Waiting) -> None:
        worker.away = True
        reader = asyncio.create_task(waiting.for_positions({PARTITION: 10}, 30, patient=True))
        await asyncio.sleep(0.05)
        assert not reader.done()
        worker.away = False
        assert await reader is not None

    run(scenario)


def test_who_did_not_ask_to_wait_is_released_by_an_absent_postgres() -> None:
    """While Postgres is away a reader without a wish of its own is told at once that nothing is known."""

    async def scenario(worker: Worker, waiting: Waiting) -> None:
        worker.away = True
        assert await waiting.for_positions({PARTITION: 10}, 30, patient=False) is None
        worker.away = False
        assert await waiting.for_positions({PARTITION: 10}, 30, patient=False) is not None

    run(scenario)


def test_lists_are_waited_for_by_their_transaction() -> None:
    """A reader of lists is released when the list asked for reflects the transaction."""

    async def scenario(worker: Worker, waiting: Waiting) -> None:
        assert await waiting.for_list((7, "hybrid"), 5, 0, patient=True) is not None
        assert await waiting.for_list((7, "hybrid"), 6, 0.03, patient=True) is None
        assert await waiting.for_list((7, "trending"), 1, 0.03, patient=True) is None
        reader = asyncio.create_task(waiting.for_list((7, "hybrid"), 6, 30, patient=True))
        await asyncio.sleep(0.02)
        worker.lists[7, "hybrid"] = 9
        assert await reader is not None

    run(scenario)
