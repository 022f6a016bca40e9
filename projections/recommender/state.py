"""What does the recommender know?  Item tables, blend, histories and evaluation, moved by batches of events.

Pure but for the arrays it owns: no clock, no database.  The same batches, in any grouping that keeps their order, give
the same state bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.columns import Float32, Int16, Int32, Int64
from models.recommendation import sources
from models.recommendation.blend import Blend, empty_blend
from models.recommendation.bounded_rows import Rows
from models.recommendation.fold import COUNT, LEARN, MEASURE, Work, empty_work, fold, nothing_seen
from models.recommendation.item_weights import ItemWeights, rows_of
from models.recommendation.reranker import Reranker, new_reranker
from models.recommendation.snapshots import resized, without_learner
from models.recommendation.tables import Capacity, Tables, empty_tables
from projections.recommender import evidence
from projections.recommender.dedupe_window import DedupeWindow
from projections.recommender.evaluation import Evaluation, Sums, empty_evaluation, evaluate
from projections.recommender.growth import doubled, padded
from projections.recommender.slots import Slots
from projections.recommender.weights import prior

NOBODY = 0
"""The learner slot that stands for all who were forgotten."""
NOBODY_KEY = -1
SEED = 20_261_123
"""Of the network's first layer."""
_HASH = np.uint64(0x9E3779B97F4A7C15)


class Batch(NamedTuple):
    """n events in the order in which they are counted."""

    learner: Int64
    """Surrogate keys."""
    item: Int64
    """Surrogate keys."""
    at_ms: Int64
    record_ms: Int64
    type: Int16
    rating: Float32
    dedupe_key: Int64


class Shares(NamedTuple):
    """Which share of the events is also learnt from, and which share of those is ranked by every single source."""

    learn: float = 1.0
    measure: float = 1.0


class Folded(NamedTuple):
    """What one batch did."""

    sums: list[Sums]
    counted: int
    duplicates: int
    judged: int


