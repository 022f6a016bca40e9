"""How do learning paths go?  Of those made in the period: how far they came, how long it took, where they ended."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final, LiteralString, NamedTuple

import numpy as np

from models.suppression import too_few, withheld
from projections.reads.analytics.period import Part, Period, figures, masked, midnight, ratio, rows_hidden, shown
from projections.stores.postgres_pool import Query, Rows
from schemas.analytics import Cell, Point, Value

LEFT_AFTER: Final = dt.timedelta(days=14)
"""A path that is begun, not completed and untouched for so long was left."""
STEPS: Final = ((0.0, "made"), (1e-9, "begun"), (0.25, "25 %"), (0.5, "50 %"), (0.75, "75 %"), (1.0, "completed"))
"""Funnel: share of the modules that are completed, and its name; "begun" is any progress at all."""

PATHS: LiteralString = """
SELECT p.learner_key, (p.issued_at AT TIME ZONE 'UTC')::date AS day, p.level, p.estimated_seconds,
       count(*)::int AS modules,
       (count(*) FILTER (WHERE least(m.completed_at, i.completed_at) IS NOT NULL))::int AS completed,
       bool_or(greatest(m.completion, i.completion, m.time_spent_seconds, i.time_spent_seconds) > 0),
       sum(m.time_spent_seconds + coalesce(i.time_spent_seconds, 0))::float8 AS spent_seconds,
       extract(epoch FROM greatest(max(least(m.completed_at, i.completed_at)), p.issued_at) - p.issued_at)::float8,
       greatest(p.issued_at, max(m.completed_at), max(i.last_at)) < %(left_before)s AS untouched
FROM learning_path p
JOIN learners l ON l.learner_key = p.learner_key AND l.consent & 2 <> 0
JOIN path_module m USING (path_id)
LEFT JOIN content c ON c.content_id = m.module_id
LEFT JOIN item_progress i ON i.learner_key = p.learner_key AND i.item_key = c.item_key
WHERE p.issued_at >= %(previous)s::date::timestamp AT TIME ZONE 'UTC'
  AND p.issued_at < (%(last)s::date + 1)::timestamp AT TIME ZONE 'UTC'
