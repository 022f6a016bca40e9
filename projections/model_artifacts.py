"""Which batch models are there, which are live, and what are they trained on?  Table ``model_artifact``.

A body is a ``.npz`` of plain arrays (item keys with row entries and weights, or with factors), read with pickle
forbidden.  One model of each
kind is live; a reader asks `live_version` now and then, and `load` when it changed.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import datetime
from typing import Any, LiteralString, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.recommendation.ials import ItemFactors
from models.recommendation.item_weights import ItemWeights
from projections.recommender import evidence
from projections.stores.packed import packed_columns
from projections.stores.postgres import Connection

MOST_EVENTS = 2_000_000
"""Newest accepted interactions that training looks at."""
KEPT = 5
"""Newest artifacts of a kind that are kept, besides the live one."""

# The newest rows in applied order that say that an item was taken, as the recommender counts them; consent bit 1 is
# personalisation.
TRAINING: LiteralString = """
SELECT array_send(array_agg(learner_key)), array_send(array_agg(item_key)), array_send(array_agg(occurred_at))
FROM (
    SELECT learner_key, item_key, occurred_at FROM (
        SELECT learner_key, item_key, occurred_at, applied_seq, ordinal FROM interaction_log
        WHERE consent & 1 <> 0 AND interaction_type = ANY (%(taking)s::smallint[])
          AND NOT (interaction_type = %(rate)s AND rating < %(least_rating)s)
        ORDER BY applied_seq DESC, ordinal DESC LIMIT %(most)s) AS newest
    ORDER BY applied_seq, ordinal) AS in_order
"""
LIST: LiteralString = """
SELECT version, kind, state, created_at, trained_until, events, items, metrics, promoted_at, octet_length(body)
FROM model_artifact
WHERE (%(kind)s::text IS NULL OR kind = %(kind)s AND state = 'live')
  AND (%(version)s::bigint IS NULL OR version = %(version)s)
ORDER BY kind, version DESC
"""
BODY: LiteralString = "SELECT body FROM model_artifact WHERE version = %(version)s"
RETIRE: LiteralString = "UPDATE model_artifact SET state = 'retired' WHERE kind = %(kind)s AND state = 'live'"
PROMOTE: LiteralString = (
    "UPDATE model_artifact SET state = 'live', promoted_at = clock_timestamp() WHERE version = %(version)s"
)
STORE: LiteralString = """
INSERT INTO model_artifact (kind, state, trained_until, events, items, metrics, body)
VALUES (%(kind)s, 'candidate', %(trained_until)s, %(events)s, %(items)s, %(metrics)s::jsonb, %(body)s) RETURNING version
"""
PRUNE: LiteralString = """
DELETE FROM model_artifact WHERE state <> 'live' AND version NOT IN (
    SELECT version FROM (
        SELECT version, row_number() OVER (PARTITION BY kind ORDER BY version DESC) AS place
        FROM model_artifact WHERE state <> 'live') AS ranked WHERE place <= %(kept)s)
"""


CHOICE: LiteralString = "SELECT kind FROM model_choice WHERE source = %(source)s"
CHOOSE: LiteralString = """
INSERT INTO model_choice (source, kind, ndcg) VALUES (%(source)s, %(kind)s, %(ndcg)s::jsonb)
ON CONFLICT (source) DO UPDATE SET kind = excluded.kind, ndcg = excluded.ndcg, chosen_at = clock_timestamp()
"""

Model = ItemWeights | ItemFactors


class Artifact(NamedTuple):
    """What is known of a model without loading it."""

    version: int
    kind: str
    state: str
    """live, candidate or retired."""
    created_at: datetime
    trained_until: datetime
    """It knows events before this moment, and none after it."""
    events: int
    items: int
    metrics: Mapping[str, float]
    promoted_at: datetime | None
    body_bytes: int


class Events(NamedTuple):
    """n interactions of learners who consent to personalisation, in the order in which they were applied."""

    learner: NDArray[np.int64]
    item: NDArray[np.int64]
    at_ms: NDArray[np.int64]


def _listed(connection: Connection, kind: str | None = None, version: int | None = None) -> list[Artifact]:
    return [Artifact(*row) for row in connection.execute(LIST, {"kind": kind, "version": version}).fetchall()]


def encode(model: Model) -> bytes:
    """The arrays as a compressed ``.npz``."""
    file = io.BytesIO()
    np.savez_compressed(file, **model._asdict())
    return file.getvalue()


def decode(body: bytes) -> Model:
    """The inverse of `encode`; raises ValueError for a body that would need pickle."""
    with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
        if "factors" in arrays:
            return ItemFactors(arrays["items"], arrays["factors"])
        return ItemWeights(arrays["items"], arrays["ids"], arrays["weights"])


def training_events(connection: Connection, most: int = MOST_EVENTS) -> Events:
    """What may be learnt from, the newest ``most`` of it."""
    which = {"most": most, **evidence.PARAMETERS}
    return Events(*packed_columns(connection, TRAINING, which, (np.int64, np.int64, "datetime64[ms]")))


def artifacts(connection: Connection) -> list[Artifact]:
    """All, by kind, the newest first."""
    return _listed(connection)


def live(connection: Connection, kind: str) -> Artifact | None:
    """The live model of a kind."""
    found = _listed(connection, kind=kind)
    return found[0] if found else None


def live_version(connection: Connection, kind: str) -> int | None:
    """The version of the live model of a kind."""
    found = live(connection, kind)
    return found.version if found else None


def load(connection: Connection, version: int) -> Model:
    """A model.

    Raises:
        LookupError: there is no such version.
    """
    row = connection.execute(BODY, {"version": version}).fetchone()
    if row is None:
        raise LookupError(f"there is no model {version}")
    return decode(row[0])


def store(
    connection: Connection,
    kind: str,
    model: Model,
    *,
    trained_until: datetime,
    events: int,
    metrics: Mapping[str, Any],
) -> int:
    """Keeps a trained model as a candidate; returns its version."""
    row = connection.execute(
        STORE,
        {
            "kind": kind,
            "trained_until": trained_until,
            "events": events,
            "items": len(model.items),
            "metrics": msgspec.json.encode(metrics).decode(),
            "body": encode(model),
        },
    ).fetchone()
    assert row is not None
    return int(row[0])


def make_live(connection: Connection, version: int) -> Artifact:
    """Makes a version the live one of its kind, inside the caller's transaction; promotion and rollback alike.

    Raises:
        LookupError: there is no such version.
    """
    found = _listed(connection, version=version)
    if not found:
        raise LookupError(f"there is no model {version}")
    chosen = found[0]
    connection.execute(RETIRE, {"kind": chosen.kind})
    connection.execute(PROMOTE, {"version": version})
    return chosen


def choice(connection: Connection, source: str) -> str | None:
    """The kind that speaks in a source of the blend; None before the first comparison."""
    row = connection.execute(CHOICE, {"source": source}).fetchone()
    return str(row[0]) if row else None


def choose(connection: Connection, source: str, kind: str, ndcg: Mapping[str, float]) -> None:
    """Lets the live model of a kind speak in a source, because of these figures, inside the caller's transaction."""
    connection.execute(CHOOSE, {"source": source, "kind": kind, "ndcg": msgspec.json.encode(ndcg).decode()})


def prune(connection: Connection) -> int:
    """Deletes all but the newest `KEPT` of each kind and the live ones; returns how many."""
    return connection.execute(PRUNE, {"kept": KEPT}).rowcount
