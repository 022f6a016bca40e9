"""How are a learner's recommendations served thousands of times a second?  By cutting a ready list out of Redis.

What was served a moment ago lies ready in this process (`api.kept_lists`).  Else the way of a request is an id that is
known to this process, one key of a shared MGET, one slice.  Postgres answers when Redis does not have the list (and
refills it), and what is popular answers for learners who have no list yet.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from api.caches import not_modified
from api.dependencies import Dependencies
from api.edge import HOT_PREFIX
from api.freshness import TOKEN_HEADER, Awaited, timestamp
from api.ids import new_id
from api.impressions import Shown
from api.kept_lists import KeptList
from api.neighbours.finishing import Finishing
from api.parameters import TOKEN, identifier, one_of, query, whole_number
from api.problems import Answer, Headers, bad_parameter, unavailable
from api.remembered import Remembered
from projections.list_answers import stored_kind
from projections.reads import ready_list, recommendations
from projections.reads.ready_list import ReadyList
from projections.recommender import reranking
from projections.recommender.reranking import Context
from projections.stores.postgres_pool import Unavailable
from projections.stores.redis import Versioned, recommendations_key

KNOWN = frozenset({"limit", "type", "context", TOKEN})
TYPES = ("hybrid", "content_based", "collaborative", "sequential", "trending")
BEST = "hybrid"
"""The list that is served when no type is asked for."""
USUAL_LIMIT = 10
LARGEST_LIMIT = 100
LEARNERS_REMEMBERED = 100_000
"""Ids whose surrogate key this process remembers, at least; at most twice as many (about 200 bytes each)."""
POPULAR_SECONDS = 1.0
"""Readers without a list share one popular list for so long."""
POPULAR = "popular"
"""Where a list comes from that is the same for everybody."""
SEEN = "applied"
"""In tokens, beside the topics: the transaction that a list reflects.  Lists never go back, so nothing waits for it."""


class Asked(NamedTuple):
    """What a request asks for."""

    limit: int
    kind: str
    context: Context | None = None
    """What the reader is doing: reorders the stored list, so that Redis' ready one does not serve."""


class Found(NamedTuple):
    """A list, the transaction that it reflects (0: no particular one), and where it came from."""

    ready: ReadyList
    applied_seq: int
    source: str
    amended: bool = False
    """Whether it follows rules of the learner's that its version does not tell of."""


