"""Which scorers are there, what is each called, and to which of the four families does it belong?

Scorers below ``ACCUMULATED`` add up scores of single items from rows of neighbours; the popularities after them are
read from their own counts. The index of a source here is its column in every array of the blend.
"""

from __future__ import annotations

from typing import NamedTuple

FAMILIES = ("relevance", "collaborative", "trending", "context")
RELEVANCE, COLLABORATIVE, TRENDING, CONTEXT = range(4)


class Source(NamedTuple):
    """One scorer: ``name`` in figures and terms, its family, and why it speaks for an item, in plain words."""

    name: str
    family: int
    reason: str


CO, ITEM_ITEM, TRANSITION, NEXT_STEP, CONTENT, CONTENT_LAST, ORDER, NEIGHBOURS, EASE, RIDGE = range(10)
ACCUMULATED = 10
POPULAR, POPULAR_30, POPULAR_7 = 10, 11, 12
SOURCE_COUNT = 13

SOURCES: tuple[Source, ...] = (
    Source("co", COLLABORATIVE, "Learners with a recent history like yours took this around the same time"),
    Source("coset", COLLABORATIVE, "Often taken by learners who took what you took"),
    Source("tr", COLLABORATIVE, "Learners usually go on to this after your latest items"),
    Source("tr1", COLLABORATIVE, "The usual next step after your last item"),
    Source("cont", RELEVANCE, "Close in content to what you have been learning"),
    Source("cont1", RELEVANCE, "Close in content to your last item"),
    Source("ord2", CONTEXT, "Comes next in the catalogue after your last item"),
    Source("knn2", COLLABORATIVE, "Learners whose sessions look like yours continued with this"),
    Source("ease", COLLABORATIVE, "Fits the overall pattern of everything you took"),
    Source("ridge", COLLABORATIVE, "Predicted as a next item from everything you took lately"),
    Source("pop", TRENDING, "Popular with learners here"),
    Source("pop30", TRENDING, "Popular with learners this month"),
    Source("pop7", TRENDING, "Popular with learners this week"),
)
NAMES: tuple[str, ...] = tuple(source.name for source in SOURCES)
