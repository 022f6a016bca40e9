"""Which daily models speak in the lists?  The live versions of `model_artifact`, taken over within seconds.

A model's items are keys; here they become slots.  Its rows are not part of the snapshot: a start takes over whatever is
live then, so that promotion and rollback are the business of the jobs alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, LiteralString

from models.recommendation.item_weights import ItemWeights
from projections import model_artifacts
from projections.stores.postgres import Connection

SOURCES: Final = ("ease", "ridge")
"""Kinds of models that are sources of the blend, by their names there."""
LIVE: LiteralString = """
SELECT kind, version FROM model_artifact WHERE state = 'live' AND kind = ANY (%(kinds)s::text[])
"""

Versions = Mapping[str, int]
"""Kind to version."""


def live_versions(connection: Connection) -> dict[str, int]:
    """The versions that should speak."""
    return dict(connection.execute(LIVE, {"kinds": list(SOURCES)}).fetchall())


def load(connection: Connection, wanted: Versions) -> dict[str, tuple[int, ItemWeights]]:
    """The models of these versions; one that was deleted meanwhile is left out."""
    found = {}
    for kind, version in wanted.items():
        try:
            model = model_artifacts.load(connection, version)
        except LookupError:
            continue
        assert isinstance(model, ItemWeights)  # SOURCES names only such kinds
        found[kind] = version, model
    return found
