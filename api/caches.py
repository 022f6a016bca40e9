"""Which answers lie ready?  Those that were asked for a moment ago, until something they say changes.

A learner's answers stay in this process: they hold what the learner declared, which belongs nowhere else.  Answers
about everybody also lie in Redis, for all processes.  What was folded is heard from the stream of changes, so an answer
counts only if it was begun after the newest change of its learner (or of anybody, if it is about everybody).  While the
stream is not heard nothing is kept at all: slower, never wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping
from typing import NamedTuple

import msgspec

from api.kept_lists import KeptLists
from api.metrics import Metrics
from api.remembered import Remembered
from api.waiting import Waiting
from projections.reads.freshness import Seen
from projections.stores.redis import Reader, Versioned
from projections.stores.redis_changes import PROFILE, RECOMMENDATIONS, Change, Changes, ChangesAwayError

LEARNER_SECONDS = 5.0
SHARED_SECONDS = 15.0
MOST_BYTES = 64 * 1024 * 1024
"""Bodies kept in this process."""
LEARNERS_REMEMBERED = 100_000
RECONNECT_SECONDS = 0.5


class Kept(NamedTuple):
    """An answer that lies ready."""

    made_at_ms: int
    """When reading it began."""
    etag: bytes
    seen: Seen
    body: bytes


Make = Callable[[], Awaitable[tuple[bytes, Seen] | None]]
"""Reads the answer from Postgres: body and what it reflects; None when there is nothing."""
_Stored = tuple[int, bytes, list[tuple[str, int, int]], int, int, bytes]
_decode = msgspec.msgpack.Decoder(_Stored).decode
_encode = msgspec.msgpack.Encoder().encode


class Caches:
    """Keeps answers.

    Args:
        changes: what was folded; None: nothing is kept.
        redis: where answers about everybody lie for all processes.
        learner_key: the surrogate key of a learner; asked once a learner.
        metrics: where hits are counted.
        now_ms: Unix milliseconds.
        lists: is told of what ends lists, and while nobody listens.
        waiting: is told that something changed, and while nobody listens.
    """

    def __init__(
        self,
        changes: Changes | None,
        redis: Reader | None,
        learner_key: Callable[[str], Awaitable[int | None]],
        metrics: Metrics,
        now_ms: Callable[[], int],
        lists: KeptLists,
        waiting: Waiting,
    ) -> None:
        self._changes = changes
        self._redis = redis
        self._learner_key = learner_key
        self._now_ms = now_ms
        self._reads = metrics.cache_reads
        self._lists = lists
        self._waiting = waiting
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._bytes = 0
        self._keys: Remembered[int] = Remembered(LEARNERS_REMEMBERED)
        self._changed: Remembered[int] = Remembered(LEARNERS_REMEMBERED)
        self._written: Remembered[int] = Remembered(LEARNERS_REMEMBERED)
        self._all_changed_ms = 0
        self._any_changed_ms = 0
        self._heard = False
        self._making: dict[str, asyncio.Task[Kept | None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Starts listening to changes."""
        if self._changes is not None:
            self._task = asyncio.create_task(self._listen())

    async def close(self) -> None:
        """Stops listening."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._changes is not None:
            await self._changes.close()

    def written(self, user_ids: Iterable[bytes]) -> None:
        """Notes that something was published for learners here: their next reads go to Postgres."""
        until = self._now_ms() + round(LEARNER_SECONDS * 1000)
        for user_id in user_ids:
            self._written.put(user_id, until)

    async def of_learner(
        self, kind: str, user_id: str, question: Mapping[str, str], make: Make, *, anew: bool, keep: bool
    ) -> Kept | None:
        """A learner's answer; ``anew`` reads it whatever lies ready, ``keep`` lets others have it too."""
        anew = anew or not self._heard or (self._written.get(user_id.encode()) or 0) > self._now_ms()
        name = f"{kind}\0{user_id}\0{sorted(question.items())}"
        kept = None if anew else self._find(name, LEARNER_SECONDS)
        if kept is not None and kept.made_at_ms > (self._changed.get(await self._key(user_id)) or 0):
            self._reads[kind, "process"].inc()
            return kept
        return await self._once(name, kind, make, share=not anew, keep=keep)

    async def shared(self, kind: str, question: Hashable, make: Make, *, anew: bool) -> Kept | None:
        """An answer about everybody."""
        anew = anew or not self._heard
        name = f"{kind}\0{question!r}"
        kept = None if anew else self._find(name, SHARED_SECONDS)
        if kept is not None and kept.made_at_ms > self._any_changed_ms:
            self._reads[kind, "process"].inc()
            return kept
        key = f"cache:{kind}:{hashlib.sha256(repr(question).encode()).hexdigest()}".encode()
        if not anew and self._redis is not None:
            stored = await self._redis.get(key)
            found = _unpacked(stored.payload) if stored is not None else None
            if found is not None and self._is_good(found, self._any_changed_ms, SHARED_SECONDS):
                self._keep(name, found)
                self._reads[kind, "redis"].inc()
                return found
        made = await self._once(name, kind, make, share=not anew, keep=True)
        if made is not None and self._redis is not None and self._heard:
            await self._redis.put(key, Versioned(made.made_at_ms, _packed(made)), round(SHARED_SECONDS))
        return made

    async def _key(self, user_id: str) -> bytes:
        known = self._keys.get(user_id.encode())
        if known is None:
            known = await self._learner_key(user_id) or 0
            if known:
                self._keys.put(user_id.encode(), known)
        return b"%d" % known

    def _is_good(self, kept: Kept, changed_ms: int, seconds: float) -> bool:
        begun = kept.made_at_ms
        return begun > max(changed_ms, self._all_changed_ms) and begun > self._now_ms() - seconds * 1000

    def _find(self, name: str, seconds: float) -> Kept | None:
        kept = self._kept.get(name)
        if kept is None or not self._is_good(kept, 0, seconds):
            return None
        self._kept.move_to_end(name)
        return kept

    async def _once(self, name: str, kind: str, make: Make, *, share: bool, keep: bool) -> Kept | None:
        """Reads an answer; whoever asks for the same meanwhile takes it too, unless it has to be begun now."""
        task = self._making.get(name) if share else None
        if task is None:
            task = asyncio.create_task(self._make(name, kind, make, keep))
            if share:
                self._making[name] = task
                task.add_done_callback(lambda _: self._making.pop(name, None))
        return await asyncio.shield(task)

    async def _make(self, name: str, kind: str, make: Make, keep: bool) -> Kept | None:
        begun = self._now_ms()
        self._reads[kind, "postgres"].inc()
        made = await make()
        if made is None:
            return None
        body, seen = made
        kept = Kept(begun, b'"%x-%b"' % (begun, os.urandom(6).hex().encode()), seen, body)
        if self._heard and keep:
            self._keep(name, kept)
        return kept

    def _keep(self, name: str, kept: Kept) -> None:
        before = self._kept.pop(name, None)
        self._bytes += len(kept.body) - (len(before.body) if before is not None else 0)
        self._kept[name] = kept
        while self._bytes > MOST_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest.body)

    async def _listen(self) -> None:
        changes = self._changes
        assert changes is not None
        while True:
            try:
                at = await changes.newest()
                # What happened while nobody listened is not known: everything kept so far is too old.
                self._all_changed_ms = self._now_ms()
                self._hearing(heard=True)
                while True:
                    for change in await changes.after(at):
                        at = change.entry_id
                        self._hear(change)
                        await asyncio.sleep(0)  # an entry may name a thousand learners, and many may wait
            except ChangesAwayError:
                self._hearing(heard=False)
                await asyncio.sleep(RECONNECT_SECONDS)

    def _hearing(self, *, heard: bool) -> None:
        self._heard = heard
        self._lists.hear(heard=heard)
        self._waiting.hear(heard=heard)

    def _hear(self, change: Change) -> None:
        self._waiting.told()
        if change.kind in {PROFILE, RECOMMENDATIONS}:
            self._lists.forget(change.learners)
        if change.kind == PROFILE:
            self._note(change.learners)

    def _note(self, learners: tuple[int, ...]) -> None:
        now_ms = self._now_ms()
        self._any_changed_ms = now_ms
        if not learners:
            self._all_changed_ms = now_ms
        for learner_key in learners:
            self._changed.put(b"%d" % learner_key, now_ms)


def not_modified(headers: dict[bytes, bytes], etag: bytes) -> bool:
    """Whether the client has this version already (RFC 9110: one, several or any)."""
    given = headers.get(b"if-none-match")
    if given is None:
        return False
    return given.strip() == b"*" or etag in (part.strip().removeprefix(b"W/") for part in given.split(b","))


def _packed(kept: Kept) -> bytes:
    seen = kept.seen
    positions = [(topic, part, offset) for (topic, part), offset in seen.positions.items()]
    return _encode((kept.made_at_ms, kept.etag, positions, seen.as_of_ms, seen.moved_at_ms, kept.body))


def _unpacked(payload: bytes) -> Kept | None:
    try:
        made_at_ms, etag, positions, as_of_ms, moved_at_ms, body = _decode(payload)
    except msgspec.DecodeError:
        return None
    seen = Seen({(topic, part): offset for topic, part, offset in positions}, as_of_ms, moved_at_ms)
    return Kept(made_at_ms, etag, seen, body)
