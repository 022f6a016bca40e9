"""Which daily models speak in the lists?  The live versions of `model_artifact`, taken over within seconds.

A source of the blend may be open to several kinds: the daily comparison on one hold-out chooses (`model_choice`).
A model's items are keys; here they become slots.  Its rows are not part of the snapshot: a start takes over whatever is
live then, so that promotion and rollback are the business of the jobs alone.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final, LiteralString

from models.recommendation.ials import ItemFactors, item_rows
from models.recommendation.item_weights import ItemWeights
from models.recommendation.tables import Capacity
from projections import model_artifacts
from projections.model_artifacts import Model
from projections.recommender.state import State
from projections.stores.postgres import Connection

logger = logging.getLogger(__name__)

SOURCES: Final[Mapping[str, tuple[str, ...]]] = {"ease": ("ease", "svd", "ials"), "ridge": ("ridge",)}
"""Kinds of models that may speak in a source of the blend, the usual one first: in ``ease`` lasting taste."""
ROWS: Final = {"ease": Capacity().ease_row, "ridge": Capacity().ridge_row}
"""Entries of an item that a source keeps."""
LIVE: LiteralString = """
SELECT source.name, live.version
FROM unnest(%(sources)s::text[], %(usual)s::text[]) AS source (name, kind)
LEFT JOIN model_choice AS chosen ON chosen.source = source.name
JOIN model_artifact AS live ON live.state = 'live' AND live.kind = coalesce(chosen.kind, source.kind)
"""

Versions = Mapping[str, int]
"""Source to version."""
Loaded = Mapping[str, tuple[int, ItemWeights]]
"""Source to version and model."""


def live_versions(connection: Connection) -> dict[str, int]:
    """The versions that should speak."""
    which = {"sources": list(SOURCES), "usual": [kinds[0] for kinds in SOURCES.values()]}
    return dict(connection.execute(LIVE, which).fetchall())


def load(connection: Connection, wanted: Versions) -> Loaded:
    """The models of these versions; one that was deleted meanwhile is left out."""
    found = {}
    for source, version in wanted.items():
        try:
            model = model_artifacts.load(connection, version)
        except LookupError:
            continue
        found[source] = version, spoken(model, source)
    return found


def spoken(model: Model, source: str) -> ItemWeights:
    """A model in the form in which it speaks in a source."""
    return item_rows(model, ROWS[source]) if isinstance(model, ItemFactors) else model


class Speakers:
    """Which versions speak, and which have gone live and wait to be loaded."""

    def __init__(self) -> None:
        self.versions: dict[str, int] = {}
        """Source to version."""
        self.wanted: dict[str, int] | None = None

    def look(self, connection: Connection, state: State) -> None:
        """Notes what has gone live; what no longer is falls silent."""
        live = live_versions(connection)
        for source in self.versions.keys() - live.keys():
            state.put_model(source, None)
            del self.versions[source]
        self.wanted = {
            source: version for source, version in live.items() if self.versions.get(source) != version
        } or None

    def job(self, connection: Connection) -> Loaded:
        """Loads what has gone live; may run in another thread, on a connection of its own."""
        wanted, self.wanted = self.wanted or {}, None
        return load(connection, wanted)

    def take(self, state: State, loaded: Loaded) -> None:
        """Lets these versions speak."""
        for source, (version, model) in loaded.items():
            state.put_model(source, model)
            self.versions[source] = version
            logger.info("model version %d speaks in %s", version, source)
