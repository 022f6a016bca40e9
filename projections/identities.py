"""Which surrogate stands for which platform id?  Learners, content and content types, with their fold inputs.

Keys are handed out in a transaction of their own: that a key exists says nothing, and a cache of keys stays right
when the batch that asked for it is rolled back.  Only the owner of a learner's partition changes the learner's zone
and consent, so its cache is right until the partition moves; the worker then calls ``clear``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from projections.stores.postgres import Connection

MAX_CACHED = 200_000
"""Entries a cache may hold before it is emptied (about 200 bytes each)."""

INSERT_LEARNERS = """
INSERT INTO learners (user_id) SELECT unnest(%(ids)s::text[]) ORDER BY 1 ON CONFLICT DO NOTHING
"""
SELECT_LEARNERS = """
SELECT user_id, learner_key, timezone, consent, day_start_hour FROM learners WHERE user_id = ANY (%(ids)s::text[])
"""
INSERT_CONTENT = """
INSERT INTO content (content_id, content_type)
SELECT * FROM unnest(%(ids)s::text[], %(types)s::text[]) ORDER BY 1 ON CONFLICT DO NOTHING
"""
SELECT_CONTENT = """
SELECT content_id, item_key, coalesce(duration_seconds, 'NaN') FROM content WHERE content_id = ANY (%(ids)s::text[])
"""
INSERT_TYPES = """
INSERT INTO content_types (name) SELECT unnest(%(names)s::text[]) ORDER BY 1 ON CONFLICT DO NOTHING
"""
SELECT_TYPES = "SELECT name, content_type_key FROM content_types"


class Learner(NamedTuple):
    """What a fold may know of a learner besides events."""

    key: int
    timezone: str
    consent: int
    day_start_hour: int = 0


class Content(NamedTuple):
    """What a fold may know of a piece of content besides events."""

    key: int
    duration_seconds: float


class Identities:
    """The surrogates, cached; asks ``connection`` (autocommit) for what it has not seen."""

    def __init__(self) -> None:
        self._learners: dict[str, Learner] = {}
        self._content: dict[str, Content] = {}
        self._types: dict[str, int] = {}

    def clear(self) -> None:
        """Forgets every learner; called when partitions move."""
        self._learners.clear()

    def declare(self, user_id: str, timezone: str, day_start_hour: int) -> None:
        """Takes over what a learner has declared just now."""
        known = self._learners.get(user_id)
        if known is not None:
            self._learners[user_id] = known._replace(timezone=timezone, day_start_hour=day_start_hour)

    def forget_learner(self, user_id: str) -> None:
        """Forgets one learner, whose consent or existence has changed."""
        self._learners.pop(user_id, None)

    def learners(self, connection: Connection, user_ids: Sequence[str]) -> list[Learner]:
        """The learners of these ids, in their order; unknown ones get a key."""
        cache = self._learners
        missing = [user_id for user_id in user_ids if user_id not in cache]
        if missing:
            if len(cache) + len(missing) > MAX_CACHED:
                cache.clear()
                missing = list(user_ids)
            ids = {"ids": sorted(set(missing))}
            rows = connection.execute(SELECT_LEARNERS, ids).fetchall()
            if len(rows) < len(ids["ids"]):
                connection.execute(INSERT_LEARNERS, ids)
                rows = connection.execute(SELECT_LEARNERS, ids).fetchall()
            cache.update({row[0]: Learner(*row[1:]) for row in rows})
        return [cache[user_id] for user_id in user_ids]

    def content(self, connection: Connection, content_ids: Sequence[str], types: Sequence[str]) -> list[Content]:
        """The content of these ids, in their order; unknown ones become stubs of the given content type."""
        cache = self._content
        missing = {c: t for c, t in zip(content_ids, types, strict=True) if c not in cache}
        if missing:
            if len(cache) + len(missing) > MAX_CACHED:
                cache.clear()
                missing = dict(zip(content_ids, types, strict=True))
            ids = {"ids": list(missing), "types": list(missing.values())}
            rows = connection.execute(SELECT_CONTENT, ids).fetchall()
            if len(rows) < len(missing):
                connection.execute(INSERT_CONTENT, ids)
                rows = connection.execute(SELECT_CONTENT, ids).fetchall()
            cache.update({row[0]: Content(*row[1:]) for row in rows})
        return [cache[content_id] for content_id in content_ids]

    def forget_content(self) -> None:
        """Forgets all content, whose durations may have changed; keys are looked up again."""
        self._content.clear()

    def content_types(self, connection: Connection, names: Sequence[str]) -> list[int]:
        """The keys of these content type names, in their order; new names get one."""
        missing = sorted({name for name in names if name not in self._types})
        if missing:
            connection.execute(INSERT_TYPES, {"names": missing})
            self._types = dict(connection.execute(SELECT_TYPES).fetchall())
        return [self._types[name] for name in names]
