"""How are batch models made anew each day?  Train before a cut, judge behind it, promote only what is no worse.

The model that is promoted is the very one that was judged: it is not trained again on everything, so that tomorrow's
comparison is fair too.  The cut is never before the moment until which a live model was trained, so none has seen what
all are judged on.  Where several kinds may speak in a source of the blend, the one that foretold best on that hold-out
does (`model_choice`), each judged in the form in which it would speak.  What is newer than the cut reaches the lists
through the streaming counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from models.recommendation.ease import MOST_ITEMS, most_taken, train_ease
from models.recommendation.hold_out import cut_for, evaluate, judged_learners, split_at
from models.recommendation.ials import FACTORS, ItemFactors, train_ials
from models.recommendation.item_weights import heaviest, largest, taken_matrix, train_cosine
from models.recommendation.next_item_ridge import train_ridge
from models.recommendation.svd import train_svd
from models.recommendation.tables import Capacity
from projections import model_artifacts
from projections.model_artifacts import Events, Model
from projections.recommender.daily_models import SOURCES, spoken
from projections.stores.postgres import Connection
from streams.jobs import metrics
from streams.jobs.job import Assignment, Effect

Places = NDArray[np.int32]


class Log(NamedTuple):
    """n events in log order."""

    learner: Places
    """(n,) 0, 1, ..."""
    item: Places
    """(n,) slots."""
    items: NDArray[np.int64]
    """(M,) slots of the most taken items."""
    keys: NDArray[np.int64]
    """(M,) their keys."""


Trainer = Callable[[Log], Model]
_Dense = Callable[[Places, NDArray[np.int64], Places], NDArray[np.float64]]


def _of_largest(train: _Dense, row: int) -> Trainer:
    """What speaks against an item is kept as well, as the recommender's rows and its bench have it."""
    return lambda log: largest(log.keys, train(log.learner, log.items, log.item), row)


def _of_heaviest(train: _Dense) -> Trainer:
    return lambda log: heaviest(log.keys, train(log.learner, log.items, log.item))


