"""What does a list writer know of the content?  A snapshot of ``content`` in memory, taken anew when it has changed.

Every item has a position, ascending by ``item_key``; all arrays follow it.  Content that is known from interactions
only (a stub) has an empty text vector and is recommended by its popularity alone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array, vstack

from models import content_based
from models.columns import Float32, Int64, Mask
from models.content_based import TextModel
from projections.stores.postgres import Connection

STATE = "SELECT coalesce(max(version), 0), coalesce(max(item_key), 0) FROM content"
SELECT = """
SELECT item_key, content_id, content_type, title, description, topics, skills, prerequisites,
       coalesce(catalogue_position, 2147483647), withdrawn
FROM content WHERE item_key > %(after)s ORDER BY item_key
"""

DENSE_ITEMS = 4_096
"""Up to here the cosines of all items with all are kept ready: 64 MB at most."""
RELOAD_SHARE = 0.05
"""Share of the time that taking snapshots may take while the catalogue changes all the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """A snapshot of I items."""

    version: int
    """Newest catalogue change in it."""
    item_key: Int64
    """(I,) ascending."""
    content_id: list[str]
    content_type: list[str]
    title: list[str | None]
    withdrawn: Mask
    """(I,)"""
    order: Int64
    """(I,) the catalogue's own position; the largest int32 without one."""
    needs_item: Int64
    """(p,) positions of items that have a prerequisite, one entry a prerequisite."""
    needs: Int64
    """(p,) position of that prerequisite; -1 when no content has its id.  Withdrawn ones are left out: nobody could
    complete them any more."""
    text: TextModel
    vectors: csr_array
    """(I, T) unit TF-IDF vectors."""
    similar: Float32 | None
    """(I, I) cosines, up to DENSE_ITEMS items."""
    loaded_at: float
    load_seconds: float

    def __len__(self) -> int:
        return len(self.item_key)

    @property
    def newest_key(self) -> int:
        """The largest item key in it."""
        return int(self.item_key[-1]) if len(self.item_key) else 0

    def similarities(self, items: Int64) -> Float32:
        """(k, I) cosines of some items (positions) with all."""
        return self.similar[items] if self.similar is not None else content_based.similarities(self.vectors, items)

    def positions(self, item_keys: Int64) -> Int64:
        """Positions of item keys; -1 for one that is not in the snapshot."""
        if not len(self.item_key):
            return np.full(len(item_keys), -1, np.int64)
        found = np.minimum(np.searchsorted(self.item_key, item_keys), len(self.item_key) - 1)
        return np.where(self.item_key[found] == item_keys, found, -1)


def refresh(connection: Connection, catalogue: Catalogue | None = None) -> Catalogue:
    """The content as it is now: the same snapshot when nothing has changed.

    While the catalogue changes all the time (an import), a somewhat older one may be returned, so that snapshots take
    a bounded share of the time.
    """
    row = connection.execute(STATE).fetchone()
    assert row is not None
    version, newest_key = row
    if catalogue is None:
        return _load(connection, version)
    if version == catalogue.version and newest_key == catalogue.newest_key:
        return catalogue
    if time.monotonic() - catalogue.loaded_at < catalogue.load_seconds / RELOAD_SHARE:
        return catalogue
    # New stubs alone leave the texts as they are.
    return _load(connection, version) if version != catalogue.version else _with_stubs(connection, catalogue)


def _load(connection: Connection, version: int) -> Catalogue:
    # The version was read before the rows: a change in between is found by the next refresh.
    started = time.monotonic()
    rows = connection.execute(SELECT, {"after": 0}).fetchall()
    texts = [content_based.item_text(row[3], row[4], row[5], row[6]) for row in rows]
    model = content_based.fit(texts)
    vectors = content_based.vectors(model, texts)
    return _snapshot(rows, version, model, vectors, started)


def _with_stubs(connection: Connection, old: Catalogue) -> Catalogue:
    started = time.monotonic()
    rows = connection.execute(SELECT, {"after": old.newest_key}).fetchall()
    empty: csr_array = csr_array(np.zeros((len(rows), old.vectors.shape[1]), np.float32))
    new = _snapshot(rows, old.version, old.text, empty, started)
    vectors = csr_array(vstack((old.vectors, empty)))
    return Catalogue(
        version=old.version,
        item_key=np.concatenate((old.item_key, new.item_key)),
        content_id=old.content_id + new.content_id,
        content_type=old.content_type + new.content_type,
        title=old.title + new.title,
        withdrawn=np.concatenate((old.withdrawn, new.withdrawn)),
        order=np.concatenate((old.order, new.order)),
        needs_item=old.needs_item,
        needs=old.needs,
        text=old.text,
        vectors=vectors,
        similar=_similar(vectors),
        loaded_at=new.loaded_at,
        load_seconds=time.monotonic() - started,
    )


def _snapshot(rows: list[Any], version: int, model: TextModel, vectors: csr_array, started: float) -> Catalogue:
    place = {row[1]: position for position, row in enumerate(rows)}
    needs = [(position, place.get(needed, -1)) for position, row in enumerate(rows) for needed in row[7]]
    needs = [(item, needed) for item, needed in needs if needed < 0 or not rows[needed][9]]
    now = time.monotonic()
    return Catalogue(
        version=version,
        item_key=np.array([row[0] for row in rows], np.int64),
        content_id=[row[1] for row in rows],
        content_type=[row[2] for row in rows],
        title=[row[3] for row in rows],
        withdrawn=np.array([row[9] for row in rows], bool),
        order=np.array([row[8] for row in rows], np.int64),
        needs_item=np.array([item for item, _ in needs], np.int64),
        needs=np.array([needed for _, needed in needs], np.int64),
        text=model,
        vectors=vectors,
        similar=_similar(vectors),
        loaded_at=now,
        load_seconds=now - started,
    )


def _similar(vectors: csr_array) -> Float32 | None:
    if vectors.shape[0] > DENSE_ITEMS:
        return None
    return content_based.similarities(vectors, np.arange(vectors.shape[0]))