class Lists:
    """Answers ``GET /api/recommendations/:userId``."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self._learners: Remembered[int] = Remembered(LEARNERS_REMEMBERED)
        self._popular: ReadyList | None = None
        self._popular_at = -1e9
        self._making_popular = asyncio.Lock()
        self._asking: dict[tuple[bytes, str], asyncio.Task[Found]] = {}
        # Lists of one tick share their times, and a list is read more often than it is written.
        self._stamps = lru_cache(maxsize=16_384)(self._make_stamps)

    def at_once(self, scope: Any, headers: dict[bytes, bytes]) -> Answer | None:
        """The answer to a request, if it lies ready in this process."""
        dependencies = self._dependencies
        kept = dependencies.kept_lists.get((scope["raw_path"], scope["query_string"]))
        if kept is None or TOKEN_HEADER in headers or b"cache-control" in headers or not dependencies.experiments.idle:
            return None
        now_ms = dependencies.now_ms()
        dependencies.metrics.lists["process"].inc()
        answer = [(b"x-data-age-ms", b"%d" % max(0, now_ms - kept.generated_at_ms)), *kept.headers]
        if b"if-none-match" in headers and not_modified(headers, kept.etag):
            return Answer(304, answer, b"")
        dependencies.impressions.note(kept.shown, now_ms)
        return Answer(200, answer, kept.body)

    async def answer(self, scope: Any, headers: dict[bytes, bytes]) -> Answer:
        """The answer to one request; raises ProblemError."""
        segment: bytes = scope["raw_path"][len(HOT_PREFIX) :]
        query_string: bytes = scope["query_string"]
        asked = _asked(query_string)
        begun = self._dependencies.kept_lists.now
        arms: dict[str, str] = {}
        try:
            if not self._dependencies.experiments.idle and b"type=" not in query_string:
                asked, arms = await self._experimental(segment, asked)
            if TOKEN_HEADER in headers or b"token=" in query_string:
                found, awaited = await self._fresh(segment, asked, headers, query(query_string, KNOWN))
            else:
                found, awaited = await self._find(segment, asked, 0), _NOTHING_AWAITED
        except Unavailable:
            raise unavailable("Postgres") from None
        finishing = self._dependencies.finishing
        if finishing is not None:
            found = self._finished(segment, found, finishing)
        # Finished and amended lists and variations share a version with other lists: no tag tells them apart.
        etag = _etag(found) if finishing is None and not arms and not found.amended else b""
        answer = self._headers(found, awaited)
        if etag:
            answer.append((b"etag", etag))
            if not awaited.stale and not_modified(headers, etag):
                return Answer(304, answer, b"")
        body = found.ready.body(asked.limit)
        shown = self._note(segment, asked, found, body, arms)
        learner_key = self._learners.get(segment)
        if etag and shown is not None and learner_key is not None and awaited is _NOTHING_AWAITED:
            kept = KeptList(learner_key, found.ready.generated_at_ms, answer[1:], etag, body, shown)
            self._dependencies.kept_lists.put((scope["raw_path"], query_string), begun, kept)
        return Answer(200, answer, body)

    def _finished(self, segment: bytes, found: Found, finishing: Finishing) -> Found:
        if found.source == POPULAR:
            return found
        return found._replace(ready=finishing.finished(identifier(segment, "userId"), found.ready))

    async def _experimental(self, segment: bytes, asked: Asked) -> tuple[Asked, dict[str, str]]:
        """What to serve in place of what was asked for, and the experiments that say so."""
        served = await self._dependencies.experiments.serve(identifier(segment, "userId"))
        context = asked.context
        if served.factors:
            context = (context or Context())._replace(factors=served.factors)
        return Asked(asked.limit, served.kind or asked.kind, context), served.arms

    def _note(
        self, segment: bytes, asked: Asked, found: Found, body: bytes, arms: dict[str, str] | None = None
    ) -> Shown | None:
        """Takes note of what is served, for the topic `impressions`; None when there is nothing in it."""
        if not found.ready.ends:
            return None
        policy = POPULAR if found.source == POPULAR else asked.kind
        shown = Shown(identifier(segment, "userId"), asked.kind, policy, found.ready, body, arms or {})
        self._dependencies.impressions.note(shown, self._dependencies.now_ms())
        return shown

    async def _find(self, segment: bytes, asked: Asked, oldest_seq: int) -> Found:
        """The list to serve; one from Redis only if it reflects transaction ``oldest_seq``."""
        redis = self._dependencies.redis
        if redis is None:
            return await self._from_postgres(segment, asked, share=not oldest_seq)
        learner_key = self._learners.get(segment)
        if learner_key is None:
            known = await self._needed(segment)
            if known is None:
                return await self._popular_for(recommendations.NOBODY)
            learner_key = known.learner_key
        if asked.context is not None:
            return await self._from_postgres(segment, asked, share=False)
        stored = await redis.get(recommendations_key(learner_key, asked.kind))
        if stored is not None and stored.version >= oldest_seq:
            ready = _unpacked(stored.payload)
            if ready is not None and ready.ends and ready.holds(asked.limit):
                return Found(ready, stored.version, "redis")
        return await self._from_postgres(segment, asked, share=not oldest_seq)

    async def _needed(self, segment: bytes) -> recommendations.Needed | None:
        """What the learner's lists have to reflect; remembers the learner's key, None for an unknown learner."""
        found = await recommendations.needed(self._dependencies.pool, identifier(segment, "userId"))
        if found is not None:
            self._learners.put(segment, found.learner_key)
        return found

    async def _from_postgres(self, segment: bytes, asked: Asked, *, share: bool) -> Found:
        """The list as Postgres has it; who asks for the same meanwhile may take it too."""
        if not share or asked.context is not None:
            return await self._ask_postgres(segment, asked)
        question = (segment, asked.kind)
        asking = self._asking.get(question)
        if asking is None:
            asking = self._asking[question] = asyncio.create_task(self._ask_postgres(segment, asked))
            asking.add_done_callback(lambda _: self._asking.pop(question))
        # Shielded: a reader that gives up must not take the answer away from those who share it.
        return await asyncio.shield(asking)

    async def _ask_postgres(self, segment: bytes, asked: Asked) -> Found:
        user_id = identifier(segment, "userId")
        stored = await recommendations.stored(self._dependencies.pool, user_id, asked.kind, asked.context)
        if stored is None:
            known = await self._needed(segment)
            return await self._popular_for(known.learner_key if known else recommendations.NOBODY)
        # By the id, not by the remembered key: the learner may have been erased and come back under another.
        self._learners.put(segment, stored.learner_key)
        redis = self._dependencies.redis
        if redis is not None and asked.context is None:
            payload = ready_list.encode(stored.kept)
            await redis.put(recommendations_key(stored.learner_key, asked.kind), Versioned(stored.applied_seq, payload))
        if not stored.ready.ends:
            return await self._popular_for(stored.learner_key)
        return Found(stored.ready, stored.applied_seq, "postgres", stored.amended)

    async def _popular_for(self, learner_key: int) -> Found:
        dependencies = self._dependencies
        if learner_key != recommendations.NOBODY:
            now_ms = dependencies.now_ms()
            ready = await recommendations.popular(dependencies.pool, learner_key, new_id(), now_ms)
            return Found(ready, 0, POPULAR)
        loop = asyncio.get_running_loop()
        async with self._making_popular:  # one asks, the others take its answer
            if self._popular is None or loop.time() - self._popular_at >= POPULAR_SECONDS:
                now_ms = dependencies.now_ms()
                self._popular = await recommendations.popular(
                    dependencies.pool, recommendations.NOBODY, new_id(), now_ms
                )
                self._popular_at = loop.time()
        return Found(self._popular, 0, POPULAR)

    async def _fresh(
        self, segment: bytes, asked: Asked, headers: dict[bytes, bytes], parameters: dict[str, str]
    ) -> tuple[Found, Awaited]:
        """The list that reflects what the request's token names, or the newest there is, marked as stale."""
        dependencies = self._dependencies
        user_id = identifier(segment, "userId")
        awaited = await dependencies.freshness.wait(headers, parameters, dependencies.partition(user_id))
        if awaited.stale:
            return await self._find(segment, asked, 0), awaited
        needed = await self._needed(segment)
        if needed is None:
            return await self._popular_for(recommendations.NOBODY), awaited
        found = await self._find(segment, asked, needed.applied_seq)
        if found.applied_seq >= needed.applied_seq:
            return found, awaited
        wanted = (needed.learner_key, asked.kind)
        if dependencies.redis is not None and stored_kind(asked.kind) == BEST:
            await dependencies.redis.await_list(needed.learner_key)
        patient = dependencies.freshness.is_patient(headers)
        left = await dependencies.waiting.for_list(wanted, needed.applied_seq, awaited.seconds_left, patient=patient)
        if left is None:
            dependencies.metrics.stale.inc()
            return found, Awaited(awaited.presented, 0.0, stale=True)
        return await self._from_postgres(segment, asked, share=False), awaited

    async def one_of_many(self, user_id: str, asked: Asked, *, usual: bool) -> tuple[Found, str]:
        """The list of one learner that a request asks about among others, and its type; raises ProblemError.

        Args:
            user_id: the learner.
            asked: what is asked for.
            usual: no type was asked for, so that an experiment may choose.
        """
        segment = quote(user_id, safe="").encode()
        arms: dict[str, str] = {}
        try:
            if usual and not self._dependencies.experiments.idle:
                asked, arms = await self._experimental(segment, asked)
            found = await self._find(segment, asked, 0)
        except Unavailable:
            raise unavailable("Postgres") from None
        if self._dependencies.finishing is not None:
            found = self._finished(segment, found, self._dependencies.finishing)
        self._note(segment, asked, found, found.ready.body(asked.limit), arms)
        return found, asked.kind

    def _headers(self, found: Found, awaited: Awaited) -> Headers:
        dependencies = self._dependencies
        dependencies.metrics.lists[found.source].inc()
        ready = found.ready
        age_ms = max(0, dependencies.now_ms() - ready.generated_at_ms)
        headers = [(b"x-data-age-ms", b"%d" % age_ms), *self._stamps(found.applied_seq, ready.as_of_ms)]
        if awaited.presented:
            token = dependencies.freshness.token(_seen(found.applied_seq), awaited.presented)
            headers[-1] = (TOKEN_HEADER, token.encode())
        if awaited.stale:
            headers.append((b"x-stale", b"true"))
        return headers

    def _make_stamps(self, applied_seq: int, as_of_ms: int) -> Headers:
        """The headers that depend on nothing but what a list reflects, the token last."""
        headers: Headers = [(b"content-type", b"application/json"), (b"cache-control", b"private, no-cache")]
        if as_of_ms:
            headers.append((b"x-as-of", timestamp(as_of_ms)))
        if applied_seq:
            headers.append((b"x-position", b"applied@%d" % applied_seq))
        headers.append((TOKEN_HEADER, self._dependencies.freshness.token(_seen(applied_seq)).encode()))
        return headers


