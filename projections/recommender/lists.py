"""Which list does each touched learner get?  The candidates of the tables, held to the learner's restrictions.

A learner without a history, without consent or with an opt-out gets what is popular, with what fits the declared
interests first; content that nobody has used yet fills up a short list in catalogue order.  So no list is empty while
there is content that may be shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from models import content_based
from models.columns import Float32, Float64, Int16, Int32, Int64, Mask
from models.content_based import TextModel
from models.recommendation.sources import FAMILIES, RELEVANCE, TRENDING
from projections.recommender import next_steps, reasons
from projections.recommender.content_view import ContentView, withdrawn_slots
from projections.recommender.evaluation import confidences
from projections.recommender.exploring import NOTHING_SHOWN, Exposures, Part, explored
from projections.recommender.growth import padded
from projections.recommender.list_kernel import KEPT, Ranked, empty_ranked, rank_into, taken_of
from projections.recommender.list_rows import COLD_CONFIDENCE, HYBRID, List, list_id
from projections.recommender.reranking import preference_gain
from projections.recommender.restrictions import Restrictions
from projections.recommender.state import State

SHORT = 20
"""A list with fewer items is filled up."""
INTERESTS_WEIGHT = 3.0
"""What a text that is exactly the declared interests adds to a score; the most popular item adds 1."""
_POPULAR_KIND = 1  # the count with a half-life of 30 days
_STEP_DOWN = 0.01


@dataclass(frozen=True, slots=True)
class Shelf:
    """The content in the order of the slots, ready for making lists."""

    view: ContentView
    slots: Int32
    """(I,) slot of each item of the view."""
    item_key: Int64
    """(N,) by slot; 0 without content."""
    hidden: Mask
    """(N,) slots that nobody is shown."""
    text: TextModel
    vectors: csr_array
    """(I, T)"""
    prerequisites: Int64
    """Item keys that anything needs."""


def shelf(view: ContentView, state: State) -> Shelf:
    """The shelf of a view; items that are new get slots."""
    slots = state.item_slots(view.item_key)
    size = len(state.tables.items.events)
    item_key = np.zeros(size, np.int64)
    item_key[slots] = view.item_key
    text = content_based.fit(view.texts)
    needed = {key for needs in view.needs.values() for key in needs}
    return Shelf(
        view=view,
        slots=slots,
        item_key=item_key,
        hidden=withdrawn_slots(view, slots, size),
        text=text,
        vectors=content_based.vectors(text, view.texts),
        prerequisites=np.array(sorted(needed), np.int64),
    )


def roomier(shelf: Shelf, size: int) -> Shelf:
    """The shelf with room for ``size`` slots; what stands in the new ones is hidden until the content is read again."""
    if size <= len(shelf.hidden):
        return shelf
    return replace(shelf, item_key=padded(shelf.item_key, size), hidden=padded(shelf.hidden, size, fill=True))


class Trial(NamedTuple):
    """What exploration goes by."""

    exposures: Exposures
    share: float
    """Of the lists that explore."""


NO_TRIAL = Trial(NOTHING_SHOWN, 0.0)


class _Cold(NamedTuple):
    """Candidates for learners of whom the tables know nothing."""

    slot: Int32
    share: Float64
    """Popularity in [0, 1]."""


def rank(state: State, slots: Int32, at_ms: Int64, damping: float) -> Ranked:
    """The candidates of learners (slots) as of the given times."""
    out = empty_ranked(len(slots))
    admitted = state.admitted()
    rank_into(out, state.work, state.tables, state.blend, state.reranker, admitted, slots, at_ms, damping)
    return out


def lists(
    state: State,
    shelf: Shelf,
    slots: Int32,
    ranked: Ranked,
    restrictions: Mapping[int, Restrictions],
    as_of_ms: Int64,
    applied_seq: Int64,
    generated_ms: int,
    trial: Trial = NO_TRIAL,
) -> list[List]:
    """The lists of learners (slots) that exist.

    Args:
        state: the tables.
        shelf: the content.
        slots: (L,) whose.
        ranked: their candidates.
        restrictions: by learner key; a learner who is not in it gets no list.
        as_of_ms: (L,) event time that each list reflects.
        applied_seq: (L,) transaction of the worker that each list reflects.
        generated_ms: now [Unix ms]; part of the lists' ids.
        trial: what exploration goes by.
    """
    keys = state.learners.key_of(slots)
    sure = confidences(state.evaluation)
    cold = _popular(state, shelf)
    made = []
    for row, key in enumerate(keys.tolist()):
        held = restrictions.get(key)
        if held is None:
            continue
        found = _candidates(shelf, ranked, row, held)
        if len(found[0]) < SHORT:
            found = _filled(state, shelf, cold, int(slots[row]), held, found)
        part = _by_the_learners_rules(shelf, held, found)
        bucket = int(ranked.bucket[row]) if held.personalised else -1
        propensity, name = 0.0, list_id(HYBRID, key, generated_ms)
        if bucket >= 0:
            part, propensity = explored(part, trial.exposures, name, trial.share)
        made.append(
            List(
                learner_key=key,
                applied_seq=int(applied_seq[row]),
                as_of_ms=int(as_of_ms[row]),
                last_item_key=_last_item(state, shelf, int(slots[row])) if bucket >= 0 else 0,
                item_key=shelf.item_key[part.item],
                terms=part.terms,
                source=part.source,
                confidence=_confidence(sure, bucket, part.source),
                generated_ms=generated_ms,
                propensity=propensity,
                rules=held.ordering(),
            )
        )
    return made


_Part = tuple[Int32, Float32, Int16]


def _candidates(shelf: Shelf, ranked: Ranked, row: int, held: Restrictions) -> _Part:
    count = int(ranked.length[row]) if held.personalised else 0
    item, terms, source = ranked.item[row, :count], ranked.terms[row, :count], ranked.source[row, :count]
    kept = _allowed(shelf, item, held)
    return item[kept], terms[kept], source[kept]


def _allowed(shelf: Shelf, item: Int32, held: Restrictions) -> Mask:
    """(n,) which item slots may be shown to a learner."""
    allowed = ~shelf.hidden[item]
    view = shelf.view
    if not (held.hidden or held.topics or held.content_types or view.needs):
        return allowed
    for place, key in enumerate(shelf.item_key[item].tolist()):
        if not allowed[place]:
            continue
        allowed[place] = not (
            key in held.hidden
            or (held.topics and held.topics & view.topics[key])
            or (held.content_types and view.described[key].content_type.lower() in held.content_types)
            or (key in view.needs and not view.needs[key] <= held.completed)
        )
    return allowed


def _popular(state: State, shelf: Shelf) -> _Cold:
    popularity = state.tables.popularity
    leaders = popularity.leaders[_POPULAR_KIND, : popularity.leaders_length[_POPULAR_KIND]]
    weight = popularity.log_weight[_POPULAR_KIND, leaders]
    unused = shelf.slots[state.tables.items.events[shelf.slots] == 0][:KEPT]
    share = np.exp(weight - weight[0]) if len(leaders) else np.zeros(0)
    return _Cold(np.concatenate((leaders, unused)), np.concatenate((share, np.zeros(len(unused)))))


def _filled(state: State, shelf: Shelf, cold: _Cold, slot: int, held: Restrictions, part: _Part) -> _Part:
    """The list with what is popular, or fits the declared interests, behind it."""
    item, terms, source = part
    slots, share = cold.slot, cold.share
    fits = np.zeros(len(slots))
    if held.declared and not len(item):
        slots, share, fits = _with_interests(shelf, cold, held.declared)
    taken = taken_of(state.tables, slot, slots)
    open_ = _allowed(shelf, slots, held) & ~np.isin(slots, item)
    # Who has taken everything is shown what he has taken, rather than nothing.
    free = open_ & ~taken
    usable = np.flatnonzero(free if free.any() or len(item) else open_)
    score = INTERESTS_WEIGHT * fits[usable] + share[usable]
    order = usable[np.argsort(-score, kind="stable")][: KEPT - len(item)]
    added = np.zeros((len(order), len(FAMILIES)), np.float32)
    added[:, RELEVANCE] = INTERESTS_WEIGHT * fits[order]
    added[:, TRENDING] = share[order]
    if len(item):
        # Behind the others, also by score.
        lowest = float(terms.sum(axis=1).min())
        added[:, TRENDING] = min(lowest, 0.0) - _STEP_DOWN * np.arange(1, len(order) + 1)
    why = np.where(share[order] > 0, reasons.POPULAR_CODE, reasons.NO_SOURCE_CODE)
    why = np.where(added[:, RELEVANCE] > share[order], reasons.INTERESTS_CODE, why).astype(np.int16)
    return (
        np.concatenate((item, slots[order])).astype(np.int32),
        np.concatenate((terms, added)),
        np.concatenate((source, why)),
    )


def _with_interests(shelf: Shelf, cold: _Cold, declared: str) -> tuple[Int32, Float64, Float64]:
    """The popular items and those that fit a text best, their popularity, and how well each fits (cosine)."""
    question = content_based.vectors(shelf.text, [declared])
    cosine = np.asarray((shelf.vectors @ question.T).toarray(), np.float64).ravel()
    best = np.argsort(-cosine, kind="stable")[:KEPT]
    best = best[cosine[best] > 0]
    by_slot = np.zeros(len(shelf.item_key))
    by_slot[shelf.slots] = cosine
    more = shelf.slots[best]
    more = more[~np.isin(more, cold.slot)]
    slots = np.concatenate((cold.slot, more)).astype(np.int32)
    return slots, np.concatenate((cold.share, np.zeros(len(more)))), by_slot[slots]


def _by_the_learners_rules(shelf: Shelf, held: Restrictions, part: _Part) -> Part:
    """The list with what the learner asked for: preferences, then the next steps of the own plan, then pins."""
    preferred = _preferred(shelf, held, *part)
    return Part(*_pinned(shelf, held, *_with_next_steps(shelf, held, preferred)))


def _preferred(shelf: Shelf, held: Restrictions, item: Int32, terms: Float32, source: Int16) -> _Part:
    """The list with what the learner asked for more of moved up, and for less of down; by score."""
    if not held.preferred or not len(item):
        return item, terms, source
    topics = [shelf.view.topics.get(key, frozenset()) for key in shelf.item_key[item].tolist()]
    gain = np.array([preference_gain(held.preferred, one) for one in topics], np.float32)
    terms = terms.copy()
    terms[:, RELEVANCE] += gain
    source = np.where(gain > terms.max(axis=1) / 2, reasons.PREFERRED_CODE, source).astype(np.int16)
    order = np.argsort(-terms.sum(axis=1), kind="stable")
    return item[order], terms[order], source[order]


def _with_next_steps(shelf: Shelf, held: Restrictions, part: _Part) -> _Part:
    """The list with what comes next by the learner's own plan, as far as it may be shown."""
    if not (held.steps and held.personalised):
        return part
    steps = {step.item_key: step for step in held.steps}
    place = np.flatnonzero(np.isin(shelf.view.item_key, list(steps)))
    slots = shelf.slots[place]
    slots = slots[_allowed(shelf, slots, held)]
    return next_steps.added(part, {slot: steps[int(shelf.item_key[slot])] for slot in slots.tolist()})


