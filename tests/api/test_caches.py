"""Caches and versions: an answer lies ready until something changes it, and who has it already gets a 304."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from api_kit import Fold, interaction, until

from api import kept_lists, waiting
from api.caches import Caches, not_modified
from api.impressions import Shown
from api.kept_lists import KeptList, KeptLists
from api.metrics import Metrics
from api.waiting import Waiting
from projections.reads import ready_list, recommendations
from projections.reads.freshness import Seen
from projections.stores.redis_changes import ACHIEVEMENT, PROFILE, RECOMMENDATIONS, Change, ChangesAwayError

SEEN = Seen({("interactions", 1): 7}, 5, 6)


class Heard:
    """A stream of changes that a test speaks."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[list[Change] | None] = asyncio.Queue()
        self.away = False

    async def newest(self) -> str:
        if self.away:
            raise ChangesAwayError
        return "0-0"

    async def after(self, _entry_id: str) -> list[Change]:
        found = await self.queue.get()
        if found is None:
            raise ChangesAwayError
        return found

    async def close(self) -> None:
        """Nothing to end."""


class World:
    """Caches, the changes they hear, a clock, and a Postgres that counts questions."""

    def __init__(self) -> None:
        self.heard, self.now, self.asked = Heard(), 1_000_000, 0
        self.looked, self.passed = 0, dict[tuple[str, int], int]()
        self.metrics = Metrics()
        self.lists = KeptLists(lambda: self.now / 1000)
        self.waiting = Waiting(self.offsets, self.reached, OSError)
        self.caches = Caches(
            self.heard,  # type: ignore[arg-type]
            None,
            self.key,
            self.metrics,
            lambda: self.now,
            self.lists,
            self.waiting,
        )

    async def offsets(self) -> dict[tuple[str, int], int]:
        self.looked += 1
        return self.passed

    async def reached(self, _lists: object) -> dict[tuple[int, str], int]:
        return {}

    async def key(self, user_id: str) -> int:
        return len(user_id)

    async def make(self) -> tuple[bytes, Seen]:
        self.asked += 1
        mine = self.asked
        await asyncio.sleep(0)
        return b"%d" % mine, SEEN

    async def profile(self, user_id: str = "u", **how: bool) -> bytes:
        how = {"anew": False, "keep": True, **how}
        kept = await self.caches.of_learner("profile", user_id, {}, self.make, **how)
        assert kept is not None
        return kept.body

    async def changed(self, *learners: int, kind: str = PROFILE) -> None:
        self.now += 1
        await self.heard.queue.put([Change("1-1", kind, 1, learners, {})])
        await asyncio.sleep(0.01)
        self.now += 1


def run(test: Callable[[World], Awaitable[Any]]) -> None:
    """Runs a test on open caches."""

    async def main() -> None:
        world = World()
        await world.caches.open()
        await asyncio.sleep(0.01)
        world.now += 1
        await test(world)
        await world.caches.close()

    asyncio.run(main())


def test_an_answer_is_read_once() -> None:
    """Equal questions at the same time and for a while are one question; then it is asked again."""

    async def test(world: World) -> None:
        assert await asyncio.gather(*(world.profile() for _ in range(50))) == [b"1"] * 50
        assert await world.profile() == b"1"
        world.now += 5_001
        assert await world.profile() == b"2"

    run(test)


def test_changes_end_it() -> None:
    """A change of the learner, or one that may be anybody's, ends an answer; a change of another learner does not."""

    async def test(world: World) -> None:
        await world.profile()
        await world.changed(7)
        assert await world.profile() == b"1"
        await world.changed(1)
        assert await world.profile() == b"2"
        await world.changed()
        assert await world.profile() == b"3"
        shared = [await world.caches.shared("trending", "q", world.make, anew=False) for _ in range(2)]
        assert [kept.body for kept in shared if kept] == [b"4", b"4"]
        await world.changed(7)
        again = await world.caches.shared("trending", "q", world.make, anew=False)
        assert again is not None
        assert again.body == b"5"

    run(test)


