"""How does a stored list answer a narrower question?  Reordering of its candidates, without scoring anything anew.

A derived kind keeps the candidates that its family speaks for, ordered by what the family adds to the score.  A context
(what the reader looks at, is interested in, or reads with) adds to the context term of what fits it, so that the terms
still sum to the score.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from models.recommendation.sources import (
    CO,
    COLLABORATIVE,
    CONTENT,
    CONTEXT,
    FAMILIES,
    NEXT_STEP,
    ORDER,
    RELEVANCE,
    SOURCES,
    TRANSITION,
    TRENDING,
)
from projections.recommender.reasons import (
    NO_SOURCE_CODE,
    PATH_CODE,
    PINNED_CODE,
    POPULAR_CODE,
    PREFERRED_CODE,
    REVIEW_CODE,
)

TOPIC_WEIGHT = 2.0
"""Of the context term, for content of the topic asked for."""
PREFERENCE_WEIGHT = 4.0
"""Of the relevance term, for content of a topic that the learner wants as much as possible of."""
PATH_WEIGHT = 3.0
"""Of the context term, for what is still open in the path that the reader is on."""
NEAR_WEIGHT = 1.0
"""For content that shares all topics of what is open now; in proportion for some."""
KIND_WEIGHT = 1.0
"""For content of the kind asked for, or that suits the device."""
SMALL_SCREEN = frozenset({"video", "audio", "article", "quiz"})
"""Kinds of content that a telephone shows well."""
SMALL_DEVICES = frozenset({"mobile", "phone"})
PLANNED = frozenset({PATH_CODE, REVIEW_CODE})
"""What comes next by the learner's own plan: first in a sequential list."""
SEQUENTIAL_SOURCES = frozenset({CO, NEXT_STEP, ORDER, TRANSITION}) | PLANNED


NO_TERMS = (0.0,) * len(FAMILIES)
_SOURCE_OF_FAMILY = {RELEVANCE: CONTENT, COLLABORATIVE: CO, TRENDING: POPULAR_CODE, CONTEXT: NO_SOURCE_CODE}


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
    item_key: int = 0


class Context(NamedTuple):
    """What the reader is doing."""

    topic: str = ""
    content_type: str = ""
    content_id: str = ""
    """What is open now: never recommended."""
    device: str = ""
    path_id: str = ""
    """The learning path that the reader is on."""
    near_topics: frozenset[str] = frozenset()
    """Topics of what is open now, lower case; looked up."""
    modules: frozenset[str] = frozenset()
    """Contents of the path that are not completed; looked up."""
    factors: tuple[float, ...] = ()
    """(4,) on the terms, of an experiment; empty: as they are."""


_Given = Sequence[Sequence[Any]] | None


class Rules(NamedTuple):
    """A learner's rules as they are now, and as a stored list was ordered by."""

    preferred: Mapping[str, float] = {}
    """By topic, lower case: [-1, 1]."""
    pinned: tuple[int, ...] = ()
    """Item keys, the newest first."""
    had_preferred: Mapping[str, float] = {}
    had_pinned: tuple[int, ...] = ()

    @classmethod
    def of(cls, given: _Given, reflected: _Given = None) -> Rules:
        """From `overrides.ORDERING_RULES` and from ``reflected_rules``."""
        return cls(_preferences(given), _pins(given), _preferences(reflected), _pins(reflected))

    @property
    def changed(self) -> bool:
        """Whether the list was ordered by other rules."""
        return self[:2] != self[2:]


def _preferences(given: _Given) -> dict[str, float]:
    return {label.lower(): float(weight) for kind, _, label, weight in given or () if kind == "preferTopic"}


def _pins(given: _Given) -> tuple[int, ...]:
    return tuple(item for kind, item, _, _ in reversed(given or ()) if kind == "pin")


def preference_gain(preferred: Mapping[str, float], topics: Iterable[str]) -> float:
    """What the learner's own preferences add to the score of content with these topics (lower case)."""
    weights = [preferred[topic] for topic in topics if topic in preferred]
    return PREFERENCE_WEIGHT * max(weights, key=abs) if weights else 0.0


def context_gain(wanted: Context, content: Described, topics: frozenset[str]) -> float:
    """What the reader's situation adds to the score of content with these topics (lower case)."""
    kind = content.content_type.lower()
    gain = TOPIC_WEIGHT * bool(wanted.topic and wanted.topic.lower() in topics)
    gain += KIND_WEIGHT * bool(wanted.content_type and kind == wanted.content_type.lower())
    gain += KIND_WEIGHT * bool(wanted.device.lower() in SMALL_DEVICES and kind in SMALL_SCREEN)
    gain += PATH_WEIGHT * (content.content_id in wanted.modules)
    if wanted.near_topics:
        gain += NEAR_WEIGHT * len(wanted.near_topics & topics) / len(wanted.near_topics)
    return gain


