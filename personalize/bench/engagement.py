"""Does the engagement score say who comes back?  OULAD: active in the next seven days, asked at the end of each week.

Everybody who was active before is ranked by E(t) and by counts of events, at the end of every week of the course from
the second on.  The interval of the difference resamples students.  Half-lives beside the product's show what its
choice is worth.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from models import engagement
from models.at_risk import bootstrap_difference
from models.columns import Float64, Int64
from models.decay import DAY_MS
from models.grouping import Groups
from models.learner.accuracy import area_under_curve
from personalize.bench.at_risk import DEFAULT_DATA
from personalize.bench.data_folder import data_folder
from personalize.bench.oulad_interactions import FIRST_MS, Course, course
from personalize.bench.progress import progress
from personalize.bench.report import Figure, Report, describe_machine

FIRST_WEEK: Final = 2
LAST_WEEK: Final = 18
"""Up to here the measuring data have every presentation whole."""
NEXT_DAYS: Final = 7
RESAMPLES: Final = 200
OTHER_HALF_LIVES: Final = (3.5, 14.0)
"""[days]"""


def bench(data: Path | None = None, *, seed: int = 0) -> Report:
    """Measures.

    Args:
        data: folder with the measuring data sets, or OULAD's own; without it the bundled module.
        seed: of the resampling.
    """
    machine = describe_machine()
    folder = data_folder(data or DEFAULT_DATA)
    with progress("engagement, OULAD", LAST_WEEK) as done:
        figures = measure(course(folder), seed, done)
    return Report.of("engagement", figures, machine)


def measure(made: Course, seed: int, done: object = None) -> dict[str, Figure]:
    """The areas under the curves of the score and of the counts, over all weeks together."""
    batch, people = made.interactions, len(made.student)
    everybody = np.arange(people)
    day = (batch.at_ms - FIRST_MS) // DAY_MS
    state = engagement.empty(people)
    fading = {half_life: np.zeros(people) for half_life in OTHER_HALF_LIVES}
    shares = engagement.event_shares(engagement.event_terms(batch)).sum(axis=0)
    begun = -(10**6)
    columns: dict[str, list[Float64]] = {name: [] for name in ("active", "score", "events", "recent", "student")}
    columns |= {f"half_life_{half_life:g}": [] for half_life in OTHER_HALF_LIVES}
    for week in range(1, LAST_WEEK + 1):
        end = 7 * week
        fresh = (day >= begun) & (day < end)
        state = engagement.update(state, Groups(everybody, batch.learner[fresh]), batch.take(fresh))
        at_ms = FIRST_MS + end * DAY_MS
        for half_life, sums in fading.items():
            weight = shares[fresh] * 2.0 ** ((batch.at_ms[fresh] - at_ms) / (half_life * DAY_MS))
            faded = sums * 2.0 ** (-min(end - begun, 7) / half_life)
            fading[half_life] = faded + np.bincount(batch.learner[fresh], weight, people)
        begun = end
        if week >= FIRST_WEEK:
            _append(columns, made, state, fading, day, end)
        if callable(done):
            done(week)
    found = {name: np.concatenate(parts) for name, parts in columns.items()}
    outcome = found.pop("active")
    student = found.pop("student").astype(np.int64)
    low, high = bootstrap_difference(outcome > 0, found["score"], found["events"], student, RESAMPLES, seed)
    areas = {name: area_under_curve(outcome, values) for name, values in found.items()}
    return {
        "learner_weeks": len(outcome),
        "active_share": float(outcome.mean()),
        "engagement_auc": areas["score"],
        "events_auc": areas["events"],
        "difference_low": low,
        "difference_high": high,
        "events_of_7_days_auc": areas["recent"],
        **{f"half_life_{value:g}_days_auc": areas[f"half_life_{value:g}"] for value in OTHER_HALF_LIVES},
    }


def _append(
    columns: dict[str, list[Float64]],
    made: Course,
    state: engagement.Engagement,
    fading: dict[float, Float64],
    day: Int64,
    end: int,
) -> None:
    learner, people = made.interactions.learner, len(made.student)
    known = state.events > 0
    coming = np.bincount(learner[(day >= end) & (day < end + NEXT_DAYS)], minlength=people) > 0
    recent = np.bincount(learner[(day >= end - 7) & (day < end)], minlength=people)
    columns["active"].append(coming[known].astype(np.float64))
    columns["score"].append(engagement.score_at(state, FIRST_MS + end * DAY_MS)[known])
    columns["events"].append(state.events[known].astype(np.float64))
    columns["recent"].append(recent[known].astype(np.float64))
    columns["student"].append(made.student[known].astype(np.float64))
    for half_life, sums in fading.items():
        columns[f"half_life_{half_life:g}"].append(sums[known])
