"""Writes batches as the worker does: one transaction a batch, log of record and projections together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from models.columns import Interactions
from projections import interaction_log
from projections.locks import WRITERS_LOCK
from projections.projection import Effects, Projection
from projections.stores.postgres import Connection, connect


def write(connection: Connection, batch: Interactions, projections: Sequence[Projection]) -> int:
    """Folds and logs a batch, inside the caller's transaction; the transaction's sequence number."""
    connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", (WRITERS_LOCK,))
    row = connection.execute("SELECT nextval('applied_seq')").fetchone()
    assert row is not None
    seq = int(row[0])
    interaction_log.append(connection, batch, seq)
    connection.execute(
        "INSERT INTO applied_range (applied_seq, projection, topic, part, first_offset, end_offset, epoch, owner, "
        "delivered, applied, duplicates, dead, misrouted) "
        "VALUES (%(seq)s, 'worker', 'interactions', 0, 0, %(n)s, 1, 'test', %(n)s, %(n)s, 0, 0, 0)",
        {"seq": seq, "n": len(batch)},
    )
    for projection in projections:
        projection.apply(connection, batch, Effects(applied_seq=seq))
    return seq


def write_all(database_url: str, batches: Sequence[Interactions], projections: Sequence[Projection]) -> None:
    """Writes the batches one transaction each, with an identity for every learner there is in them."""
    with connect(database_url, autocommit=True) as connection:
        most = max(int(batch.learner.max()) for batch in batches)
        connection.execute(
            "INSERT INTO learners (user_id) SELECT 'u-' || n FROM generate_series(1, %s) AS n ON CONFLICT DO NOTHING",
            (most,),
        )
        for batch in batches:
            for projection in projections:
                if projection.prepare is not None:
                    projection.prepare(batch)
            with connection.transaction():
                write(connection, batch, projections)


def ask(database_url: str, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    with connect(database_url, autocommit=True) as connection:
        return connection.execute(query, parameters).fetchall()
