"""Progress with content: the furthest completion, the best score, and nothing from what states neither."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.columns import COLUMNS, Interactions
from models.item_progress import NEVER_MS, NO_SCORE, of, update
from schemas.interactions import InteractionType

ABSENT = {name: np.nan if np.dtype(dtype).kind == "f" else 0 for name, dtype in COLUMNS.items()}


def log(*rows: dict[str, Any]) -> Interactions:
    """A log of one learner with one item, with these columns set."""
    return Interactions(
        **{name: np.array([{**ABSENT, **row}[name] for row in rows], dtype) for name, dtype in COLUMNS.items()}
    )


def test_the_furthest_completion_and_the_first_time_of_it() -> None:
    """Completion is the maximum; its time is the first at which it was whole."""
    found = of(
        log(
            {"type": InteractionType.PROGRESS.code, "completion_rate": 1.0, "at_ms": 30},
            {"type": InteractionType.COMPLETE.code, "completion_rate": 0.2, "at_ms": 20},
            {"type": InteractionType.PROGRESS.code, "completion_rate": 0.5, "at_ms": 10},
        )
    )
    assert found.completion.tolist() == [1.0]
    assert found.completed_ms.tolist() == [20]
    assert found.last_at_ms.tolist() == [30]


def test_what_states_neither_progress_nor_score_is_not_counted() -> None:
    """Views, and progress of nothing, leave no entry; a failed attempt leaves its score."""
    assert not len(of(log({"type": InteractionType.VIEW.code, "time_spent_seconds": 60.0})).learner)
    assert not len(of(log({"type": InteractionType.PROGRESS.code, "completion_rate": 0.0})).learner)
    found = of(log({"type": InteractionType.ATTEMPT.code, "score": 0.0}))
    assert (found.best_score.tolist(), found.completed_ms.tolist()) == ([0.0], [NEVER_MS])


def test_times_add_up_and_scores_do_not() -> None:
    """Two batches: times are summed, the best score stays."""
    first = of(log({"type": InteractionType.COMPLETE.code, "time_spent_seconds": 40.0, "score": 0.7}))
    both = update(first, log({"type": InteractionType.COMPLETE.code, "time_spent_seconds": 2.0, "score": 0.1}))
    assert both.time_spent_seconds.tolist() == [42.0]
    assert np.allclose(both.best_score, [0.7])
    assert of(log({"type": InteractionType.COMPLETE.code})).best_score.tolist() == [NO_SCORE]