class State:
    """All that is folded; `arrays` is the snapshot of it."""

    def __init__(self, capacity: Capacity | None = None) -> None:
        self.capacity = capacity or Capacity()
        self.tables: Tables = empty_tables(self.capacity)
        self.blend: Blend = empty_blend()
        self.blend.weight[:] = prior().weight
        self.reranker: Reranker = new_reranker(SEED)
        self.evaluation: Evaluation = empty_evaluation()
        self.dedupe = DedupeWindow()
        self.learners = Slots([NOBODY_KEY])
        self.items = Slots()
        self.last_item = np.full(self.capacity.learners, -1, np.int64)
        self.last_at_ms = np.zeros(self.capacity.learners, np.int64)
        self.partition = np.full(self.capacity.learners, -1, np.int32)
        self.step = 0
        self.work: Work = self._new_work()

    # -- folding -------------------------------------------------------------------------------------------------

    def fold(self, batch: Batch, shares: Shares = Shares()) -> Folded:  # noqa: B008
        """Counts a batch, after ranking and learning from a share of it.

        Args:
            batch: n events.
            shares: what to rank and learn from; a fixed hash of the event decides, so that it can be folded again.
        """
        fresh = self.dedupe.unseen(batch.dedupe_key)
        rows = np.flatnonzero(fresh & evidence.taking(batch.type, batch.rating))
        learner = self.learner_slots(batch.learner[rows])
        item = self.item_slots(batch.item[rows])
        at_ms = batch.at_ms[rows]
        begins = evidence.visits(
            learner.astype(np.int64), item.astype(np.int64), at_ms, self.last_item[learner], self.last_at_ms[learner]
        )
        # Assignment keeps the last of equal indices: the newest event of each learner.
        self.last_item[learner] = item
        self.last_at_ms[learner] = at_ms
        rows, learner, item, at_ms = rows[begins], learner[begins], item[begins], at_ms[begins]
        self._make_room(len(rows))
        seen = nothing_seen(len(rows))
        mode = _modes(batch.dedupe_key[rows], shares)
        admitted = self.admitted()
        who, what = learner.astype(np.int64), item.astype(np.int64)
        fold(self.work, self.tables, self.blend, self.reranker, admitted, seen, who, what, at_ms, mode)
        sums = evaluate(self.evaluation, seen, batch.record_ms[rows], admitted)
        self.step += 1
        return Folded(
            sums=sums,
            counted=len(rows),
            duplicates=int(len(fresh) - fresh.sum()),
            judged=int((seen.bucket >= 0).sum()),
        )

    def forget(self, learner_key: int) -> None:
        """Takes a learner out of everything that could name him."""
        slot = self.learners.forget(learner_key)
        if slot is not None:
            self.tables = without_learner(self.tables, slot)
            self.last_item[slot], self.last_at_ms[slot], self.partition[slot] = -1, 0, -1

    def put_content(self, rows: Rows, size: int) -> None:
        """Takes over rows of nearest items by content, made for at most ``size`` item slots."""
        larger = [padded(values, size) for values in rows]
        self.tables = self.tables._replace(content=Rows(*larger))

    def put_model(self, kind: str, model: ItemWeights | None) -> None:
        """Takes over a daily model as the source of its name; None: the source falls silent."""
        rows: Rows = getattr(self.tables, kind)
        if model is None:
            rows.length[:] = 0
            return
        slots = self.item_slots(model.items)
        # Making room for its items may have moved the rows.
        rows_of(model, slots.astype(np.int64), getattr(self.tables, kind))

    def fits(self, arrays: Mapping[str, NDArray[Any]]) -> bool:
        """Whether arrays are those of a state of this version of the models."""
        own = self.arrays()
        fixed = ("blend.", "reranker.", "evaluation.")
        return own.keys() == arrays.keys() and all(
            values.dtype == arrays[name].dtype
            and values.ndim == arrays[name].ndim
            and (values.shape == arrays[name].shape or not name.startswith(fixed))
            for name, values in own.items()
        )

    def admitted(self) -> NDArray[np.bool_]:
        """(S,) which sources speak: the daily models only once they were trained."""
        admitted = np.ones(sources.SOURCE_COUNT, bool)
        admitted[sources.EASE] = bool(self.tables.ease.length.any())
        admitted[sources.RIDGE] = bool(self.tables.ridge.length.any())
        return admitted

    # -- slots and room ------------------------------------------------------------------------------------------

    def learner_slots(self, keys: Int64) -> Int32:
        """(n,) slots of learners, with room for all of them."""
        found = self.learners.of(keys)
        if len(self.learners) > len(self.last_item):
            size = doubled(len(self.last_item), len(self.learners))
            self.last_item = padded(self.last_item, size, fill=-1)
            self.last_at_ms = padded(self.last_at_ms, size)
            self.partition = padded(self.partition, size, fill=-1)
            self._resize(self.capacity._replace(learners=size))
        return found

    def item_slots(self, keys: Int64) -> Int32:
        """(n,) slots of items, with room for all of them."""
        found = self.items.of(keys)
        if len(self.items) > self.capacity.items:
            self._resize(self.capacity._replace(items=doubled(self.capacity.items, len(self.items))))
        return found

    def _make_room(self, events: int) -> None:
        histories = self.tables.histories
        needed = int(histories.taken_count[0]) + events
        if 2 * needed > len(histories.taken):
            self._resize(self.capacity._replace(pairs=2 * needed))

    def _resize(self, capacity: Capacity) -> None:
        # A doubling takes about 50 ms at 8,000 items; nothing is folded meanwhile.
        self.capacity = capacity
        self.tables = resized(self.tables, capacity)
        self.work = self._new_work()

    def _new_work(self) -> Work:
        return empty_work(len(self.tables.items.events), len(self.last_item), self.tables.takers.learner.shape[1])

    # -- snapshot ------------------------------------------------------------------------------------------------

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Every array of the state by name, without the rows that are made from the catalogue and by the jobs."""
        found: dict[str, NDArray[Any]] = {}
        own = self.tables._replace(content=None, ease=None, ridge=None)  # type: ignore[arg-type]
        _collect(found, "tables", own)
        _collect(found, "blend", self.blend)
        _collect(found, "reranker", self.reranker)
        _collect(found, "evaluation", self.evaluation)
        found["dedupe.young"], found["dedupe.old"] = self.dedupe.young, self.dedupe.old
        found["dedupe.count"] = self.dedupe.count
        found["learners.key"], found["items.key"] = self.learners.keys(), self.items.keys()
        found["learners.last_item"], found["learners.last_at_ms"] = self.last_item, self.last_at_ms
        found["learners.partition"] = self.partition
        return found

    @classmethod
    def of_arrays(cls, arrays: dict[str, NDArray[Any]], step: int) -> State:
        """The state whose `arrays` these are; they are taken over, not copied."""
        histories = len(arrays["tables.histories.taken"])
        items, learners = len(arrays["tables.items.events"]), len(arrays["learners.last_item"])
        state = cls(Capacity()._replace(items=items, learners=learners, pairs=histories // 2))
        state.tables = _restore(arrays, "tables", state.tables)
        state.blend = _restore(arrays, "blend", state.blend)
        state.reranker = _restore(arrays, "reranker", state.reranker)
        state.evaluation = _restore(arrays, "evaluation", state.evaluation)
        state.dedupe.young, state.dedupe.old = arrays["dedupe.young"], arrays["dedupe.old"]
        state.dedupe.count = arrays["dedupe.count"]
        state.learners, state.items = Slots(arrays["learners.key"].tolist()), Slots(arrays["items.key"].tolist())
        state.last_item, state.last_at_ms = arrays["learners.last_item"], arrays["learners.last_at_ms"]
        state.partition = arrays["learners.partition"]
        state.step = step
        state.work = state._new_work()
        return state

    def memory_bytes(self) -> int:
        """Bytes of all arrays."""
        return sum(values.nbytes for values in self.arrays().values())


def _modes(dedupe_key: Int64, shares: Shares) -> NDArray[np.int8]:
    """(n,) what to do with each event besides counting it."""
    draw = ((dedupe_key.astype(np.uint64) * _HASH) >> np.uint64(40)).astype(np.float64) / 2.0**24
    learns = draw < shares.learn
    measures = learns & (draw < shares.learn * shares.measure)
    return np.where(measures, MEASURE, np.where(learns, LEARN, COUNT)).astype(np.int8)


def _collect(found: dict[str, NDArray[Any]], name: str, value: Any) -> None:
    if isinstance(value, np.ndarray):
        found[name] = value
    elif value is not None:
        for field in value._fields:
            _collect(found, f"{name}.{field}", getattr(value, field))


def _restore(arrays: dict[str, NDArray[Any]], name: str, like: Any) -> Any:
    """A named tuple of the shape of ``like`` from the arrays; what they do not hold stays as it is."""
    if isinstance(like, np.ndarray):
        return arrays.get(name, like)
    return type(like)(*(_restore(arrays, f"{name}.{field}", getattr(like, field)) for field in like._fields))


__all__ = ["NOBODY", "Batch", "Folded", "Shares", "State"]
