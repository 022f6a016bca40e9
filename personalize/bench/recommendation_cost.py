"""What does a list and a counted event cost as the catalogue grows? A made-up log of any size, on the thread's clock.

Learners wander: six times of ten to an item near their last in the catalogue, else to one drawn by popularity (Zipf).
The rows of the daily models and of content, which need texts and training, are filled with entries of the item-item
rows, so that every source does as much work as it ever does, and the network is served.  Lists are made by the
recommender's own kernel, as many at a time as it makes them.

    python -m personalize.bench.recommendation_cost --items 8000 --items 50000 --json cost.json
"""

from __future__ import annotations

import resource
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.recommendation.bounded_rows import Rows
from models.recommendation.fold import COUNT, LEARN
from models.recommendation.recommender import Recommender
from models.recommendation.tables import Capacity
from personalize.bench.progress import progress
from personalize.bench.report import Figure, Report, percentile
from projections.recommender.list_kernel import empty_ranked, rank_into
from projections.recommender.list_writer import LISTS_AT_ONCE

LEARNERS = 5_000
EVENTS_PER_LEARNER = 40
NEAR_SHARE = 0.6
TIMED = 1_024
WARM_EVENTS = 2 * LEARNERS
"""Enough that learners have a history, so that every kernel has been compiled when the clock starts."""
SERVED_GATE = (0.1, 0.2, 1_000.0)
"""A gate that serves the network: NDCG of the blend, of the network, lists judged."""
START_MS = 1_600_000_000_000


def wandering_log(items: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return learner, item and time (n,) of a made-up log over ``items`` items, in order of time."""
    rng = np.random.default_rng(seed)
    last = rng.integers(0, items, LEARNERS)
    learners, taken = [], []
    for _ in range(EVENTS_PER_LEARNER):
        near = np.clip(last + rng.integers(-3, 8, LEARNERS), 0, items - 1)
        popular = np.minimum(rng.zipf(1.2, LEARNERS) - 1, items - 1) * 7919 % items
        last = np.where(rng.random(LEARNERS) < NEAR_SHARE, near, popular)
        learners.append(rng.permutation(LEARNERS))
        taken.append(last[learners[-1]])
    n = LEARNERS * EVENTS_PER_LEARNER
    return np.concatenate(learners), np.concatenate(taken), START_MS + 20_000 * np.arange(n)


def _copy(source: Rows, target: Rows) -> None:
    width = min(source.ids.shape[1], target.ids.shape[1])
    target.ids[:, :width] = source.ids[:, :width]
    target.weights[:, :width, 0] = source.weights[:, :width, 0]
    target.length[:] = np.minimum(source.length, width)


def run(items: int, seed: int = 0) -> dict[str, Figure]:
    """Return what one counted event, one judged and learnt event and one list of 150 cost, and the memory of an item.

    Args:
        items: size of the catalogue.
        seed: of the log.
    """
    learner, item, at_ms = wandering_log(items, seed)
    recommender = Recommender(Capacity(items=items, learners=LEARNERS, pairs=len(learner)), seed=seed)
    recommender.add_items(np.arange(items, dtype=np.int64))
    first = WARM_EVENTS
    recommender.fold(learner[:first], item[:first], at_ms[:first], LEARN)  # compiles, outside the clock
    figures: dict[str, Figure] = {}
    with progress(f"cost at {items:,} items", len(learner)) as done:
        most = len(learner) - TIMED
        begun = time.thread_time_ns()
        recommender.fold(learner[first:most], item[first:most], at_ms[first:most], COUNT)
        figures[f"items_{items}_update_us"] = (time.thread_time_ns() - begun) / 1000 / (most - first)
        done(most)
        tables = recommender.tables
        for target in (tables.content, tables.ease, tables.ridge):
            _copy(tables.far, target)
        begun = time.thread_time_ns()
        recommender.fold(learner[most:], item[most:], at_ms[most:], LEARN)
        figures[f"items_{items}_judge_and_learn_us"] = (time.thread_time_ns() - begun) / 1000 / TIMED
        taken_us, candidates = _lists(recommender, int(at_ms[-1]) + 60_000, seed)
        done(len(learner))
    figures[f"items_{items}_recompute_us_p50"] = percentile(taken_us, 0.5)
    figures[f"items_{items}_recompute_us_p99"] = percentile(taken_us, 0.99)
    figures[f"items_{items}_candidates_mean"] = candidates
    figures[f"items_{items}_item_bytes"] = recommender.bytes_per_item()
    figures["peak_memory_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return figures


def _lists(recommender: Recommender, now_ms: int, seed: int) -> tuple[list[float], float]:
    """Makes the lists of `TIMED` learners: CPU of one [us], a figure a chunk; and the mean length of a list."""
    recommender.reranker.gate[:] = SERVED_GATE
    taken_us, lengths = [], []
    every = np.random.default_rng(seed).permutation(LEARNERS)[:TIMED].astype(np.int32)
    for slots in [every[:LISTS_AT_ONCE], *np.split(every, TIMED // LISTS_AT_ONCE)]:  # the first chunk compiles
        out, at_ms = empty_ranked(len(slots)), np.full(len(slots), now_ms, np.int64)
        begun = time.thread_time_ns()
        rank_into(
            out, recommender._work, recommender.tables, recommender.blend, recommender.reranker, recommender.admitted,
            slots, at_ms, 0.0,
        )  # fmt: skip
        taken_us.append((time.thread_time_ns() - begun) / 1000 / len(slots))
        lengths.append(float(out.length.mean()))
    return taken_us[1:], float(np.mean(lengths))


def main(items: list[int] = [8_000, 50_000], json: Path | None = None) -> None:  # noqa: B006 - only read
    """Measure the cost of lists and events at several sizes of the catalogue."""
    figures: dict[str, Figure] = {}
    for size in items:
        figures |= run(size)
    report = Report.of("recommendation-cost", figures)
    report.show()
    if json is not None:
        report.write(json)


if __name__ == "__main__":
    import typer

    def _command(
        items: list[int] = typer.Option([8_000, 50_000], help="sizes of the catalogue"),  # noqa: B008
        json: Path | None = typer.Option(None, help="file for the figures"),  # noqa: B008
    ) -> None:
        main(items, json)

    typer.run(_command)
