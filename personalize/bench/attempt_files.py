"""Which attempts does a knowledge-tracing folder hold?  Reads its train and test file into columns of attempts.

A file is tab- or comma-separated, may be gzipped, and has a header with a learner, an item and an outcome column;
skill and time columns are used where they stand.  A folder without a training file is one cold-started test file.
Rows that only repeat one attempt for each of its skills are merged into one attempt with several skills: read apart,
the second row would be predicted from its own outcome.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np

from models.learner.attempts import Attempts, attempts
from models.learner.constants import MAX_SKILLS

LEARNER = ("user_id", "learner", "learner_id", "student_id", "user")
ITEM = ("item_id", "item", "problem_id", "question_id", "content_id")
OUTCOME = ("correct", "success", "outcome", "is_correct")
SKILL = ("skill_id", "skill", "skill_ids", "kc", "concept_id")
TIME = ("timestamp", "at_ms", "time", "at")
SUFFIXES = (".tsv", ".csv", ".txt", ".tsv.gz", ".csv.gz", ".txt.gz")
_SECONDS_BELOW = 10**11
"""A largest time below this is in seconds (the year 5138), above in milliseconds."""


class AttemptFileError(ValueError):
    """A file can't be read; the message names the file, the row or column, and the fix."""


@dataclass(frozen=True, slots=True)
class AttemptLog:
    """All attempts, the training file's first; learner, item and skill keys are dense, in order of appearance."""

    attempts: Attempts
    train: int
    """Attempts of the training file; 0 where there is none."""
    learners: int
    items: int
    skills: int
    merged_rows: int
    """Rows that repeated an attempt for another of its skills."""


@dataclass(slots=True)
class _Columns:
    """What is gathered while reading, interning keys on the way."""

    learner: list[int]
    item: list[int]
    success: list[int]
    at: list[int]
    skills: list[list[int]]
    keys: tuple[dict[str, int], dict[str, int], dict[str, int]]
    merged_rows: int = 0

    def add(self, learner: str, item: str, outcome: int, skills: list[str], at: int) -> None:
        people, things, topics = self.keys
        who, what = people.setdefault(learner, len(people)), things.setdefault(item, len(things))
        which = list(dict.fromkeys(topics.setdefault(skill, len(topics)) for skill in skills))
        if self.learner and (who, what, outcome, at) == (
            self.learner[-1],
            self.item[-1],
            self.success[-1],
            self.at[-1],
        ):
            known = self.skills[-1]
            if which and not set(which) & set(known) and len(known) + len(which) <= MAX_SKILLS:
                known.extend(which)
                self.merged_rows += 1
                return
        self.learner.append(who)
        self.item.append(what)
        self.success.append(outcome)
        self.at.append(at)
        self.skills.append(which)


def read_attempts(folder: Path) -> AttemptLog:
    """The attempts of a folder, training file first.

    Raises:
        AttemptFileError: no such folder, no or several candidate files, a column is missing, or a value is not valid.
    """
    if not folder.is_dir():
        raise AttemptFileError(f"{folder} is not a folder; give one with train.tsv.gz and test.tsv.gz")
    train, test = _find(folder, "train"), _find(folder, "test")
    if test is None:
        train, test = None, _only(folder)
    columns = _Columns([], [], [], [], [], ({}, {}, {}))
    if train is not None:
        _read(train, columns)
    rows = len(columns.learner)
    _read(test, columns)
    start = np.concatenate([[0], np.cumsum([len(skills) for skills in columns.skills], dtype=np.int64)])
    at = np.array(columns.at, np.int64)
    if len(at) and at.max() < _SECONDS_BELOW:
        at = at * 1000
    flat = [skill for skills in columns.skills for skill in skills]
    log = attempts(columns.learner, columns.item, columns.success, start, flat, at_ms=at)
    people, things, topics = columns.keys
    return AttemptLog(log, rows, len(people), len(things), len(topics), columns.merged_rows)


def _find(folder: Path, word: str) -> Path | None:
    found = [path for path in _tables(folder) if word in path.name.lower()]
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise AttemptFileError(f"{folder} holds several {word} files ({names}); keep one")
    return found[0] if found else None


def _only(folder: Path) -> Path:
    found = _tables(folder)
    if len(found) != 1:
        raise AttemptFileError(f"{folder} holds {len(found)} tables; name them train and test, or keep a single one")
    return found[0]


def _tables(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name.lower().endswith(SUFFIXES))


def _read(path: Path, columns: _Columns) -> None:
    lines = _lines(path)
    header_line = next(lines, "")
    delimiter = "\t" if "\t" in header_line else ","
    header = [name.strip().lower() for name in next(csv.reader([header_line], delimiter=delimiter), [])]
    learner, item, outcome = (_column(path, header, names) for names in (LEARNER, ITEM, OUTCOME))
    skill, time = _optional(header, SKILL), _optional(header, TIME)
    for number, row in enumerate(csv.reader(lines, delimiter=delimiter), start=2):
        if not row:
            continue
        if len(row) != len(header):
            raise AttemptFileError(f"{path.name}, line {number}: {len(row)} columns, the header has {len(header)}")
        if row[outcome] not in ("0", "1", "0.0", "1.0"):
            raise AttemptFileError(f"{path.name}, line {number}: {header[outcome]} is {row[outcome]!r}, wanted 0 or 1")
        at = _time(path, number, row[time]) if time is not None else 0
        skills = [part for part in row[skill].split("~~") if part] if skill is not None else []
        columns.add(row[learner], row[item], int(row[outcome][0]), skills[:MAX_SKILLS], at)


def _time(path: Path, number: int, text: str) -> int:
    try:
        return max(int(float(text or 0)), 0)
    except (ValueError, OverflowError) as error:
        raise AttemptFileError(f"{path.name}, line {number}: time is {text!r}, wanted a number") from error


def _lines(path: Path) -> Iterator[str]:
    try:
        opener = gzip.open if path.name.endswith(".gz") else open
        with opener(path, "rt", encoding="utf-8-sig", newline="") as lines:
            yield from cast(IO[str], lines)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise AttemptFileError(f"{path.name} can't be read: {error}") from error


def _column(path: Path, header: list[str], names: tuple[str, ...]) -> int:
    found = _optional(header, names)
    if found is None:
        raise AttemptFileError(f"{path.name} has no column {names[0]} (also accepted: {', '.join(names[1:])})")
    return found


def _optional(header: list[str], names: tuple[str, ...]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)
