"""How does a stored list answer a narrower question?  Reordering of its candidates, without scoring anything anew.

A derived kind keeps the candidates that its family speaks for, ordered by what the family adds to the score.  A context
(what the reader looks at, is interested in, or reads with) adds to the context term of what fits it, so that the terms
still sum to the score.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from models.recommendation.sources import CO, COLLABORATIVE, CONTEXT, NEXT_STEP, ORDER, SOURCES, TRANSITION

TOPIC_WEIGHT = 2.0
"""Of the context term, for content of the topic asked for."""
KIND_WEIGHT = 1.0
"""For content of the kind asked for, or that suits the device."""
SMALL_SCREEN = frozenset({"video", "audio", "article", "quiz"})
"""Kinds of content that a telephone shows well."""
SEQUENTIAL_SOURCES = frozenset({CO, NEXT_STEP, ORDER, TRANSITION})


class Described(NamedTuple):
    """What is shown of a piece of content."""

    content_id: str
    content_type: str
    title: str | None


class Candidate(NamedTuple):
    """One item of a stored list."""

    content: Described
    terms: tuple[float, ...]
    """(4,) in the order of the families."""
    source: int
    confidence: float
    topics: frozenset[str]
    place: int = 0
    """In the stored list, from 1."""


class Context(NamedTuple):
    """What the reader is doing."""

    topic: str = ""
    content_type: str = ""
    content_id: str = ""
    """What is open now: never recommended."""
    device: str = ""


def parse(text: str) -> Context | None:
    """The context of a request: JSON with topic, contentType, contentId, device; or ``topic:algebra``.

    None for a text that is neither.

    >>> parse("topic:algebra").topic
    'algebra'
    """
    name, colon, value = text.partition(":")
    if colon and name in {"topic", "contentType", "contentId", "device"}:
        given: Any = {name: value}
    else:
        try:
            given = msgspec.json.decode(text)
        except msgspec.DecodeError:
            return None
    if not isinstance(given, dict):
        return None
    named = [given.get(name, "") for name in ("topic", "contentType", "contentId", "device")]
    return Context(*named) if all(isinstance(value, str) for value in named) else None


def reordered(kind: str, candidates: Sequence[Candidate], wanted: Context | None = None) -> list[Candidate]:
    """The candidates in the order of a kind of list and a context."""
    if kind == "sequential":
        candidates = [one for one in candidates if one.source in SEQUENTIAL_SOURCES]
        ordered = sorted(candidates, key=lambda one: -(one.terms[COLLABORATIVE] + one.terms[CONTEXT]))
    elif kind == "collaborative":
        candidates = [one for one in candidates if _family(one.source) == COLLABORATIVE]
        ordered = sorted(candidates, key=lambda one: -one.terms[COLLABORATIVE])
    else:
        ordered = list(candidates)
    if wanted is None:
        return ordered
    moved = [_in_context(one, wanted) for one in ordered if one.content.content_id != wanted.content_id]
    return sorted(moved, key=lambda one: -sum(one.terms))


def _family(source: int) -> int:
    return SOURCES[source].family if 0 <= source < len(SOURCES) else -1


def _in_context(one: Candidate, wanted: Context) -> Candidate:
    kind = one.content.content_type.lower()
    gain = TOPIC_WEIGHT * (wanted.topic.lower() in {topic.lower() for topic in one.topics}) if wanted.topic else 0.0
    gain += KIND_WEIGHT * bool(wanted.content_type and kind == wanted.content_type.lower())
    gain += KIND_WEIGHT * bool(wanted.device == "mobile" and kind in SMALL_SCREEN)
    terms = list(one.terms)
    terms[CONTEXT] += gain
    return one._replace(terms=tuple(terms))
