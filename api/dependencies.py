"""What do the routes work with?  Stores, producer and bookkeeping, made once and handed to everything."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.access.access import Access
from api.access.audit import Audit, pseudonyms
from api.access.key_sets import KeySet, source
from api.access.keys import Keys, loader
from api.access.rate_limits import RateLimits
from api.access.sessions import Sessions
from api.access.web_tokens import WebTokens, WebTokenSettings
from api.badges import BadgeIssuer
from api.caches import Caches
from api.experiments import Experiments
from api.freshness import Freshness
from api.impressions import Impressions
from api.kept_lists import KeptLists
from api.limits import Limits
from api.metrics import Metrics
from api.neighbours.finishing import Finishing, finishing
from api.neighbours.settings import NeighbourSettings
from api.publisher import Publisher
from api.stream import Streams
from api.tokens import Tokens
from api.waiting import Waiting
from models.trending import DEFAULT_WINDOW
from projections.reads import learners, recommendations, trending
from projections.reads.freshness import NEXT_OFFSETS
from projections.reads.trending import TrendingQuestion
from projections.stores.postgres_appender import Appender
from projections.stores.postgres_pool import ReadPool, Unavailable
from projections.stores.redis import Reader, RedisAddress
from projections.stores.redis_bookkeeping import Bookkeeping
from projections.stores.redis_changes import Changes
from schemas.partitioning import partition_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """What the API has to be told."""

    database_url: str
    kafka_bootstrap_servers: str
    token_secret: str
    redis: RedisAddress | None = None
    """None: lists are read from Postgres."""
    badges: BadgeIssuer = field(default_factory=lambda: BadgeIssuer(key=Ed25519PrivateKey.generate()))
    """Who signs credentials; by default somebody new."""
    migration_head: str
    """The revision that the database must stand at (``projections.migrate.head()``)."""
    partitions: int = 8
    """Partitions of the learner-keyed topics."""
    pool_size: int = 4
    limits: Limits = field(default_factory=Limits)
    hosts: frozenset[str] = frozenset({"127.0.0.1"})
    """Names with a dot that the Host header may have; names without one are always good."""
    web_tokens: WebTokenSettings | None = None
    """Which web tokens are accepted; None: none."""
    access_required: bool = False
    """Credentials are asked for even while there never was a key."""
    origins: frozenset[str] = frozenset()
    """Sites whose pages may call (CORS), as browsers name them: https://example.org."""
    neighbours: NeighbourSettings = field(default_factory=NeighbourSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """Everything that routes use."""

    settings: ApiSettings
    pool: ReadPool
    redis: Reader | None
    publisher: Publisher
    tokens: Tokens
    waiting: Waiting
    freshness: Freshness
    metrics: Metrics
    access: Access
    caches: Caches
    kept_lists: KeptLists
    """Lists that lie ready in this process."""
    bookkeeping: Bookkeeping | None
    """Counts and answers that processes share; None without Redis."""
    streams: Streams | None
    """None without Redis."""
    impressions: Impressions
    finishing: Finishing | None
    """None without other services."""
    experiments: Experiments
    now_ms: Callable[[], int]

    @property
    def limits(self) -> Limits:
        """The bounds that requests are held to."""
        return self.settings.limits

    def partition(self, user_id: str) -> int:
        """The partition that a learner's records stand in."""
        return partition_of(user_id.encode(), self.settings.partitions)

    async def open(self) -> None:
        """Starts connecting; servers that are away now may come later."""
        await self.pool.open()
        await self.publisher.open()
        await self.access.open()
        await self.caches.open()
        self.impressions.open()

    async def close(self) -> None:
        """Ends what was opened, the producer after what it accepted."""
        if self.streams is not None:
            await self.streams.close()
        if self.finishing is not None:
            await self.finishing.close()
        await self.waiting.close()
        await self.access.close()
        await self.caches.close()
        await self.impressions.close()
        await self.publisher.close()
        if self.bookkeeping is not None:
            await self.bookkeeping.close()
        if self.redis is not None:
            await self.redis.close()
        await self.pool.close()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def build(settings: ApiSettings, now_ms: Callable[[], int] = _now_ms) -> Dependencies:
    """The dependencies of these settings; nothing is opened yet.  Call it inside the event loop that serves."""
    pool = ReadPool(settings.database_url, settings.pool_size, settings.limits.answer_seconds)
    redis = Reader(settings.redis) if settings.redis is not None else None
    publisher = Publisher(settings.kafka_bootstrap_servers, settings.limits.answer_seconds)
    metrics = Metrics()
    tokens = Tokens(settings.token_secret)
    waiting = Waiting(partial(_next_offsets, pool), partial(recommendations.reached, pool), Unavailable)
    bookkeeping = Bookkeeping(settings.redis) if settings.redis is not None else None
    heard = Changes(settings.redis) if settings.redis is not None else None
    kept_lists = KeptLists(time.monotonic)
    made = Dependencies(
        settings=settings,
        pool=pool,
        redis=redis,
        publisher=publisher,
        tokens=tokens,
        waiting=waiting,
        freshness=Freshness(tokens, waiting, settings.limits, metrics),
        metrics=metrics,
        access=_access(settings, pool, bookkeeping, now_ms),
        caches=Caches(heard, redis, partial(learners.key, pool), metrics, now_ms, kept_lists, waiting),
        kept_lists=kept_lists,
        bookkeeping=bookkeeping,
        streams=_streams(settings, pool, now_ms),
        finishing=finishing(settings.neighbours, partial(learners.consents_to_share, pool), metrics),
        impressions=Impressions(publisher, lambda key: partition_of(key, settings.partitions)),
        experiments=Experiments(pool, time.monotonic),
        now_ms=now_ms,
    )
    _watch(made)
    return made


async def _next_offsets(pool: ReadPool) -> dict[tuple[str, int], int]:
    rows = await pool.rows(NEXT_OFFSETS)
    return {(topic, part): next_offset for topic, part, next_offset in rows}


def _streams(settings: ApiSettings, pool: ReadPool, now_ms: Callable[[], int]) -> Streams | None:
    if settings.redis is None:
        return None

    async def fetch_trending() -> Any:
        return (await trending.read(pool, TrendingQuestion(window=DEFAULT_WINDOW), now_ms())).items

    return Streams(
        Changes(settings.redis),
        fetch_trending,
        partial(learners.key, pool),
        partial(learners.ids, pool),
        Unavailable,
        settings.limits.stream_seconds,
    )


def _watch(made: Dependencies) -> None:
    """Lets the metrics show what the parts count themselves."""
    metrics, audit, impressions = made.metrics, made.access.audit, made.impressions
    metrics.watch("readers_waiting", "Reads waiting for a write to become visible.", lambda: made.waiting.count)
    metrics.count("readers_refused", "Reads that found too many waiting.", lambda: made.waiting.refused)
    metrics.watch("audit_entries_waiting", "Entries of the audit log not written yet.", lambda: audit.waiting)
    metrics.count("audit_entries_lost", "Entries of the audit log lost for want of room.", lambda: audit.dropped_ever)
    metrics.count("rate_limited", "Requests refused for their number.", lambda: made.access.limits.refused)
    metrics.count("impressions_published", "Served lists told to Kafka.", lambda: impressions.published)
    metrics.count("impressions_dropped", "Served lists that found no room.", lambda: impressions.dropped)
    metrics.watch("impressions_waiting", "Served lists not told yet.", lambda: impressions.waiting)
    metrics.watch("records_in_flight", "Records Kafka has not acknowledged.", lambda: made.publisher.in_flight)
    metrics.watch(
        "postgres_requests_waiting",
        "Reads waiting for a connection.",
        lambda: made.pool.measures().get("requests_waiting", 0),
    )
    streams, redis = made.streams, made.redis
    if streams is not None:
        metrics.watch("stream_clients", "Clients of GET /api/stream.", lambda: streams.count)
    if redis is not None:
        metrics.count("redis_failures", "Batches of reads that Redis did not answer.", lambda: redis.failures)


def _access(
    settings: ApiSettings, pool: ReadPool, bookkeeping: Bookkeeping | None, now_ms: Callable[[], int]
) -> Access:
    pseudonym = pseudonyms(settings.token_secret)
    web_tokens = None
    if settings.web_tokens is not None:
        web_tokens = WebTokens(settings.web_tokens, KeySet(source(settings.web_tokens.key_source)), pseudonym)
    return Access(
        Keys(loader(pool)),
        web_tokens,
        Sessions(settings.token_secret),
        Audit(Appender(settings.database_url), pseudonym, now_ms),
        RateLimits(bookkeeping),
        required=settings.access_required,
        origins=settings.origins,
        answer_seconds=settings.limits.answer_seconds,
    )
