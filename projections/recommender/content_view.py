"""What does the recommender know of the content?  By item slot: what it is called, whether it may be shown, how alike.

The worker writes ``content``; this reads it again when its version has moved.  Items get their slots in catalogue order
when they are met for the first time.  Texts are compared in a thread of the caller's choice: 0.3 s for 2,000 items.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

import numpy as np
from scipy.sparse import csr_array

from models.columns import Int32, Int64, Mask
from models.recommendation.bounded_rows import Rows, empty_rows
from models.recommendation.content import item_text, nearest_rows, tfidf
from projections.recommender.reranking import Described
from projections.stores.postgres import Connection

VERSION: LiteralString = "SELECT coalesce(max(version), 0), coalesce(max(item_key), 0) FROM content"
SELECT: LiteralString = """
SELECT item_key, content_id, content_type, title, description, topics, skills, withdrawn, prerequisites
FROM content ORDER BY catalogue_position NULLS LAST, item_key
"""
_ROW_KEY, _ROW_TITLE, _ROW_TEXT, _ROW_TOPICS, _ROW_SKILLS, _ROW_WITHDRAWN, _ROW_NEEDS = 0, 3, 4, 5, 6, 7, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentView:
    """A snapshot of I items in catalogue order."""

    version: tuple[int, int]
    item_key: Int64
    """(I,)"""
    described: dict[int, Described]
    """By item key."""
    topics: dict[int, frozenset[str]]
    """By item key, lower case."""
    withdrawn: frozenset[int]
    needs: dict[int, frozenset[int]]
    """Prerequisites by item key; -1 stands for one that nobody can complete, since it is unknown."""
    texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.item_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """Which items are about the same, made from one view."""

    version: tuple[int, int]
    rows: Rows
    """(N slots, K) nearest of every slot."""
    vectors: csr_array
    """(I, T) unit TF-IDF vectors in the order of the view."""
    slots: Int32
    """(I,)"""


def version(connection: Connection) -> tuple[int, int]:
    """Changes when the catalogue or the set of known items does."""
    row = connection.execute(VERSION).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def load(connection: Connection) -> ContentView:
    """The content as it is now."""
    read = version(connection)  # before the rows: a change in between is found by the next look
    rows = connection.execute(SELECT).fetchall()
    key_of = {row[1]: row[_ROW_KEY] for row in rows}
    gone = frozenset(row[_ROW_KEY] for row in rows if row[_ROW_WITHDRAWN])
    return ContentView(
        version=read,
        item_key=np.array([row[_ROW_KEY] for row in rows], np.int64),
        described={row[_ROW_KEY]: Described(row[1], row[2], row[_ROW_TITLE]) for row in rows},
        topics={row[_ROW_KEY]: frozenset(topic.lower() for topic in row[_ROW_TOPICS]) for row in rows},
        withdrawn=gone,
        needs={
            # Nobody could complete a withdrawn one any more, so it blocks nothing.
            row[_ROW_KEY]: frozenset(key_of.get(needed, -1) for needed in row[_ROW_NEEDS]) - gone
            for row in rows
            if row[_ROW_NEEDS]
        },
        texts=tuple(
            item_text(row[_ROW_TITLE] or "", row[_ROW_TEXT] or "", [*row[_ROW_TOPICS], *row[_ROW_SKILLS]])
            for row in rows
        ),
    )


def likeness(view: ContentView, slots: Int32, size: int, row_length: int) -> Likeness:
    """Compares all texts of a view.

    Args:
        view: I items.
        slots: (I,) where each stands.
        size: N, slots there is room for.
        row_length: nearest items kept of each.
    """
    rows = empty_rows(size, row_length, 1)
    vectors = tfidf(view.texts) if len(view) else csr_array((0, 1))
    if len(view):
        nearest_rows(vectors, slots.astype(np.int64), rows)
    return Likeness(version=view.version, rows=rows, vectors=vectors, slots=slots)


def withdrawn_slots(view: ContentView, slots: Int32, size: int) -> Mask:
    """(N,) slots that are not to be shown: withdrawn content and slots that no content has."""
    hidden = np.ones(size, bool)
    hidden[slots] = [key in view.withdrawn for key in view.item_key.tolist()]
    return hidden
