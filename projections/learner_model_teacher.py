"""How do item difficulty and weights learn?  From every learner's attempts in log order, published as versions.

The recommender process owns this: it reads attempts from the log of record up to *settled* positions (behind which no
transaction is under way), predicts each, learns from it, and now and then publishes a version.  What it knows of single
learners lies in `learner_model_teacher`, so that a learner is forgotten by deleting a row; a restart goes on from the
newest version.  Only attempts are read, by an index of their own.
"""

from __future__ import annotations

import hashlib
import time
import zlib
from dataclasses import dataclass
from typing import Any, LiteralString

import numpy as np

from models.columns import COLUMNS, Interactions
from models.learner.accuracy import area_under_curve, calibration_error, log_loss
from models.learner.fold import fold
from models.learner.kernel import typical_difficulty
from models.learner.learners import Learners
from models.learner.of_interactions import attempt_rows
from projections import learner_model_versions
from projections.item_skills import attempts_in
from projections.locks import WRITERS_LOCK
from projections.stores.packed import packed_columns
from projections.stores.postgres import Connection

ATTEMPTS_A_STEP = 5_000
PUBLISH_ATTEMPTS = 5_000
PUBLISH_SECONDS = 60.0
"""A version is published after so many attempts, or so long after the last one if there were any."""
VERSIONS_KEPT = 100

NEWEST: LiteralString = """
SELECT version, folded_to, attempts FROM learner_model_version ORDER BY version DESC LIMIT 1
"""
LAST_SEQ: LiteralString = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM applied_seq"
# A writer takes the lock before its number, so that who holds none has finished with all numbers given out until now.
WRITERS: LiteralString = """
SELECT virtualtransaction FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 1 AND classid = (%(lock)s::bigint >> 32)::oid
  AND objid = (%(lock)s::bigint & 4294967295)::oid AND granted AND pid <> pg_backend_pid()
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
UPTO: LiteralString = """
SELECT max(applied_seq) FROM (
    SELECT applied_seq FROM interaction_log
    WHERE (success >= 0 OR score <> 'NaN') AND applied_seq > %(after)s AND applied_seq <= %(settled)s
    ORDER BY applied_seq LIMIT %(rows)s
) AS next
"""
ATTEMPTS: LiteralString = """
SELECT array_send(array_agg(learner_key)), array_send(array_agg(item_key)), array_send(array_agg(occurred_at)),
       array_send(array_agg(score)), array_send(array_agg(success)), array_send(array_agg(consent))
FROM (
    SELECT learner_key, item_key, occurred_at, score, success, consent FROM interaction_log
    WHERE (success >= 0 OR score <> 'NaN') AND applied_seq > %(after)s AND applied_seq <= %(upto)s
    ORDER BY applied_seq, ordinal
) AS attempt
"""
STATES: LiteralString = (
    "SELECT learner_key, state FROM learner_model_teacher WHERE learner_key = ANY (%(keys)s::bigint[])"
)
# Who is being erased has no identity any more, or soon: the row is not written, or goes with it.
PUT_STATES: LiteralString = """
INSERT INTO learner_model_teacher (learner_key, state)
SELECT new.learner_key, new.state FROM unnest(%(keys)s::bigint[], %(states)s::bytea[]) AS new (learner_key, state)
JOIN learners USING (learner_key) ORDER BY 1 FOR KEY SHARE OF learners
ON CONFLICT (learner_key) DO UPDATE SET state = excluded.state
"""
INSERT: LiteralString = """
INSERT INTO learner_model_version (version, folded_to, attempts, log_loss, digest, body)
VALUES (%(version)s, %(folded_to)s, %(attempts)s, %(log_loss)s, %(digest)s, %(body)s)
"""
PRUNE: LiteralString = "DELETE FROM learner_model_version WHERE version <= %(version)s"
SKILLS: LiteralString = """
UPDATE skill SET difficulty = new.difficulty
FROM unnest(%(keys)s::int[], %(difficulty)s::float8[]) AS new (skill_key, difficulty)
WHERE skill.skill_key = new.skill_key AND skill.difficulty <> new.difficulty
"""
ITEMS: LiteralString = """
INSERT INTO item_difficulty (item_key, difficulty, variance, version)
SELECT u.*, %(version)s FROM unnest(%(keys)s::bigint[], %(difficulty)s::float8[], %(variance)s::float8[]) AS u
ON CONFLICT (item_key) DO UPDATE SET
    difficulty = excluded.difficulty, variance = excluded.variance, version = excluded.version
