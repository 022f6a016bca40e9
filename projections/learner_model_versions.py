"""Which item difficulty and weights does a transaction fold with?  Versions, published by the recommender.

A version is valid for the transactions behind its ``valid_from``, which is given out while no writer is active.  So
every transaction has one version, whatever process runs it, and a rebuild finds the same one while it is kept; what is
older than the oldest version kept is folded with that.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, LiteralString

from projections.stores.postgres import Connection

if TYPE_CHECKING:
    from models.learner.shared import Shared

VALID: LiteralString = """
SELECT version, digest FROM learner_model_version WHERE valid_from < %(applied_seq)s ORDER BY valid_from DESC LIMIT 1
"""
OLDEST: LiteralString = """
SELECT version, digest FROM learner_model_version WHERE valid_from IS NOT NULL ORDER BY version LIMIT 1
"""
NONE_WAS_DROPPED: LiteralString = "SELECT coalesce(min(version), 1) = 1 FROM learner_model_version"
CUTS: LiteralString = """
SELECT valid_from FROM learner_model_version WHERE valid_from IS NOT NULL ORDER BY valid_from
"""
BODY: LiteralString = "SELECT body FROM learner_model_version WHERE version = %(version)s"

_held: dict[str, Shared] = {}
"""The version used last, by its digest: folding changes no number in it."""


def valid(connection: Connection, applied_seq: int) -> Shared:
    """The version for a transaction, empty before the first one."""
    row = connection.execute(VALID, {"applied_seq": applied_seq}).fetchone()
    if row is None and connection.execute(NONE_WAS_DROPPED).fetchone() == (False,):
        row = connection.execute(OLDEST).fetchone()
    version, digest = row if row else (0, "")
    found = _held.get(digest)
    if found is None:
        found = read(connection, version)
        _held.clear()
        _held[digest] = found
    return found


def cuts(connection: Connection) -> list[int]:
    """Behind which transactions another version is valid, ascending."""
    return [valid_from for (valid_from,) in connection.execute(CUTS).fetchall()]


def read(connection: Connection, version: int) -> Shared:
    """A stored version; 0 is the empty one."""
    from models.learner.shared import Shared

    if version == 0:
        return Shared()
    row = connection.execute(BODY, {"version": version}).fetchone()
    assert row is not None
    return Shared.from_bytes(zlib.decompress(row[0]))