def test_waiting_readers_hear_of_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader with a token looks again when anything changed, however seldom he would look by himself."""
    monkeypatch.setattr(waiting, "TOLD_SECONDS", 60.0)

    async def test(world: World) -> None:
        reader = asyncio.create_task(world.waiting.for_positions({("interactions", 3): 1}, 30, patient=True))
        await asyncio.sleep(0.1)
        looked = world.looked
        world.passed = {("interactions", 3): 1}
        await asyncio.sleep(0.1)
        assert world.looked == looked
        await world.changed(7, kind=ACHIEVEMENT)
        assert await asyncio.wait_for(reader, 10) is not None

    run(test)


def test_reading_that_began_before_a_change_is_not_kept() -> None:
    """An answer counts from when its reading began: a change meanwhile ends it."""

    async def test(world: World) -> None:
        gate = asyncio.Event()

        async def slow() -> tuple[bytes, Seen]:
            await gate.wait()
            return b"old", SEEN

        reading = asyncio.create_task(world.caches.of_learner("profile", "u", {}, slow, anew=False, keep=True))
        await asyncio.sleep(0)
        await world.changed(1)
        gate.set()
        await reading
        assert await world.profile() == b"1"

    run(test)


def test_nothing_is_kept_while_nobody_listens() -> None:
    """Without the stream every question is asked; once it is back, what is older is not believed."""

    async def test(world: World) -> None:
        await world.profile()
        world.heard.away = True
        await world.heard.queue.put(None)
        await asyncio.sleep(0.01)
        assert [await world.profile(), await world.profile()] == [b"2", b"3"]
        world.heard.away = False
        await asyncio.sleep(0.6)
        world.now += 1
        assert [await world.profile(), await world.profile()] == [b"4", b"4"]

    run(test)


def test_own_writes_and_tokens_are_read_anew() -> None:
    """After a write here, and for who presents a token, what lies ready does not serve."""

    async def test(world: World) -> None:
        await world.profile()
        assert await world.profile(anew=True) == b"2"
        assert await world.profile() == b"2"
        assert await world.profile(anew=True, keep=False) == b"3"
        assert await world.profile() == b"2"
        world.caches.written([b"u"])
        assert [await world.profile(), await world.profile()] == [b"4", b"5"]
        assert b'personalize_api_cache_reads_total{cache="profile",level="process"} 2.0' in world.metrics.exposition()

    run(test)


def _list(learner_key: int, text: bytes = b"[]") -> KeptList:
    ready = ready_list.pack([], generated_at_ms=0, as_of_ms=0)
    return KeptList(learner_key, 0, [], b'"x"', text, Shown("u", "hybrid", "hybrid", ready, text))


def test_a_list_lies_ready_until_it_may_have_changed() -> None:
    """A rewrite, or anything folded for its learner, ends it; so does what names nobody, time, and silence."""

    async def test(world: World) -> None:
        lists = world.lists

        def put(learner_key: int = 1) -> None:
            lists.put((b"/%d" % learner_key, b""), lists.now, _list(learner_key))

        def lies_ready() -> list[int]:
            return [key for key in (1, 2) if lists.get((b"/%d" % key, b""))]

        put(1), put(2)
        await world.changed(1, kind=ACHIEVEMENT)
        assert lies_ready() == [1, 2]
        await world.changed(1, 3, kind=RECOMMENDATIONS)
        assert lies_ready() == [2]
        await world.changed(2)
        assert lies_ready() == []
        put(1), put(2)
        await world.changed()
        assert lies_ready() == []
        put(1)
        world.now += 5_001
        assert lies_ready() == []
        put(1)
        world.heard.away = True
        await world.heard.queue.put(None)
        await asyncio.sleep(0.01)
        put(2)
        assert lies_ready() == []

    run(test)


def test_a_list_that_was_read_before_a_change_is_not_kept() -> None:
    """What was read while its learner's lists changed may be the old one; that of another learner is kept."""

    async def test(world: World) -> None:
        begun = world.lists.now
        await world.changed(1)
        for learner_key in (1, 2):
            world.lists.put((b"/%d" % learner_key, b""), begun, _list(learner_key))
        assert world.lists.get((b"/1", b"")) is None
        assert world.lists.get((b"/2", b"")) is not None

    run(test)