"""
LOCK_ALONE: LiteralString = "SELECT pg_advisory_xact_lock(%(lock)s)"
PUBLISH: LiteralString = """
UPDATE learner_model_version SET valid_from = nextval('applied_seq') WHERE version = %(version)s
"""


@dataclass(slots=True)
class Taught:
    """What one step did."""

    attempts: int = 0
    published: int = 0
    """Version that was published; 0: none."""
    auc: float = float("nan")
    log_loss: float = float("nan")
    calibration_error: float = float("nan")
    """Of the predictions since the version before, each made before its attempt was learnt from."""


class Teacher:
    """The one writer of the shared state; not thread-safe."""

    def __init__(self, connection: Connection, *, now: Any = time.monotonic) -> None:
        connection.execute("SET enable_seqscan = off")
        self._connection = connection
        self._now = now
        row = connection.execute(NEWEST).fetchone()
        self.version: int
        self.folded_to: int
        self.attempts: int
        self.version, self.folded_to, self.attempts = row if row else (0, 0, 0)
        self.shared = learner_model_versions.read(connection, self.version).published(self.version)
        self._learners = Learners()
        self._touched: set[int] = set()
        self._items: set[int] = set()
        self._skills: set[int] = set()
        self._said: list[np.ndarray[Any, Any]] = []
        self._unpublished = 0
        self._published_at = now()
        self._seen: tuple[int, set[str]] | None = None

    def step(self) -> Taught:
        """Learns from the next attempts, and publishes a version when it is time."""
        taught = Taught(attempts=self._learn())
        due = self._now() - self._published_at >= PUBLISH_SECONDS
        if self._unpublished and (due or self._unpublished >= PUBLISH_ATTEMPTS):
            self.publish(taught)
        return taught

    def publish(self, taught: Taught | None = None) -> Taught:
        """Stores a version, then makes it the one that transactions fold with from now on."""
        taught = taught or Taught()
        connection, version = self._connection, self.version + 1
        outcome, said = np.concatenate(self._said).T if self._said else np.empty((2, 0))
        taught.auc, taught.log_loss = area_under_curve(outcome, said), log_loss(outcome, said)
        taught.calibration_error = calibration_error(outcome, said)
        self.shared.version = version
        body = self.shared.to_bytes()
        with connection.transaction():
            connection.execute(
                INSERT,
                {
                    "version": version,
                    "folded_to": self.folded_to,
                    "attempts": self.attempts,
                    "log_loss": taught.log_loss,
                    "digest": hashlib.sha256(body).hexdigest(),
                    "body": zlib.compress(body, 1),
                },
            )
            connection.execute(PRUNE, {"version": version - VERSIONS_KEPT})
            self._put_learners()
            self._put_difficulty(version)
        with connection.transaction():
            connection.execute(LOCK_ALONE, {"lock": WRITERS_LOCK})
            connection.execute(PUBLISH, {"version": version})
        self.version = taught.published = version
        self._said, self._unpublished, self._published_at = [], 0, self._now()
        self._items, self._skills, self._touched = set(), set(), set()
        self._learners = Learners()  # so that nobody who was erased stays in memory
        return taught

    def _learn(self) -> int:
        """Folds the attempts that are settled, at most about `ATTEMPTS_A_STEP`; how many there were."""
        settled = self._settled()
        bounds = {"after": self.folded_to, "settled": settled, "rows": ATTEMPTS_A_STEP}
        row = self._connection.execute(UPTO, bounds).fetchone()
        upto = row[0] if row else None
        if upto is None:
            self.folded_to = max(self.folded_to, settled)
            return 0
        batch = self._read(upto)
        rows = attempt_rows(batch)
        if len(rows):
            attempts = attempts_in(self._connection, batch, rows)
            self._load(attempts.learner)
            said = fold(self.shared, self._learners, attempts)
            self._said.append(np.column_stack([attempts.success, said.probability]))
            self._touched.update(attempts.learner.tolist())
            self._items.update(attempts.item.tolist())
            self._skills.update(attempts.skills.tolist())
        self.folded_to = upto
        self.attempts += len(rows)
        self._unpublished += len(rows)
        return len(rows)

    def _settled(self) -> int:
        """The newest position of which it is known that no transaction at or before it is under way."""
        if self._seen is None:
            row = self._connection.execute(LAST_SEQ).fetchone()
            self._seen = (int(row[0]) if row else 0, self._writers())
        position, writing = self._seen
        if writing and not writing.isdisjoint(self._writers()):
            return self.folded_to
        self._seen = None
        return position

    def _writers(self) -> set[str]:
        return {name for (name,) in self._connection.execute(WRITERS, {"lock": WRITERS_LOCK}).fetchall()}

    def _read(self, upto: int) -> Interactions:
        """The attempts up to a position; columns that the model does not look at are empty of meaning."""
        types = (np.int64, np.int64, "datetime64[ms]", np.float32, np.int16, np.int32)
        bounds = {"after": self.folded_to, "upto": upto}
        found = packed_columns(self._connection, ATTEMPTS, bounds, types)
        given = dict(zip(("learner", "item", "at_ms", "score", "success", "consent"), found, strict=True))
        return Interactions(
            **{name: given.get(name, np.zeros(len(found[0]), dtype)) for name, dtype in COLUMNS.items()}
        )

    def _load(self, learner: np.ndarray[Any, Any]) -> None:
        """Takes in what is stored of learners that are not held."""
        missing = [key for key in np.unique(learner).tolist() if key not in self._learners]
        if missing:
            rows = self._connection.execute(STATES, {"keys": missing}).fetchall()
            self._learners.load_many({key: bytes(state) for key, state in rows})

    def _put_learners(self) -> None:
        keys = sorted(self._touched)
        self._connection.execute(PUT_STATES, {"keys": keys, "states": [self._learners.dump(key) for key in keys]})

    def _put_difficulty(self, version: int) -> None:
        items, skills = np.array(sorted(self._items), np.int64), np.array(sorted(self._skills), np.int32)
        rating = self.shared.tables.item_rating[items]
        typical = [typical_difficulty(self.shared.tables.skill_rating[key]) for key in skills.tolist()]
        self._connection.execute(
            ITEMS,
            {
                "keys": items,
                "difficulty": np.ascontiguousarray(rating[:, 0]),
                "variance": np.ascontiguousarray(rating[:, 1]),
                "version": version,
            },
        )
        self._connection.execute(SKILLS, {"keys": skills, "difficulty": np.array(typical, np.float64)})
