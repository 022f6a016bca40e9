"""Are the ready lists right after the faults?  Fresh for every learner, without completed content, the same in Redis.

Lists are derived, so there is no reference to compare each score with; what is promised of them is checked.
"""

from __future__ import annotations

from typing import Final

import redis

from personalize.bench.fault_tables import Database
from personalize.bench.fault_verdict import Verdict
from personalize.stack import Endpoints
from projections.recommendation_lists import KINDS

_VERSION_DIGITS: Final = 16

BEHIND: Final = """
SELECT count(*) FROM engagement LEFT JOIN (
    SELECT learner_key, min(applied_seq) AS listed_seq, count(*) AS kinds FROM recommendations GROUP BY learner_key
) AS listed USING (learner_key)
WHERE kinds IS NULL OR kinds < %s OR listed_seq < engagement.applied_seq
"""
EMPTY: Final = "SELECT count(*) FROM recommendations WHERE cardinality(item_keys) = 0"
COMPLETED: Final = """
SELECT count(*) FROM recommendations CROSS JOIN unnest(item_keys) AS listed (item_key)
JOIN preference USING (learner_key, item_key) WHERE completions > 0
"""
VERSIONS: Final = "SELECT learner_key, type, applied_seq FROM recommendations"


def lists_behind(database: Database) -> int:
    """Learners whose lists do not reflect their newest event yet."""
    row = database.execute(BEHIND, (len(KINDS),)).fetchone()
    return int(row[0]) if row else 0


def judge_lists(verdict: Verdict, database: Database, endpoints: Endpoints) -> None:
    """Notes what is wrong with the lists in Postgres and with their copies in Redis."""
    for query, what in ((EMPTY, "empty lists"), (COMPLETED, "listed items that the learner has completed")):
        row = database.execute(query.encode()).fetchone()
        verdict.note("wrong", row[0] if row else 0, what)
    newest = {(key, kind): version for key, kind, version in database.execute(VERSIONS).fetchall()}
    outdated = []
    with redis.Redis(host=endpoints.redis_host, port=endpoints.redis_port, password=endpoints.redis_password) as client:
        for key in client.scan_iter("recommendations:*", count=1000):
            _, learner, kind = key.decode().split(":", 2)
            stored = client.get(key)
            if stored is None or len(stored) <= _VERSION_DIGITS:
                continue
            if int(stored[:_VERSION_DIGITS], 16) != newest.get((int(learner), kind)):
                outdated.append((int(learner), kind))
    verdict.note("wrong", len(outdated), f"lists in Redis with another version than Postgres: {sorted(outdated)[:3]}")