def _ials(log: Log) -> ItemFactors:
    """Trained on at most `IALS_LEARNERS` learners, evenly chosen: a sweep solves one system for each."""
    taken = csr_array(taken_matrix(log.learner, log.items, log.item))
    if taken.shape[0] > IALS_LEARNERS:
        taken = taken[np.linspace(0, taken.shape[0] - 1, IALS_LEARNERS).astype(np.int64)]
    factors = min(FACTORS, max(1, min(taken.shape) // 3))
    return ItemFactors(log.keys, train_ials(taken, factors).item.astype(np.float32))


_ROWS = Capacity()
MODELS: Final[Mapping[str, Trainer]] = {
    "ease": _of_largest(train_ease, _ROWS.ease_row),
    "ridge": _of_largest(train_ridge, _ROWS.ridge_row),
    "svd": _of_heaviest(train_svd),
    "ials": _ials,
}
SIMILARITIES: Final[Mapping[str, Trainer]] = {"cosine": _of_heaviest(train_cosine)}

HOLD_OUT_SHARE = 0.1
IALS_LEARNERS = 20_000
FEWEST_JUDGED = 20
"""With fewer learners to judge by, a candidate is not promoted."""


class Candidate(NamedTuple):
    """A trained and judged model."""

    kind: str
    model: Model
    trained_until: datetime
    events: int
    metrics: dict[str, Any]
    no_worse: bool
    spoken_ndcg: Mapping[str, float]
    """NDCG@10 of what of this kind is live from now on, by the source of the blend that it may speak in."""


def train(trainers: Mapping[str, Trainer], assignment: Assignment) -> Effect:
    """The work of a job that trains these kinds: each is trained and judged; the effect keeps and promotes them."""
    events = model_artifacts.training_events(assignment.connection)
    cut = _cut(assignment.connection, trainers, events) if len(events.at_ms) else 0
    candidates = []
    # One core: training has all night, and the worker beside it has not.
    with threadpool_limits(limits=1):
        for done, (kind, trainer) in enumerate(trainers.items()):
            assignment.report(f"train {kind}", done, len(trainers))
            candidate = train_one(assignment.connection, kind, trainer, events, cut)
            if candidate is not None:
                candidates.append(candidate)

    def effect(connection: Connection) -> int:
        kept = sum(_keep(connection, candidate) for candidate in candidates)
        for source, kinds in SOURCES.items():
            _choose(connection, source, kinds, candidates)
        return kept

    return effect


def _cut(connection: Connection, kinds: Iterable[str], events: Events) -> int:
    """The moment [Unix ms] behind which all kinds are judged."""
    live = [found for kind in kinds if (found := model_artifacts.live(connection, kind)) is not None]
    not_before = max((round(one.trained_until.timestamp() * 1_000) for one in live), default=0)
    return cut_for(events.at_ms, HOLD_OUT_SHARE, not_before)


def train_one(connection: Connection, kind: str, trainer: Trainer, events: Events, cut: int) -> Candidate | None:
    """A candidate of one kind, judged beside the live model; None when there is nothing to learn from."""
    past = events.at_ms < cut
    if not past.any():
        return None
    live = model_artifacts.live(connection, kind)
    model = fit(trainer, events.learner[past], events.item[past])
    split = split_at(*events, cut)
    judged = judged_learners(split)
    result = evaluate(model, split, judged)
    no_worse = len(judged) >= FEWEST_JUDGED
    compared: dict[str, Any] = {**result._asdict()}
    serving: Model | None = model if no_worse else None
    if live is not None:
        current_model = model_artifacts.load(connection, live.version)
        current = evaluate(current_model, split, judged)
        compared |= {"live_version": live.version, "live_ndcg": current.ndcg}
        no_worse = no_worse and result.ndcg >= current.ndcg
        serving = model if no_worse else current_model
    spoken_ndcg = {}
    if serving is not None and len(judged) >= FEWEST_JUDGED:
        for source in (source for source, kinds in SOURCES.items() if kind in kinds):
            spoken_ndcg[source] = evaluate(spoken(serving, source), split, judged).ndcg
    until = datetime.fromtimestamp(cut / 1_000, UTC)
    return Candidate(kind, model, until, int(past.sum()), compared, no_worse, spoken_ndcg)


def _choose(connection: Connection, source: str, kinds: Sequence[str], candidates: Sequence[Candidate]) -> None:
    """Lets the kind speak that foretold best; of equals the one that speaks already."""
    ndcg = {one.kind: one.spoken_ndcg[source] for one in candidates if source in one.spoken_ndcg}
    if len(kinds) < 2 or not ndcg:
        return
    current = model_artifacts.choice(connection, source) or kinds[0]
    best = max(ndcg, key=lambda kind: (ndcg[kind], kind == current))
    if current not in ndcg or ndcg[best] >= ndcg[current]:
        model_artifacts.choose(connection, source, best, ndcg)


def fit(trainer: Trainer, learner: NDArray[np.int64], item: NDArray[np.int64]) -> Model:
    """The model of n events in log order, over the most taken items; keys are any integers."""
    item_keys, places = np.unique(item, return_inverse=True)
    slots: NDArray[np.int32] = places.astype(np.int32)
    who: NDArray[np.int32] = np.unique(learner, return_inverse=True)[1].astype(np.int32)
    items = most_taken(slots, MOST_ITEMS)
    return trainer(Log(who, slots, items, item_keys[items]))


def _keep(connection: Connection, candidate: Candidate) -> int:
    version = model_artifacts.store(
        connection,
        candidate.kind,
        candidate.model,
        trained_until=candidate.trained_until,
        events=candidate.events,
        metrics=candidate.metrics,
    )
    if candidate.no_worse:
        model_artifacts.make_live(connection, version)
        for name in ("precision", "recall", "f1", "ndcg"):
            metrics.MODEL_METRIC.labels(candidate.kind, name).set(candidate.metrics[name])
    return 1
