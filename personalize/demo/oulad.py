"""What did Open University learners click, and when?  OULAD's tables as columns in time order.

OULAD (Kuzilek, Hlosta, Zdrahal 2017, CC BY 4.0) knows a click's day, not its time.  The time of day is invented here,
from a seed and the row itself, so that every reading gives the same history:

* a learner has a usual hour between 8 and 22 o'clock (the mean of two uniforms, so the afternoon is likeliest);
* each of their days starts within 2.5 hours of it;
* the rows of a day follow each other in a shuffled order (OULAD gives none), each taking 15 s and 12 s a click, all
  squeezed so that the day ends before midnight.

Day 0 is the first of October (presentations ending in J) or of February (B) of the presentation's year.  Times are UTC.
"""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from personalize.errors import ProblemError

BUNDLED: Final = Path(__file__).resolve().parents[2] / "data" / "oulad"
DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000
_DAY_END_MS: Final = DAY_MS - 60_000
_ROW_SECONDS: Final = 15
_CLICK_SECONDS: Final = 12
_MOST_TIMED_CLICKS: Final = 40
_MONTH: Final = {"B": 2, "J": 10}


@dataclass(frozen=True, slots=True)
class Site:
    """One site of a module: what can be clicked."""

    id_site: int
    module: str
    presentation: str
    activity_type: str
    ordinal: int  # within its module, presentation and activity type; by id_site, from 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Clicks:
    """n rows of studentVle in time order, each column of shape (n,)."""

    student: NDArray[np.int64]
    site: NDArray[np.int64]
    day: NDArray[np.int64]
    """Days since the presentation began; negative before it."""
    clicks: NDArray[np.int64]
    ordinal: NDArray[np.int64]
    """Which of the equal (student, site, day) rows of the table this is, from 0."""
    presentation: NDArray[np.int64]
    """Index into ``Oulad.presentations``."""
    at_ms: NDArray[np.int64]
    """Unix milliseconds, unshifted."""

    def __len__(self) -> int:
        return len(self.student)

    def take(self, rows: Any) -> Clicks:
        """The rows that an index array, a mask or a slice selects, in its order."""
        return Clicks(**{name: getattr(self, name)[rows] for name in self.__slots__})


@dataclass(frozen=True, slots=True)
class Oulad:
    """A folder of OULAD."""

    presentations: tuple[tuple[str, str], ...]
    sites: dict[int, Site]
    clicks: Clicks


def read(folder: Path = BUNDLED, *, seed: int = 0) -> Oulad:
    """Reads ``studentVle*`` (tab- or comma-separated, gzipped or not) and ``vle.csv`` of a folder.

    Args:
        folder: the bundled module by default, or any folder with OULAD's tables.
        seed: of the invented times of day.

    Raises:
        ProblemError: a table is missing or has other columns.
    """
    tables = sorted([*folder.glob("studentVle*.gz"), *folder.glob("studentVle*.[ct]sv")])
    if not tables or not (folder / "vle.csv").is_file():
        raise ProblemError(
            f"{folder} has no OULAD tables.", "name a folder that holds vle.csv and studentVle*.csv (or .tsv, .gz)."
        )
    parts = [_read_clicks(table) for table in tables]
    names = tuple(sorted({name for part in parts for name in part[0]}))
    numbers = np.concatenate([part[1] for part in parts])
    code = {name: index for index, name in enumerate(names)}
    presentation = np.concatenate([np.array([code[name] for name in part[0]], np.int64)[part[2]] for part in parts])
    return Oulad(names, _read_sites(folder / "vle.csv", set(names)), _in_time_order(names, presentation, numbers, seed))


def _read_clicks(table: Path) -> tuple[list[tuple[str, str]], NDArray[np.int64], NDArray[np.int64]]:
    """Presentations, the four number columns (n, 4), and the presentation index of each row."""
    with gzip.open(table, "rb") if table.suffix == ".gz" else table.open("rb") as file:
        header = file.readline().replace(b'"', b"").strip()
        separator = b"\t" if b"\t" in header else b","
        wanted = b"code_module code_presentation id_student id_site date sum_click".split()
        if header.split(separator) not in (wanted, [*wanted[:2], b"id_site", b"id_student", *wanted[4:]]):
            raise ProblemError(f"{table.name} has other columns than OULAD's studentVle.", "take the published table.")
        swapped = header.split(separator)[2] == b"id_site"
        cells = file.read().replace(b'"', b"").replace(separator, b" ").split()
    named = list(zip(cells[0::6], cells[1::6], strict=True))
    index = {name: number for number, name in enumerate(dict.fromkeys(named))}
    rows = np.fromiter(map(index.__getitem__, named), np.int64, len(named))
    numbers = np.stack([np.array(cells[column::6], "S12").astype(np.int64) for column in range(2, 6)], axis=1)
    if swapped:
        numbers = numbers[:, [1, 0, 2, 3]]
    return [(module.decode(), presentation.decode()) for module, presentation in index], numbers, rows


