"""What do learners' logs look like outside? Reads folders of the known layouts into one log of columns.

Layouts, recognised by what a folder holds (a file may be gzipped, ``.csv.gz``):

- **MARS**: ``implicit_ratings*.csv`` (item_id, user_id, created_at) and ``items*.csv`` with titles, texts and tags;
- **MovieLens / RecBole**: ``*.inter`` (tab-separated, ``name:type`` headers) and, if there, ``*.item``;
- **MovieLens**: ``ratings.csv`` (userId, movieId, rating, timestamp) and, if there, ``movies.csv``;
- **plain**: one CSV with the columns ``learner,item,at[,rating]`` and, if there, ``items.csv`` (item, title, text).

Rows with a rating count as positive from four fifths of the highest rating up (4 of 5 stars); rows without, always.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LEARNER = ("learner", "learner_id", "user_id", "userid", "user", "username", "student_id", "reviewer_id")
ITEM = ("item", "item_id", "movieid", "itemid", "content_id", "contentid", "course_id", "courseid", "movie_id")
AT = ("at", "timestamp", "created_at", "time", "occurred_at", "date", "datetime")
RATING = ("rating", "stars", "score")
TITLE = ("title", "name", "movie_title", "item_title", "course_title")
POSITIVE_SHARE = 0.8  # of the highest rating: 4 of 5 stars
_SPECIAL = ("items", "movies", "users", "tags", "links", "genome")


class DatasetError(ValueError):
    """A folder can't be read; the message names the file, the column and the fix."""