def _pinned(shelf: Shelf, held: Restrictions, item: Int32, terms: Float32, source: Int16) -> _Part:
    """The list with what the learner pinned in front; a withdrawn item is not shown even so."""
    if not held.pinned:
        return item, terms, source
    slot_of = dict(zip(shelf.view.item_key.tolist(), shelf.slots.tolist(), strict=True))
    wanted = [slot_of[key] for key in held.pinned if key in slot_of and key not in held.hidden]
    front = [slot for slot in wanted if not shelf.hidden[slot]]
    if not front:
        return item, terms, source
    rest = ~np.isin(item, front)
    own = np.zeros((len(front), len(FAMILIES)), np.float32)
    for place, slot in enumerate(front):
        found = np.flatnonzero(item == slot)
        if len(found):
            own[place] = terms[found[0]]
    return (
        np.concatenate((np.array(front, np.int32), item[rest])),
        np.concatenate((own, terms[rest])),
        np.concatenate((np.full(len(front), reasons.PINNED_CODE, np.int16), source[rest])),
    )


def _last_item(state: State, shelf: Shelf, slot: int) -> int:
    histories = state.tables.histories
    return int(shelf.item_key[histories.ring_item[slot, 0]]) if histories.ring_length[slot] else 0


def _confidence(sure: Float64, bucket: int, source: Int16) -> Float64:
    if bucket < 0:
        return np.full(len(source), COLD_CONFIDENCE)
    places = np.minimum(np.arange(len(source)), sure.shape[1] - 1)
    # What is tried out comes from further down: its place says nothing for it.
    places[source == reasons.EXPLORED_CODE] = sure.shape[1] - 1
    # Behind the tenth place nothing is measured; what the tenth has is an upper bound.
    return np.asarray(sure[bucket][places])