def _read_sites(table: Path, presentations: set[tuple[str, str]]) -> dict[int, Site]:
    """The sites of the presentations that have clicks; ordinals count by id_site."""
    seen: dict[tuple[str, str, str], int] = {}
    sites = {}
    with table.open(newline="", encoding="utf-8") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: int(row["id_site"]))
    for row in rows:
        key = (row["code_module"], row["code_presentation"], row["activity_type"])
        if key[:2] not in presentations:
            continue
        seen[key] = seen.get(key, 0) + 1
        sites[int(row["id_site"])] = Site(int(row["id_site"]), *key, ordinal=seen[key])
    return sites


def _in_time_order(
    names: tuple[tuple[str, str], ...], presentation: NDArray[np.int64], numbers: NDArray[np.int64], seed: int
) -> Clicks:
    student, site, day, clicks = numbers.T
    begins = np.array([_begin_ms(name) for _, name in names], np.int64)
    ordinal = _ordinals(student, site, day, presentation)
    at_ms = (
        begins[presentation]
        + day * DAY_MS
        + _time_of_day_ms(student, site, day, clicks=clicks, ordinal=ordinal, seed=seed)
    )
    rows = np.lexsort((ordinal, site, student, at_ms))
    return Clicks(
        student=student[rows],
        site=site[rows],
        day=day[rows],
        clicks=clicks[rows],
        ordinal=ordinal[rows],
        presentation=presentation[rows],
        at_ms=at_ms[rows],
    )


def _begin_ms(presentation: str) -> int:
    month = _MONTH.get(presentation[-1:])
    if month is None or not presentation[:-1].isdigit():
        raise ProblemError(f"Presentation {presentation!r} is not a year and B or J.", "take OULAD's own tables.")
    return int(datetime(int(presentation[:-1]), month, 1, tzinfo=UTC).timestamp()) * 1000


def _ordinals(*keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many earlier rows have the same keys, (n,)."""
    order = np.lexsort(keys[::-1])
    starts = _starts([key[order] for key in keys])
    run = np.arange(len(order)) - np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0))
    ordinals = np.empty(len(order), np.int64)
    ordinals[order] = run
    return ordinals


def _starts(keys: list[NDArray[np.int64]]) -> NDArray[np.bool_]:
    """Where a run of equal keys begins, in sorted columns."""
    starts = np.ones(len(keys[0]), bool)
    starts[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    return starts


def _uniform(seed: int, salt: int, *keys: NDArray[np.int64]) -> NDArray[np.float64]:
    """A number in [0, 1) that only the seed, the salt and the keys decide: splitmix64 (Steele, Lea, Flood 2014)."""
    state = np.full(len(keys[0]), (seed * 0x9E3779B97F4A7C15 + salt) & 0xFFFFFFFFFFFFFFFF, np.uint64)
    for key in keys:
        state = (state ^ key.astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        state ^= state >> np.uint64(31)
    return (state >> np.uint64(11)).astype(np.float64) / 2.0**53


def _time_of_day_ms(
    student: NDArray[np.int64],
    site: NDArray[np.int64],
    day: NDArray[np.int64],
    *,
    clicks: NDArray[np.int64],
    ordinal: NDArray[np.int64],
    seed: int,
) -> NDArray[np.int64]:
    """The invented time of each row within its day [ms], as the module's first paragraph says."""
    usual = 8 + 14 * (_uniform(seed, 1, student) + _uniform(seed, 2, student)) / 2
    moved = 2.5 * (2 * _uniform(seed, 3, student, day) - 1)
    start_ms = (np.clip(usual + moved, 0, 23) * _HOUR_MS).astype(np.int64)
    order = np.lexsort((_uniform(seed, 4, student, site, day, ordinal), day, student))
    starts = _starts([student[order], day[order]])
    spans = (_ROW_SECONDS + _CLICK_SECONDS * np.minimum(clicks[order], _MOST_TIMED_CLICKS)) * 1000
    run = np.cumsum(starts) - 1
    firsts = np.flatnonzero(starts)
    before = np.cumsum(spans) - spans
    elapsed = before - before[firsts][run]
    total = np.add.reduceat(spans, firsts) if len(spans) else spans
    room = _DAY_END_MS - start_ms[order][firsts]
    squeeze = np.minimum(1.0, room / np.maximum(total, 1))
    result = np.empty(len(order), np.int64)
    result[order] = start_ms[order] + (elapsed * squeeze[run]).astype(np.int64)
    return result