def test_the_oldest_lists_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists take a bounded number of bytes."""
    monkeypatch.setattr(kept_lists, "MOST_BYTES", 3 * (kept_lists.ENTRY_BYTES + 100))

    async def test(world: World) -> None:
        for number in range(5):
            world.lists.put((b"/%d" % number, b""), world.lists.now, _list(number, b"x" * 100))
        assert [bool(world.lists.get((b"/%d" % number, b""))) for number in range(5)] == [False] * 2 + [True] * 3

    run(test)


@pytest.mark.parametrize(
    ("given", "same"),
    [(b'"a"', True), (b'W/"a"', True), (b'"b", "a"', True), (b"*", True), (b'"b"', False), (b"a", False)],
)
def test_if_none_match(given: bytes, same: bool) -> None:
    """One version, several, or any."""
    assert not_modified({b"if-none-match": given}, b'"a"') is same
    assert not not_modified({}, b'"a"')


def test_versions_over_http(api: httpx.Client, fold: Fold) -> None:
    """A version is answered 304 until something changes; what was written is never hidden by it."""
    user = f"c-{uuid.uuid4().hex[:8]}"
    api.post("/api/content", json={"contentId": "c-1", "contentType": "video", "title": "One"})
    api.post("/api/interactions", json=interaction(user))
    fold()
    for path in (f"/api/recommendations/{user}", "/api/trending", "/api/analytics"):
        versions = until(lambda path=path: _twice(api, path))
        assert versions[1].status_code == 304
        assert versions[1].content == b""
        assert "content-length" not in versions[1].headers
        assert versions[1].headers["cache-control"] == "private, no-cache"
        assert api.get(path, headers={"if-none-match": '"else"'}).status_code == 200
    before = api.get(f"/api/profile/{user}")
    api.post("/api/interactions", json=interaction(user))
    fold()
    after = api.get(f"/api/profile/{user}", headers={"if-none-match": before.headers["etag"]})
    assert after.status_code == 200
    assert after.json()["freshness"]["position"] > before.json()["freshness"]["position"]


def test_a_list_is_served_from_the_process_until_it_is_rewritten(api: httpx.Client, fold: Fold) -> None:
    """Asked for again it lies ready, level by level; a rewrite is seen, and `no-cache` asks Redis."""
    user = f"l-{uuid.uuid4().hex[:8]}"
    path = f"/api/recommendations/{user}"
    api.post("/api/content", json={"contentId": "c-1", "contentType": "video", "title": "One"})
    api.post("/api/interactions", json=interaction(user))
    fold()
    before = _served(api)
    until(lambda: (api.get(path), _served(api))[1]["process"] > before["process"])
    now = _served(api)
    first = api.get(path)
    assert _served(api) == {**now, "process": now["process"] + 1}
    again = api.get(path, headers={"cache-control": "no-cache"})
    assert _served(api)["redis"] == now["redis"] + 1
    changing = {"x-request-id", "x-data-age-ms", "date"}
    assert again.content == first.content
    assert {**again.headers} | dict.fromkeys(changing) == {**first.headers} | dict.fromkeys(changing)
    assert api.get(path, headers={"if-none-match": first.headers["etag"]}).status_code == 304
    api.post("/api/interactions", json=interaction(user))
    fold()
    until(lambda: api.get(path).headers["x-position"] != first.headers["x-position"])


def test_equal_questions_for_a_list_are_one(api: httpx.Client, fold: Fold, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers that find a list neither here nor in Redis share one question to Postgres."""
    user = f"s-{uuid.uuid4().hex[:8]}"
    api.post("/api/content", json={"contentId": "c-1", "contentType": "video", "title": "One"})
    api.post("/api/interactions", json=interaction(user))
    fold()
    asked, stored = [], recommendations.stored

    async def slow(*what: Any) -> Any:
        asked.append(what)
        await asyncio.sleep(0.3)
        return await stored(*what)

    monkeypatch.setattr(recommendations, "stored", slow)
    with ThreadPoolExecutor(20) as readers:
        found = list(readers.map(lambda _: api.get(f"/api/recommendations/{user}?type=sequential"), range(20)))
    assert {answer.status_code for answer in found} == {200}
    assert len(asked) == 1


def _served(api: httpx.Client) -> dict[str, float]:
    """Lists served so far, by level."""
    found = re.findall(r'lists_served_total{source="(\w+)"} (\S+)', api.get("/metrics").text)
    return {source: float(count) for source, count in found}


def _twice(api: httpx.Client, path: str) -> list[httpx.Response] | None:
    """An answer and what its version gets, unless something changed between."""
    first = api.get(path)
    if "etag" not in first.headers:
        return None
    again = api.get(path, headers={"if-none-match": first.headers["etag"]})
    return [first, again] if again.status_code == 304 else None
