"""OULAD as the folds see it: one learner a student and presentation, days counted from the beginning of the course."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.columns import COLUMNS, Interactions
from models.decay import DAY_MS
from personalize.demo import oulad
from personalize.demo.activity_types import ACTIVITY_TYPES
from personalize.demo.oulad import Oulad
from personalize.errors import ProblemError

FIRST_MS = 1_600_000_000_000 // DAY_MS * DAY_MS
"""Day 0 of every course, so that all learners are asked about at the same moment."""


class Course(NamedTuple):
    """n clicks of all presentations, and who made them."""

    interactions: Interactions
    """In time order; ``learner`` numbers the pairs below."""
    student: NDArray[np.int64]
    """(g,) of each learner; somebody who takes two courses is two learners."""
    presentation: NDArray[np.int64]
    """(g,) index into ``names``."""
    names: tuple[tuple[str, str], ...]


class Enrolled(NamedTuple):
    """Those who were still registered at a day, as learners (g,) of a course, with how it ended."""

    student: NDArray[np.int64]
    presentation: NDArray[np.int64]
    failed: NDArray[np.bool_]
    """Failed, or withdrew after that day."""


def course(folder: Path, table: Oulad | None = None) -> Course:
    """The interactions as the importer would publish them, times counted from the beginning of each course."""
    table = table or oulad.read(folder)
    clicks = table.clicks
    pair = clicks.presentation * 100_000_000 + clicks.student
    pairs, learner = np.unique(pair, return_inverse=True)
    begins = np.zeros(len(table.presentations), np.int64)
    for number in range(len(begins)):
        chosen = np.flatnonzero(clicks.presentation == number)[:1]
        begins[number] = ((clicks.at_ms - clicks.day * DAY_MS)[chosen] // DAY_MS * DAY_MS)[0]
    at_ms = clicks.at_ms - begins[clicks.presentation] + FIRST_MS
    kinds = {site.id_site: ACTIVITY_TYPES[site.activity_type].interaction_type.code for site in table.sites.values()}
    nothing = np.full(len(clicks), np.nan, np.float32)
    columns: dict[str, Any] = {name: nothing for name, dtype in COLUMNS.items() if dtype == np.float32}
    zeros = np.zeros(len(clicks), np.int64)
    columns |= {
        "learner": learner,
        "item": clicks.site,
        "content_type": zeros,
        "type": np.array([kinds[site] for site in clicks.site.tolist()]),
        "at_ms": at_ms,
        "local_day": at_ms // DAY_MS,
        "local_hour": zeros,
        "clicks": clicks.clicks,
        "success": zeros - 1,
        "consent": zeros + 3,
        "dedupe_key": np.arange(len(clicks)),
    }
    batch = Interactions(**{name: np.asarray(columns[name]).astype(dtype) for name, dtype in COLUMNS.items()})
    order = np.argsort(at_ms, kind="stable")
    return Course(batch.take(order), pairs % 100_000_000, pairs // 100_000_000, table.presentations)


def enrolled(folder: Path, names: tuple[tuple[str, str], ...], day: int) -> Enrolled:
    """Who was registered at the end of a day of the course, from ``studentInfo`` and ``studentRegistration``.

    Raises:
        ProblemError: a table is missing.
    """
    left = {}
    for row in _rows(folder / "studentRegistration.csv"):
        key = (row["code_module"], row["code_presentation"], row["id_student"])
        registered, unregistered = row["date_registration"], row["date_unregistration"]
        left[key] = (bool(unregistered) and int(unregistered) <= day) or (bool(registered) and int(registered) > day)
    found = []
    for row in _rows(folder / "studentInfo.csv"):
        name = (row["code_module"], row["code_presentation"])
        if name in names and not left.get((*name, row["id_student"]), False):
            failed = row["final_result"] in {"Fail", "Withdrawn"}
            found.append((int(row["id_student"]), names.index(name), failed))
    student, presentation, outcome = (np.array(column) for column in zip(*found, strict=True))
    return Enrolled(student, presentation, outcome)


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise ProblemError(f"{path.parent} has no {path.name}.", "name the folder that holds all tables of OULAD.")
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
