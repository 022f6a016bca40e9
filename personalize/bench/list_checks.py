"""Does confidence come true, and does the floor under coverage hold?  On the state and the ranks of a replayed log.

Both go through the recommender's own code: its evaluation gives the confidences that each event's list would have
carried, and its writer's coverage steers the damping of popular items, 64 lists a tick.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.recommendation.fold import UNRANKED, Seen
from models.recommendation.recommender import Recommender
from personalize.bench.report import Figure
from projections.recommender.coverage import FLOOR, MOST_DAMPING, STEP, WINDOW, Coverage
from projections.recommender.evaluation import SHOWN, confidences, empty_evaluation, evaluate
from projections.recommender.list_kernel import empty_ranked, rank_into
from projections.recommender.list_writer import LISTS_AT_ONCE

CHUNK = 250
"""Events between two looks at the confidences: a tick at 1,000 events a second."""
BINS = (0.01, 0.02, 0.05, 0.1, 0.2, 1.0)
"""Upper ends of the classes of confidence."""


def calibration(seen: Seen, admitted: NDArray[np.bool_]) -> dict[str, Figure]:
    """What confidence was given to the first 10 places of each list, and how often the place was taken next."""
    evaluation = empty_evaluation()
    given, came_true = [], []
    for first in range(0, len(seen.rank), CHUNK):
        part = Seen(*(column[first : first + CHUNK] for column in seen))
        rows = np.flatnonzero((part.bucket >= 0) & (part.rank != UNRANKED))
        given.append(confidences(evaluation)[part.bucket[rows]])
        came_true.append(part.rank[rows, None] == np.arange(SHOWN)[None, :])
        evaluate(evaluation, part, np.zeros(len(part.rank), np.int64), admitted)
    sure, true = np.concatenate(given).ravel(), np.concatenate(came_true).ravel()
    figures: dict[str, Figure] = {}
    error = 0.0
    for low, high in zip((0.0, *BINS), BINS, strict=False):
        inside = (sure > low) & (sure <= high)
        if inside.any():
            name = f"confidence_up_to_{high:g}"
            mean, share = float(sure[inside].mean()), float(true[inside].mean())
            figures |= {f"{name}_mean": mean, f"{name}_taken_share": share, f"{name}_places": int(inside.sum())}
            error += int(inside.sum()) * abs(mean - share)
    return figures | {"confidence_calibration_error": error / max(1, len(sure))}


def coverage_floor(recommender: Recommender, items: int) -> dict[str, Figure]:
    """Coverage of the last lists, everybody's at his last event, before and after the floor has steered."""
    histories = recommender.tables.histories
    everybody = np.flatnonzero(histories.ring_length > 0).astype(np.int32)
    ticks = -(-WINDOW // LISTS_AT_ONCE)
    plain, held = Coverage(), Coverage()
    place = 0

    def tick(coverage: Coverage) -> None:
        nonlocal place
        slots = everybody[(place + np.arange(min(LISTS_AT_ONCE, len(everybody)))) % len(everybody)]
        place += len(slots)
        out, at_ms = empty_ranked(len(slots)), histories.ring_at_ms[slots, 0]
        rank_into(
            out, recommender._work, recommender.tables, recommender.blend, recommender.reranker, recommender.admitted,
            slots, at_ms, coverage.damping,
        )  # fmt: skip
        coverage.note(out.item, out.length)

    while plain.lists < WINDOW:
        tick(plain)
    for _ in range(ticks + round(MOST_DAMPING / STEP) + ticks):
        tick(held)
        held.steer(items)
    return {
        "coverage_floor": FLOOR,
        "lists_coverage_at_10_without_floor": plain.shown_items() / items,
        "lists_coverage_at_10": held.shown_items() / items,
        "popularity_damping": held.damping,
    }
