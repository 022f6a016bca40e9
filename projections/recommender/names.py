"""Which surrogate keys do the ids of a piece have?  Looked up only, never made: the worker has made them before.

An unknown learner was erased after the event, and an unknown content was never accepted: their events are passed over.
A learner who did not consent to personalisation is not folded either.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import LiteralString, NamedTuple

import numpy as np

from models.columns import CONSENT_PERSONALISE, Int64, Mask
from projections.identities import MAX_CACHED
from projections.stores.postgres import Connection

SELECT_LEARNERS: LiteralString = """
SELECT user_id, learner_key, consent FROM learners WHERE user_id = ANY (%(ids)s::text[])
"""
SELECT_CONTENT: LiteralString = "SELECT content_id, item_key FROM content WHERE content_id = ANY (%(ids)s::text[])"
GONE: LiteralString = """
SELECT held.learner_key FROM unnest(%(learners)s) AS held (learner_key)
WHERE held.learner_key > 0 AND NOT EXISTS (SELECT FROM learners WHERE learners.learner_key = held.learner_key)
"""
UNKNOWN = 0
"""The key of an id that is not folded."""


class _Learner(NamedTuple):
    key: int
    consent: int


_NOBODY = _Learner(UNKNOWN, 0)


class Names:
    """The keys of ids, cached."""

    def __init__(self) -> None:
        self._learners: dict[str, _Learner] = {}
        self._contents: dict[str, int] = {}

    def learners(self, connection: Connection, user_ids: Sequence[str]) -> tuple[Int64, Mask]:
        """(n,) learner keys, UNKNOWN for erased ones; and (n,) whether their events may be folded."""
        self._look_up_learners(connection, set(user_ids))
        found = [self._learners.get(user_id, _NOBODY) for user_id in user_ids]
        keys = np.array([one.key for one in found], np.int64)
        return keys, np.array([bool(one.consent & CONSENT_PERSONALISE) for one in found], bool)

    def learner_keys(self, connection: Connection, user_ids: Collection[str]) -> list[int]:
        """The keys of the known ones among these learners, whatever they consented to."""
        self._look_up_learners(connection, set(user_ids))
        return [one.key for user_id in user_ids if (one := self._learners.get(user_id))]

    def contents(self, connection: Connection, content_ids: Sequence[str]) -> Int64:
        """(n,) item keys; UNKNOWN for ids that nothing is known by."""
        missing = set(content_ids) - self._contents.keys()
        if missing:
            if len(self._contents) + len(missing) > MAX_CACHED:
                self._contents.clear()
                missing = set(content_ids)
            rows = connection.execute(SELECT_CONTENT, {"ids": sorted(missing)}).fetchall()
            self._contents.update(dict(rows))
        held = self._contents
        return np.array([held.get(content_id, UNKNOWN) for content_id in content_ids], np.int64)

    def forget(self, user_ids: Collection[str]) -> None:
        """Forgets learners whose consent or existence may have changed."""
        for user_id in user_ids:
            self._learners.pop(user_id, None)

    def clear(self) -> None:
        """Forgets everybody."""
        self._learners.clear()
        self._contents.clear()

    def _look_up_learners(self, connection: Connection, user_ids: set[str]) -> None:
        missing = user_ids - self._learners.keys()
        if not missing:
            return
        if len(self._learners) + len(missing) > MAX_CACHED:
            self._learners.clear()
            missing = user_ids
        rows = connection.execute(SELECT_LEARNERS, {"ids": sorted(missing)}).fetchall()
        self._learners.update({user_id: _Learner(key, consent) for user_id, key, consent in rows})


def gone(connection: Connection, learner_keys: Int64) -> list[int]:
    """Those of the keys whose learner was erased."""
    return [row[0] for row in connection.execute(GONE, {"learners": learner_keys}).fetchall()]
