"""How well is failing or leaving foretold after four weeks?  OULAD's outcomes, ten folds by student.

At the end of day 28 of each course: everybody who is registered then.  The features are what the read models hold
(`models.at_risk`), made by the product's own folds; demographics are not among them.  ``at_risk_auc`` and
``clicks_only_auc`` (logistic regression on the logarithm of all clicks so far) rank the same held-out learners; the
interval of their difference resamples students.  ``--write`` fits on everybody and writes the shipped weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models import at_risk, engagement, learner_days
from models.at_risk import DAYS, Activity
from models.columns import Float64, Interactions
from models.decay import DAY_MS
from models.grouping import group, group_pairs
from models.learner.accuracy import area_under_curve, calibration_error
from personalize.bench.data_folder import data_folder
from personalize.bench.oulad_interactions import FIRST_MS, Course, Enrolled, course, enrolled
from personalize.bench.progress import progress
from personalize.bench.report import Figure, Report, describe_machine

FOLDS: Final = 10
RESAMPLES: Final = 2_000
DEFAULT_DATA: Final = Path("../shared/data")
WEIGHTS_FILE: Final = Path(__file__).resolve().parents[2] / "models" / "at_risk_weights.py"


def bench(data: Path = DEFAULT_DATA, *, day: int = DAYS, seed: int = 0, write: bool = False) -> Report:
    """Measures.

    Args:
        data: folder with the measuring data sets, or OULAD's own.
        day: of the course, at whose end is asked.
        seed: of folds and resampling.
        write: also fit on everybody and write the shipped weights.
    """
    machine = describe_machine()
    folder = data_folder(data)
    with progress("at risk, OULAD", FOLDS + 2) as done:
        made = course(folder)
        people = enrolled(folder, made.names, day)
        done(1)
        known = activity(made, people, day)
        figures = measure(known, people, seed, done)
    if write:
        WEIGHTS_FILE.write_text(_source(at_risk.fit(at_risk.features(known), people.failed)), encoding="utf-8")
    return Report.of("at-risk", {"day": day, **figures}, machine)


def activity(made: Course, people: Enrolled, day: int) -> Activity:
    """What the read models hold of these people at the end of a day."""
    until_ms = FIRST_MS + (day + 1) * DAY_MS
    place = {pair: row for row, pair in enumerate(zip(people.student, people.presentation, strict=True))}
    row_of = np.array([place.get(pair, -1) for pair in zip(made.student, made.presentation, strict=True)])
    batch = made.interactions
    batch = batch.take((batch.at_ms < until_ms) & (row_of[batch.learner] >= 0))
    learner = row_of[batch.learner]
    batch = Interactions(**{**{name: getattr(batch, name) for name in batch.__slots__}, "learner": learner})
    days = learner_days.of(batch)
    n = len(people.student)
    ago = until_ms // DAY_MS - 1 - days.day
    events, clicks, active, silent, earlier_clicks, earlier_days = at_risk.activity_of(
        n, days.learner, ago, days.events.astype(float), days.clicks.astype(float)
    )
    groups = group(batch.learner)
    state = engagement.update(engagement.empty(groups.size), groups, batch)
    score = np.zeros(n)
    score[groups.keys] = engagement.score_at(state, until_ms)
    inside = batch.at_ms >= until_ms - DAYS * DAY_MS
    items = group_pairs(batch.learner[inside], batch.item[inside]).first
    return Activity(
        events,
        clicks,
        active,
        silent,
        np.bincount(items, minlength=n).astype(float),
        score,
        earlier_clicks,
        earlier_days,
    )


def measure(known: Activity, people: Enrolled, seed: int, done: object = None) -> dict[str, Figure]:
    """Both models on the same held-out learners."""
    found = at_risk.features(known)
    clicks = np.log1p(known.clicks.sum(axis=1) + known.earlier_clicks)[:, None]
    fold = _folds(people.student, seed)
    score, baseline = np.zeros(len(fold)), np.zeros(len(fold))
    for number in range(FOLDS):
        held = fold == number
        for into, table in ((score, found), (baseline, clicks)):
            weights = at_risk.fit(table[~held], people.failed[~held])
            into[held] = at_risk.probability(weights, table[held])
        if callable(done):
            done(number + 2)
    outcome = people.failed.astype(np.float64)
    low, high = at_risk.bootstrap_difference(people.failed, score, baseline, people.student, RESAMPLES, seed)
    quiet = at_risk.silent(known)
    return {
        "learners": len(fold),
        "failed_share": float(outcome.mean()),
        "at_risk_auc": area_under_curve(outcome, score),
        "clicks_only_auc": area_under_curve(outcome, baseline),
        "difference_low": low,
        "difference_high": high,
        "calibration_error": calibration_error(outcome, score),
        "rule_flagged_share": float(quiet.mean()),
        "rule_precision": float(outcome[quiet].mean()) if quiet.any() else None,
        "features": found.shape[1],
    }


def _folds(student: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """(n,) fold of each row; a student's rows share one."""
    students, inverse = np.unique(student, return_inverse=True)
    return (np.random.default_rng(seed).permutation(len(students)) % FOLDS)[inverse]


def _source(weights: at_risk.Weights) -> str:
    def row(values: Float64) -> str:
        return "".join(f"        {value:.6g},\n" for value in values.tolist())

    return (
        '"""Weights of `models.at_risk`, fitted to OULAD at day 28 by `personalize bench at-risk --write`."""\n\n'
        "from __future__ import annotations\n\nimport numpy as np\n\nfrom models.at_risk import Weights\n\n"
        "SHIPPED = Weights(\n"
        f"    mean=np.array([\n{row(weights.mean)}    ]),\n    scale=np.array([\n{row(weights.scale)}    ]),\n"
        f"    coefficient=np.array([\n{row(weights.coefficient)}    ]),\n    intercept={weights.intercept:.6g},\n)\n"
    )