GROUP BY p.path_id
"""


class Paths(NamedTuple):
    """What is known of p paths, as columns."""

    learner: Any
    day: Any
    level: Any
    estimated_seconds: Any
    share: Any
    """Completed modules of all, [0, 1]."""
    begun: Any
    spent_seconds: Any
    took_seconds: Any
    """From its making to its last completion."""
    left: Any

    def take(self, rows: Any) -> Paths:
        """The paths that a mask selects."""
        return Paths(*(column[rows] for column in self))


def queries(period: Period) -> list[Query]:
    """What has to be asked."""
    end = midnight(period.last) + dt.timedelta(days=1)
    return [(PATHS, {**period.parameters(), "left_before": end - LEFT_AFTER})]


def part(period: Period, answers: list[Rows]) -> Part:
    """The figures of learning paths."""
    paths = _paths(answers[0])
    current = paths.take(paths.day >= np.datetime64(period.first))
    before = paths.take(paths.day < np.datetime64(period.first))
    funnel, hidden_steps = _funnel(current)
    levels, hidden_levels = _levels(current)
    series, hidden = _series(period, current)
    groups = {"funnel": funnel, "level": levels}
    return Part(figures(_figures(current), _figures(before)), series, groups, hidden + hidden_steps + hidden_levels)


def _paths(rows: Rows) -> Paths:
    columns = list(zip(*rows, strict=True)) if rows else [()] * 10
    completed, modules = np.array(columns[5], float), np.array(columns[4], float)
    share = completed / np.maximum(modules, 1.0)
    begun = np.array(columns[6], bool) | (share > 0)
    return Paths(
        learner=np.array(columns[0], np.int64),
        day=np.array(columns[1], "datetime64[D]"),
        level=np.array(columns[2], object),
        estimated_seconds=np.array(columns[3], float),
        share=share,
        begun=begun,
        spent_seconds=np.array(columns[7], float),
        took_seconds=np.array(columns[8], float),
        left=begun & (share < 1.0) & np.array(columns[9], bool),
    )


def _learners(paths: Paths) -> int:
    return len(np.unique(paths.learner))


def _figures(paths: Paths) -> dict[str, Value]:
    done = paths.take(paths.share >= 1.0)
    made, completed = len(paths.learner), len(done.learner)
    begun = int(paths.begun.sum())
    values: dict[str, Value] = {
        "learners": float(_learners(paths)),
        "pathsMade": float(made),
        "pathsBegun": float(begun),
        "pathsCompleted": float(completed),
        "completionShare": ratio(completed, begun),
        "meanCompletion": float(paths.share.mean()) if made else None,
        "dropOffShare": ratio(float(paths.left.sum()), begun),
        "meanDaysToComplete": float(done.took_seconds.mean()) / 86_400.0 if completed else None,
        "meanSpentSeconds": float(done.spent_seconds.mean()) if completed else None,
        "spentOfEstimate": ratio(float(done.spent_seconds.sum()), float(done.estimated_seconds.sum())),
    }
    outcomes = {"pathsCompleted", "completionShare"}
    few = too_few(np.array([_learners(paths), _learners(done), _learners(paths.take(paths.left))]))
    gone = set(values) if few[0] else set()
    gone |= (outcomes | {"meanDaysToComplete", "meanSpentSeconds", "spentOfEstimate"}) if few[1] else set()
    return shown(values, gone | ({"dropOffShare"} if few[2] else set()))


def _reached(paths: Paths, step: int) -> Any:
    threshold, name = STEPS[step]
    return paths.begun if name == "begun" else paths.share >= threshold


def _funnel(paths: Paths) -> tuple[tuple[Cell, ...], int]:
    """Steps hold the steps after them: a step is shown if it has five learners, and if those who end there are five."""
    reached = [_reached(paths, step) for step in range(len(STEPS))]
    ended = [on & ~after for on, after in zip(reached, [*reached[1:], np.zeros_like(reached[0])], strict=True)]
    few = too_few(np.array([_learners(paths.take(mask)) for mask in reached])) | np.append(
        False, too_few(np.array([_learners(paths.take(mask)) for mask in ended[:-1]]))
    )
    cells = []
    for (_, name), mask, hidden in zip(STEPS, reached, few, strict=True):
        count = None if hidden else float(mask.sum())
        share = None if hidden or not len(mask) else float(mask.sum()) / len(mask)
        cells.append(Cell(name=name, values={"paths": count, "share": share}))
    return tuple(cells), int(few.sum())


def _levels(paths: Paths) -> tuple[tuple[Cell, ...], int]:
    names = sorted(set(paths.level.tolist()))
    chosen = [paths.take(paths.level == name) for name in names]
    hidden = withheld(np.array([_learners(each) for each in chosen], np.int64), np.array([len(p.day) for p in chosen]))
    kept = ("pathsMade", "meanCompletion", "completionShare", "dropOffShare")
    values = [{name: value for name, value in _figures(each).items() if name in kept} for each in chosen]
    points = masked(values, dict.fromkeys(kept, hidden))
    return tuple(Cell(name=name, values=each) for name, each in zip(names, points, strict=True)), int(hidden.sum())


def _series(period: Period, paths: Paths) -> tuple[tuple[Point, ...], int]:
    chosen = [paths.take(paths.day == np.datetime64(day)) for day in period.days]
    learners = np.array([_learners(each) for each in chosen])
    hidden = withheld(learners)
    done = hidden | withheld(np.array([_learners(each.take(each.share >= 1.0)) for each in chosen]))
    values: list[dict[str, Value]] = [
        {"pathsMade": float(len(each.day)), "pathsCompleted": float((each.share >= 1.0).sum())} for each in chosen
    ]
    points = masked(values, {"pathsMade": hidden, "pathsCompleted": done})
    return (
        tuple(Point(at=midnight(day), values=each) for day, each in zip(period.days, points, strict=True)),
        rows_hidden([hidden, done]),
    )