@dataclass(frozen=True, slots=True)
class Log:
    """A log in order of (time, learner id, item id). n rows, U learners, N items; items stand in catalogue order."""

    name: str
    learner: NDArray[np.int32]  # (n,) 0..U-1
    item: NDArray[np.int32]  # (n,) 0..N-1
    at_ms: NDArray[np.int64]  # (n,) Unix milliseconds
    positive: NDArray[np.bool_]  # (n,)
    learners: int
    items: int
    texts: tuple[str, ...]  # (N,) text of every item, "" where none is known

    def __len__(self) -> int:
        return len(self.learner)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows as read: raw ids, times, ratings (NaN where absent)."""

    learner: list[str]
    item: list[str]
    at_ms: list[int]
    rating: list[float]


def read(folder: Path) -> Log:
    """Read a folder of any known layout.

    Raises:
        DatasetError: the folder is missing, holds no known layout, or a row can't be understood.
    """
    if not folder.is_dir():
        raise DatasetError(
            f"data folder {folder} does not exist; give a folder, for example --data ../shared/data/mars"
        )
    file, texts = _find(folder)
    rows = _read_rows(file)
    if not rows.learner:
        raise DatasetError(f"{file.name}: no rows below the header")
    return _as_log(folder.name, rows, texts)


def _find(folder: Path) -> tuple[Path, dict[str, str]]:
    """Return the file of the log and the texts of the items by id."""
    names = sorted(path for path in folder.iterdir() if path.is_file())
    implicit = [path for path in names if path.name.startswith("implicit_ratings") and _is_csv(path)]
    inter = [path for path in names if path.name.endswith((".inter", ".inter.gz"))]
    ratings = [path for path in names if path.name in {"ratings.csv", "ratings.csv.gz"}]
    special = [path for path in names if _is_csv(path) and path.name.split(".")[0].split("_")[0] in _SPECIAL]
    for found in (implicit, inter, ratings):
        if found:
            catalogue = [path for path in names if path.name.endswith((".item", ".item.gz"))] or special
            return found[0], _read_texts(catalogue)
    plain = [path for path in names if _is_csv(path) and path not in special]
    if len(plain) != 1:
        raise DatasetError(
            f"{folder}: expected implicit_ratings*.csv, *.inter, ratings.csv or one CSV with the columns "
            f"learner,item,at[,rating]; found {[path.name for path in names] or 'nothing'}"
        )
    return plain[0], _read_texts(special)


def _is_csv(path: Path) -> bool:
    return path.name.endswith((".csv", ".csv.gz", ".tsv", ".tsv.gz"))


def _open(path: Path) -> Iterator[dict[str, str]]:
    """Yield the rows of a comma- or tab-separated file as dictionaries with lower-case names."""
    raw = gzip.decompress(path.read_bytes()) if path.name.endswith(".gz") else path.read_bytes()
    text = raw.decode("utf-8-sig", errors="replace")
    first = text.split("\n", 1)[0]
    lines = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if "\t" in first else ",")
    header = [name.split(":")[0].strip().lower() for name in next(lines, [])]
    if not header:
        raise DatasetError(f"{path.name}: the file is empty")
    for line in lines:
        if line:
            yield dict(zip(header, line, strict=False))


def _pick(row: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    for name in names:
        if name in row:
            return row[name]
    return None


def _read_rows(path: Path) -> _Rows:
    rows = _Rows([], [], [], [])
    for number, row in enumerate(_open(path), start=2):
        learner, item, at = _pick(row, LEARNER), _pick(row, ITEM), _pick(row, AT)
        for value, field, names in ((learner, "learner", LEARNER), (item, "item", ITEM), (at, "at", AT)):
            if not value:
                raise DatasetError(
                    f"{path.name} line {number}: no {field}; the file needs a column named one of {', '.join(names)}"
                )
        rating = _pick(row, RATING) or "nan"
        try:
            rows.rating.append(float(rating))
        except ValueError:
            raise DatasetError(f"{path.name} line {number}: rating {rating!r} is not a number") from None
        try:
            rows.at_ms.append(_milliseconds(at or ""))
        except ValueError:
            raise DatasetError(
                f"{path.name} line {number}: at {at!r} is neither Unix time nor an ISO 8601 date and time"
            ) from None
        rows.learner.append(learner or "")
        rows.item.append(item or "")
    return rows


def _milliseconds(text: str) -> int:
    """Return Unix milliseconds of a Unix time (seconds or milliseconds) or an ISO 8601 text (UTC unless it says)."""
    try:
        number = float(text)
    except ValueError:
        moment = datetime.fromisoformat(text.strip())
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    return int(number if abs(number) >= 1e11 else number * 1000)


def _read_texts(files: list[Path]) -> dict[str, str]:
    """Return the text of every item: title three times, then all its other columns that hold words."""
    texts: dict[str, str] = {}
    for path in files:
        if path.name.split(".")[0].split("_")[0] in {"users", "tags", "links", "genome"}:
            continue
        for row in _open(path):
            item = _pick(row, ITEM)
            if item is None:
                break
            title = _pick(row, TITLE) or ""
            skip = {*ITEM, *TITLE, *AT, "language", "nb_views", "duration", "release_year", "id"}
            rest = [value for name, value in row.items() if name not in skip and value]
            texts[item] = " ".join([title, title, title, *rest])
    return texts


def _order(ids: set[str]) -> list[str]:
    """Return ids in catalogue order: by number where all are numbers, else as texts."""
    return sorted(ids, key=int) if all(id_.isdecimal() for id_ in ids) else sorted(ids)


def _as_log(name: str, rows: _Rows, texts: dict[str, str]) -> Log:
    order = sorted(range(len(rows.learner)), key=lambda k: (rows.at_ms[k], rows.learner[k], rows.item[k]))
    items = _order(set(rows.item) | set(texts))
    learners = sorted(set(rows.learner))
    item_slot = {id_: slot for slot, id_ in enumerate(items)}
    learner_slot = {id_: slot for slot, id_ in enumerate(learners)}
    rating = np.array(rows.rating)[order]
    threshold = POSITIVE_SHARE * np.nanmax(rating) if np.isfinite(rating).any() else 0.0
    return Log(
        name=name,
        learner=np.array([learner_slot[rows.learner[k]] for k in order], np.int32),
        item=np.array([item_slot[rows.item[k]] for k in order], np.int32),
        at_ms=np.array([rows.at_ms[k] for k in order], np.int64),
        positive=np.isnan(rating) | (rating >= threshold),
        learners=len(learners),
        items=len(items),
        texts=tuple(texts.get(id_, "") for id_ in items),
    )