MEMBERS = ("topic", "contentType", "contentId", "device", "pathId")
"""Of a context, in the order of its fields."""
_NO_RULES = Rules()


def parse(text: str) -> Context | None:
    """The context of a request: JSON with topic, contentType, contentId, device, pathId; or ``topic:algebra``.

    None for a text that is neither.

    >>> parse("topic:algebra").topic
    'algebra'
    """
    name, colon, value = text.partition(":")
    if colon and name in MEMBERS:
        given: Any = {name: value}
    else:
        try:
            given = msgspec.json.decode(text)
        except msgspec.DecodeError:
            return None
    if not isinstance(given, dict):
        return None
    named = [given.get(name, "") for name in MEMBERS]
    return Context(*named) if all(isinstance(value, str) for value in named) else None


def reordered(
    kind: str, candidates: Sequence[Candidate], wanted: Context | None = None, rules: Rules = _NO_RULES
) -> list[Candidate]:
    """The candidates in the order of a kind of list, a context, and the learner's rules as they are now."""
    candidates = _unpinned(candidates, rules)
    if kind == "sequential":
        candidates = [one for one in candidates if one.source in SEQUENTIAL_SOURCES]
        ordered = sorted(
            candidates, key=lambda one: (one.source not in PLANNED, -one.terms[COLLABORATIVE] - one.terms[CONTEXT])
        )
    elif kind == "collaborative":
        candidates = [one for one in candidates if _family(one.source) == COLLABORATIVE]
        ordered = sorted(candidates, key=lambda one: -one.terms[COLLABORATIVE])
    else:
        ordered = list(candidates)
    if wanted is not None and wanted.factors:
        ordered = [one._replace(terms=_scaled(one.terms, wanted.factors)) for one in ordered]
    if wanted is not None:
        ordered = [_in_context(one, wanted) for one in ordered if one.content.content_id != wanted.content_id]
    preferences_changed = rules.preferred != rules.had_preferred
    if preferences_changed:
        ordered = [_preferred(one, rules) for one in ordered]
    if wanted is not None or preferences_changed:
        ordered = sorted(ordered, key=lambda one: -sum(one.terms))
    if rules.pinned:
        place = {item: number for number, item in enumerate(rules.pinned)}
        ordered = [one._replace(source=PINNED_CODE) if one.item_key in place else one for one in ordered]
        ordered = sorted(ordered, key=lambda one: place.get(one.item_key, len(place)))
    return ordered


def _scaled(terms: Sequence[float], factors: Sequence[float]) -> tuple[float, ...]:
    return tuple(term * factor for term, factor in zip(terms, factors, strict=True))


def _family(source: int) -> int:
    return SOURCES[source].family if 0 <= source < len(SOURCES) else -1


def _in_context(one: Candidate, wanted: Context) -> Candidate:
    terms = list(one.terms)
    terms[CONTEXT] += context_gain(wanted, one.content, frozenset(topic.lower() for topic in one.topics))
    return one._replace(terms=tuple(terms))


def _preferred(one: Candidate, rules: Rules) -> Candidate:
    topics = [topic.lower() for topic in one.topics]
    gain = preference_gain(rules.preferred, topics)
    terms = list(one.terms)
    terms[RELEVANCE] += gain - preference_gain(rules.had_preferred, topics)
    source = _own_source(terms) if one.source == PREFERRED_CODE else one.source
    return one._replace(terms=tuple(terms), source=PREFERRED_CODE if gain > max(terms) / 2 else source)


def _unpinned(candidates: Sequence[Candidate], rules: Rules) -> list[Candidate]:
    """The candidates with what is no longer pinned at the places that their scores earn, the others in their order."""
    gone = set(rules.had_pinned) - set(rules.pinned)
    kept = [one for one in candidates if one.item_key not in gone]
    for one in candidates:
        # What was there only as a pin has no terms, and leaves.
        if one.item_key in gone and any(one.terms):
            score = sum(one.terms)
            place = next((k for k, other in enumerate(kept) if sum(other.terms) < score), len(kept))
            kept.insert(place, one._replace(source=_own_source(one.terms)))
    return kept


def _own_source(terms: Sequence[float]) -> int:
    """What to name as the reason once a rule is gone: a source of the family that adds most."""
    return _SOURCE_OF_FAMILY[max(range(len(terms)), key=lambda family: terms[family])]
