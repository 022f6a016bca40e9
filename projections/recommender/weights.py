"""Which weights does the blend have, which had it before, and with which does a new platform begin?

A version is kept every `EVENTS_A_VERSION` events learnt from, so that a bad turn can be taken back: a rollback is a row
that the running recommender finds within seconds.  Weights are stored with the names of their sources and features, so
that a version stays readable when sources come or go.  The shipped prior was learnt from the public MARS log of course
visits (Hafsa et al. 2022); it only decides how the first few thousand events are ranked.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, LiteralString, NamedTuple

import msgspec
import numpy as np

from models.columns import Float64
from models.recommendation.blend import BUCKETS, FEATURES, KINDS
from models.recommendation.sources import NAMES
from projections.stores.postgres import Connection

EVENTS_A_VERSION = 2_000
VERSIONS_KEPT = 200
PRIOR = Path(__file__).with_name("prior_weights.json")
_ITEM_FEATURES = ("idle", "age")
_KIND_NAMES = ("share", "log", "level")

INSERT: LiteralString = """
INSERT INTO recommender_weights (origin, learnt, hr_at_10, ndcg_at_10, body)
VALUES (%(origin)s, %(learnt)s, %(hr)s, %(ndcg)s, %(body)s) RETURNING version
"""
PRUNE: LiteralString = """
DELETE FROM recommender_weights AS old
WHERE old.version <= (SELECT max(version) FROM recommender_weights) - %(kept)s
  AND NOT EXISTS (SELECT FROM recommender_rollback AS asked WHERE asked.version = old.version)
"""
LIST: LiteralString = """
SELECT version, created_at, origin, learnt, hr_at_10, ndcg_at_10 FROM recommender_weights ORDER BY version DESC LIMIT 50
"""
BODY: LiteralString = "SELECT body FROM recommender_weights WHERE version = %(version)s"
NEWEST: LiteralString = "SELECT coalesce(max(learnt), 0) FROM recommender_weights"
ASK: LiteralString = """
INSERT INTO recommender_rollback (version) SELECT version FROM recommender_weights WHERE version = %(version)s
RETURNING request_id
"""
ASKED: LiteralString = """
SELECT request_id, version FROM recommender_rollback WHERE done_at IS NULL ORDER BY request_id DESC LIMIT 1
"""
DONE: LiteralString = """
UPDATE recommender_rollback SET done_at = now() WHERE request_id <= %(request_id)s AND done_at IS NULL
"""


class Version(NamedTuple):
    """A stored version."""

    version: int
    created_at: dt.datetime
    origin: str
    """learnt, or rollback."""
    learnt: int
    """Events learnt from until then."""
    hr_at_10: float
    ndcg_at_10: float


class Weights(NamedTuple):
    """What the blend has learnt."""

    weight: Float64
    """(1 + B, F) as in ``models.recommendation.blend``."""
    square: Float64
    """(1 + B, F)"""


def feature_names() -> list[str]:
    """The name of every feature, in their order."""
    return [f"{source}.{kind}" for source in NAMES for kind in _KIND_NAMES[:KINDS]] + list(_ITEM_FEATURES)


def encode(weights: Weights) -> dict[str, Any]:
    """The weights by feature name."""
    names = feature_names()
    return {
        "weight": {name: weights.weight[:, f].tolist() for f, name in enumerate(names)},
        "square": {name: weights.square[:, f].tolist() for f, name in enumerate(names)},
    }


def decode(stored: dict[str, Any]) -> Weights:
    """The weights of stored names; what is not stored, or for another number of buckets, is 0."""
    made = Weights(np.zeros((1 + BUCKETS, FEATURES)), np.zeros((1 + BUCKETS, FEATURES)))
    for f, name in enumerate(feature_names()):
        for values, columns in ((made.weight, stored.get("weight", {})), (made.square, stored.get("square", {}))):
            column = columns.get(name)
            if column is not None and len(column) == 1 + BUCKETS:
                values[:, f] = column
    return made


def prior() -> Weights:
    """What a platform without a log begins with; its sums of squares are 0, so that it learns fast."""
    return decode({"weight": msgspec.json.decode(PRIOR.read_bytes())})


def save(connection: Connection, weights: Weights, origin: str, learnt: int, hr: float, ndcg: float) -> int:
    """Stores a version inside the caller's transaction, drops the oldest; the version's number."""
    body = msgspec.msgpack.encode(encode(weights))
    values = {"origin": origin, "learnt": learnt, "hr": hr, "ndcg": ndcg, "body": body}
    row = connection.execute(INSERT, values).fetchone()
    connection.execute(PRUNE, {"kept": VERSIONS_KEPT})
    assert row is not None
    return int(row[0])


def keep(connection: Connection, weights: Weights, learnt: int, hr: float, ndcg: float) -> None:
    """Stores a version if enough was learnt since the last one, inside the caller's transaction."""
    row = connection.execute(NEWEST).fetchone()
    newest = int(row[0]) if row else 0
    if learnt - newest >= EVENTS_A_VERSION:
        save(connection, weights, "learnt", learnt, hr, ndcg)


def versions(connection: Connection) -> list[Version]:
    """The newest 50, newest first."""
    return [Version(*row) for row in connection.execute(LIST).fetchall()]


def load(connection: Connection, version: int) -> Weights:
    """A stored version; raises KeyError."""
    row = connection.execute(BODY, {"version": version}).fetchone()
    if row is None:
        raise KeyError(version)
    return decode(msgspec.msgpack.decode(bytes(row[0])))


def ask_rollback(connection: Connection, version: int) -> None:
    """Asks the recommender to go back to a version; raises KeyError for an unknown one."""
    if connection.execute(ASK, {"version": version}).fetchone() is None:
        raise KeyError(version)


def asked(connection: Connection) -> tuple[int, int] | None:
    """(request, version) of the newest rollback that waits."""
    row = connection.execute(ASKED).fetchone()
    return (row[0], row[1]) if row else None


def done(connection: Connection, request_id: int) -> None:
    """Notes that this and all older requests are settled."""
    connection.execute(DONE, {"request_id": request_id})