_NOTHING_AWAITED = Awaited({}, 0.0, stale=False)


def _etag(found: Found) -> bytes:
    """The version of a list that lies ready in Redis; b"" for lists that are made for the request."""
    if found.source != "redis":
        return b""
    return b'"%x-%x"' % (found.applied_seq, found.ready.generated_at_ms)


def _seen(applied_seq: int) -> dict[tuple[str, int], int]:
    return {(SEEN, 0): applied_seq}


@lru_cache(maxsize=4_096)
def _asked(query_string: bytes) -> Asked:
    parameters = query(query_string, KNOWN)
    return Asked(
        limit=whole_number(parameters, "limit", USUAL_LIMIT, 1, LARGEST_LIMIT),
        kind=one_of(parameters, "type", BEST, TYPES),
        context=_context(parameters),
    )


def _context(parameters: dict[str, str]) -> Context | None:
    text = parameters.get("context", "")
    return context_of(text) if text else None


def context_of(text: str) -> Context:
    """What a reader says to be doing; raises the problem of a text that is not understood."""
    context = reranking.parse(text)
    if context is None:
        raise bad_parameter(
            "context",
            'Send `topic:algebra`, or JSON with topic, contentType, contentId, pathId, device: {"topic":"algebra"}.',
        )
    return context


def _unpacked(payload: bytes) -> ReadyList | None:
    try:
        return ready_list.decode(payload)
    except msgspec.DecodeError:
        return None  # another version of this program wrote it; Postgres has it too
