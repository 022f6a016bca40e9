"""What would a recommender remember and answer, given only events and texts? The pure core, without clock or storage.

Item and learner keys are any 64-bit integers; inside they are slots. Item slots stand in order of registration, which
has to be catalogue order (new items come last). The fold obeys the splitting law exactly: it is sequential, whatever
the batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.recommendation import content, sources
from models.recommendation.blend import BUCKETS, FEATURES, KINDS, Blend, bucket_of, empty_blend
from models.recommendation.candidates import LIMIT
from models.recommendation.explanation import Recommendations
from models.recommendation.fold import COUNT, LEARN, MEASURE, Seen, empty_work, fold, nothing_seen, prepare
from models.recommendation.item_weights import largest, rows_of
from models.recommendation.reranker import Reranker, new_reranker
from models.recommendation.scoring import clear_scores
from models.recommendation.serving import RECENCY, TERMS, many_lists
from models.recommendation.snapshots import (
    array_bytes,
    flattened,
    resized,
    restored,
    without_learner,
)
from models.recommendation.tables import Capacity, Tables, count_events, empty_tables

Keys = NDArray[np.int64]


LASTING_WEIGHT = 1.0
"""Of lasting taste in lists for the weeks to come; .5, 1 and 2 differ by .004 recall on the films it was set on."""


class Recommender:
    """Item tables, learner histories, blend and re-ranker behind keys.

    Args:
        capacity: initial sizes; slots grow by doubling, rows never do.
        seed: of the re-ranker's first weights and replay draws.
        prior: weights (1 + BUCKETS, FEATURES) to start the blend from, for example another tenant's.
    """

    def __init__(
        self, capacity: Capacity | None = None, seed: int = 0, prior: NDArray[np.float64] | None = None
    ) -> None:
        self.capacity = capacity or Capacity()
        self.tables: Tables = empty_tables(self.capacity)
        self.blend: Blend = empty_blend()
        if prior is not None:
            if prior.shape != (1 + BUCKETS, FEATURES):
                raise ValueError(f"prior has shape {prior.shape}; expected {(1 + BUCKETS, FEATURES)}")
            self.blend.weight[:] = prior
        self.reranker: Reranker = new_reranker(seed)
        self.admitted = np.ones(sources.SOURCE_COUNT, np.bool_)
        self._item_slot: dict[int, int] = {}
        self._learner_slot: dict[int, int] = {}
        self._item_keys = np.zeros(0, np.int64)
        self._make_work()

    def _make_work(self) -> None:
        self._work = empty_work(self.capacity.items, self.capacity.learners, self.capacity.takers)

    @property
    def items(self) -> int:
        """The number of registered items."""
        return len(self._item_slot)

    @property
    def learners(self) -> int:
        """The number of learners seen."""
        return len(self._learner_slot)

    def admit(self, names: Sequence[str]) -> None:
        """Let only the named sources speak.

        Raises:
            ValueError: a name is no source.
        """
        unknown = sorted(set(names) - set(sources.NAMES))
        if unknown:
            raise ValueError(f"unknown sources {unknown}; known are {', '.join(sources.NAMES)}")
        self.admitted[:] = [name in names for name in sources.NAMES]

    def add_items(self, keys: Keys) -> Keys:
        """Register items in catalogue order; known ones keep their slot. Return the slots (n,)."""
        slots = self._item_slot
        out = np.fromiter((slots.setdefault(key, len(slots)) for key in keys.tolist()), np.int64, len(keys))
        if len(slots) > len(self._item_keys):
            self._item_keys = np.fromiter(slots, np.int64, len(slots))
            self._grow()
        return out

    def _learner_slots(self, keys: Keys) -> Keys:
        slots = self._learner_slot
        out = np.fromiter((slots.setdefault(key, len(slots)) for key in keys.tolist()), np.int64, len(keys))
        self._grow(len(keys))
        return out

    def _grow(self, new_pairs: int = 0) -> None:
        """Double what is too small."""
        old = self.capacity
        pairs = int(self.tables.histories.taken_count[0]) + new_pairs
        wanted = old._replace(
            items=old.items if self.items <= old.items else max(self.items, 2 * old.items),
            learners=old.learners if self.learners <= old.learners else max(self.learners, 2 * old.learners),
            pairs=old.pairs if pairs <= old.pairs else max(pairs, 2 * old.pairs),
        )
        if wanted != old:
            self.capacity = wanted
            self.tables = resized(self.tables, wanted)
            self._make_work()

    def set_content(self, keys: Keys, texts: Sequence[str]) -> None:
        """Replace the content rows by those of n items and their texts; unknown items are registered."""
        slots = self.add_items(keys)
        self.tables.content.length[:] = 0
        content.nearest_rows(content.tfidf(texts), slots, self.tables.content)

    def set_models(self, items: Keys, ease: NDArray[np.float64], ridge: NDArray[np.float64]) -> None:
        """Install the daily item-item models, both (M, M) over the item keys ``items``."""
        slots = self.add_items(items)
        for rows, dense in ((self.tables.ease, ease), (self.tables.ridge, ridge)):
            rows_of(largest(items, dense, rows.ids.shape[1]), slots, rows)

    def update(self, learner: int, item: int, at_ms: int) -> None:
        """Count one event, without judging it."""
        i = self.add_items(np.array([item], np.int64))
        u = self._learner_slots(np.array([learner], np.int64))
        count_events(self.tables, u, i, np.array([at_ms], np.int64))

    def fold(self, learner: Keys, item: Keys, at_ms: Keys, mode: NDArray[np.int8] | int = LEARN) -> Seen:
        """Fold n events in order: each is ranked, learnt from (both unless its mode is COUNT) and counted."""
        i = self.add_items(item)
        u = self._learner_slots(learner)
        modes = np.full(len(u), mode, np.int8) if isinstance(mode, int) else mode
        seen = nothing_seen(len(u))
        fold(self._work, self.tables, self.blend, self.reranker, self.admitted, seen, u, i, at_ms, modes)
        return seen

    def recommend(self, learner: int, at_ms: int, limit: int = 150, known_only: bool = False) -> Recommendations:
        """Return the list of one learner; an unknown learner gets what is popular, an empty log the catalogue."""
        return self.recommend_many(np.array([learner], np.int64), at_ms, limit, known_only)[0]

    def recommend_many(
        self, learners: Keys, at_ms: int, limit: int = 150, known_only: bool = False
    ) -> list[Recommendations]:
        """Return the lists of m learners as of one moment, in one compiled call."""
        lengths, slot_of = self.tables.histories.ring_length, self._learner_slot
        known = [key for key in learners.tolist() if key in slot_of and lengths[slot_of[key]]]
        slots = np.array([slot_of[key] for key in known], np.int64)
        m, length = len(slots), min(limit, LIMIT)
        items, scores = np.zeros((m, length), np.int32), np.zeros((m, length))
        terms, counts = np.zeros((m, length, TERMS)), np.zeros(m, np.int32)
        many_lists(
            self._work, self.tables, self.blend, self.reranker, self.admitted, slots, at_ms, known_only,
            items, scores, terms, counts,
        )  # fmt: skip
        keys = self._item_keys
        lists = {
            key: Recommendations(keys[items[k, : counts[k]]], scores[k, : counts[k]], terms[k, : counts[k]])
            for k, key in enumerate(known)
            if counts[k]
        }
        return [lists.get(key) or self._newcomer(at_ms, length) for key in learners.tolist()]

    def _newcomer(self, at_ms: int, limit: int) -> Recommendations:
        """Return what is popular this month, then the rest of the catalogue in its order."""
        log_weight = self.tables.popularity.log_weight[1, : self.items]
        order = np.argsort(-log_weight, kind="stable")[:limit]
        score = np.log1p(np.exp(log_weight[order] - np.log(2.0) * at_ms / (30.0 * 86_400_000.0)))
        terms = np.zeros((len(order), TERMS))
        terms[:, sources.POPULAR_30] = score
        return Recommendations(self._item_keys[order], score, terms)

    def recommend_lasting(self, learner: int, at_ms: int, limit: int = 150) -> Recommendations:
        """Return a list for the weeks to come instead of the next step: for a mail, a plan, a home page.

        The blend's score, without the network, plus LASTING_WEIGHT times feature A of ``ease`` and of ``coset``, the
        two sources of lasting taste; the addends stand in their terms. Only known items.
        """
        slot = self._learner_slot.get(learner)
        if slot is None or self.tables.histories.ring_length[slot] == 0:
            return self._newcomer(at_ms, limit)
        work, histories = self._work, self.tables.histories
        count = prepare(work, self.tables, self.blend, self.admitted, slot, at_ms, True)
        clear_scores(work.scores)
        weight = self.blend.weight[0] + self.blend.weight[1 + bucket_of(histories, slot, at_ms)]
        parts = work.features[:count] * weight
        terms = np.zeros((count, TERMS))
        by_source = parts[:, : KINDS * sources.SOURCE_COUNT].reshape(count, sources.SOURCE_COUNT, KINDS)
        terms[:, : sources.SOURCE_COUNT] = by_source.sum(axis=2)
        terms[:, RECENCY] = parts[:, KINDS * sources.SOURCE_COUNT :].sum(axis=1)
        for source in (sources.EASE, sources.ITEM_ITEM):
            terms[:, source] += LASTING_WEIGHT * work.features[:count, KINDS * source]
        score = terms.sum(axis=1)
        best = np.argsort(-score, kind="stable")[:limit]
        return Recommendations(self._item_keys[work.candidates.item[best]], score[best], terms[best])

    def source_lists(self, learner: int, at_ms: int) -> dict[str, Keys]:
        """Return the best (at most 60) items of every admitted source for a learner with a history, best first."""
        slot = self._learner_slot.get(learner)
        if slot is None or self.tables.histories.ring_length[slot] == 0:
            return {}
        prepare(self._work, self.tables, self.blend, self.admitted, slot, at_ms, True)
        clear_scores(self._work.scores)
        top, count = self._work.candidates.top_item, self._work.candidates.top_count
        keys = self._item_keys
        return {name: keys[top[k, : count[k]]] for k, name in enumerate(sources.NAMES) if self.admitted[k]}

    def forget(self, learner: int) -> None:
        """Remove a learner's ring, pairs and places among the takers; anonymous counts of items stay."""
        slot = self._learner_slot.get(learner)
        if slot is not None:
            self.tables = without_learner(self.tables, slot)

    def bytes_per_item(self) -> int:
        """Return what one item slot takes at most: rows are bounded, so this does not grow with the log."""
        return (array_bytes(self.tables) - array_bytes(self.tables.histories)) // self.capacity.items

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """Return the whole state as named arrays, cut to what is used: for ``numpy.savez`` without pickle."""
        pairs = int(self.tables.histories.taken_count[0])
        used = self.capacity._replace(items=max(1, self.items), learners=max(1, self.learners), pairs=max(1, pairs))
        state = flattened("tables", resized(self.tables, used))
        state |= flattened("blend", self.blend) | flattened("reranker", self.reranker)
        state["capacity"] = np.array(used, np.int64)
        state["admitted"] = self.admitted.copy()
        state["item_keys"] = self._item_keys.copy()
        state["learner_keys"] = np.array(list(self._learner_slot), np.int64)
        return state

    @classmethod
    def restore(cls, state: Mapping[str, NDArray[np.generic]]) -> Recommender:
        """Return a recommender that goes on exactly where the snapshot was taken."""
        capacity = Capacity(*(int(size) for size in state["capacity"]))
        new = cls(capacity)
        new.tables = restored("tables", new.tables, state)
        new.blend = restored("blend", new.blend, state)
        new.reranker = restored("reranker", new.reranker, state)
        new.admitted = state["admitted"].astype(np.bool_)
        new._item_keys = state["item_keys"].astype(np.int64)
        new._item_slot = {int(key): slot for slot, key in enumerate(new._item_keys)}
        new._learner_slot = {int(key): slot for slot, key in enumerate(state["learner_keys"])}
        return new


__all__ = ["COUNT", "LEARN", "MEASURE", "Capacity", "Recommender"]
