"""What do the recommender's metrics say after a tick?"""

from __future__ import annotations

import time

from projections.recommender.engine import Engine
from projections.recommender.evaluation import drifts
from projections.recommender.list_writer import Ticked
from streams import recommender_metrics as metrics


def show(engine: Engine, ticked: Ticked) -> None:
    """Moves the metrics by what one tick did."""
    metrics.WAITING.set(engine.waiting.events)
    metrics.PENDING.set(len(engine.lists.pending))
    if not (ticked.events or ticked.lists):
        return
    metrics.EVENTS.inc(ticked.events)
    metrics.COUNTED.inc(ticked.counted)
    metrics.DUPLICATES.inc(ticked.duplicates)
    metrics.JUDGED.inc(ticked.judged)
    metrics.LISTS.inc(ticked.lists)
    metrics.LIST_SECONDS.inc(ticked.list_seconds)
    metrics.RANK_SECONDS.inc(ticked.rank_seconds)
    metrics.FOLD_SECONDS.inc(ticked.fold_seconds)
    metrics.LEARN_SHARE.set(ticked.learn_share)
    if not ticked.mirrored:
        metrics.MIRROR_FAILURES.inc()
    if 0 < ticked.oldest_record_ms < 1 << 62:
        metrics.FRESHNESS_SECONDS.observe(max(0.0, time.time() - ticked.oldest_record_ms / 1000))
    _quality(engine, ticked)


def _quality(engine: Engine, ticked: Ticked) -> None:
    state = engine.state
    if state is None:
        return
    for one in ticked.sums:
        metrics.EVALUATIONS.labels(one.source, one.session).inc(one.events)
        metrics.HITS.labels(one.source, one.session).inc(one.hits)
        metrics.NDCG_SUM.labels(one.source, one.session).inc(one.ndcg)
    short, long, _, short_hits, long_hits, _ = state.evaluation.mean.tolist()
    metrics.NDCG.labels("short").set(short)
    metrics.NDCG.labels("long").set(long)
    metrics.HIT_RATE.labels("short").set(short_hits)
    metrics.HIT_RATE.labels("long").set(long_hits)
    metrics.DRIFT.set(drifts(state.evaluation))
    known = int(state.tables.items.known[0])
    metrics.ITEMS.set(known)
    if known:
        metrics.COVERAGE.set(engine.lists.coverage.shown_items() / known)
    metrics.POPULARITY_BIAS.set(engine.lists.coverage.popularity_bias(state.tables.items.events))
    metrics.DAMPING.set(engine.lists.coverage.damping)
