"""Which logs must every fold be right for?  Hypothesis strategies for logs of interactions and for ways to batch them.

Times are drawn so that neighbours often lie exactly at, just below or just above the session gap, share a millisecond,
fall on both sides of midnight, or arrive late; every measurement is present or absent independently.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from hypothesis import strategies as st

from models.columns import COLUMNS, Interactions

START_MS = 1_711_843_200_000  # 2024-03-31T00:00Z
MINUTE_MS = 60_000
DAY_MS = 86_400_000
LEARNERS, ITEMS, TYPES = 5, 6, 12

# What an absent-or-present measurement may be; index 0 is absent.
_MEASURES: dict[str, list[float]] = {
    "time_spent_seconds": [np.nan, 0.0, 30.0, 1234.5, 86_400.0],
    "expected_seconds": [np.nan, 60.0, 1800.0],
    "completion_rate": [np.nan, 0.0, 0.35, 1.0],
    "rating": [np.nan, 1.0, 3.5, 5.0],
    "clicks": [np.nan, 0.0, 3.0, 1000.0],
    "scroll_depth": [np.nan, 0.0, 0.6, 1.0],
    "score": [np.nan, 0.0, 0.8, 1.0],
    "sentiment": [np.nan, -1.0, 0.0, 0.9],
}
_CONSENT = [3, 0, 1, 2, 63, 11]
_OTHER_BITS = 5  # of the drawn number: success and consent
_SPREAD = np.int64(-7046029254386353131)  # odd, so that products are distinct

_one = st.tuples(
    st.integers(1, LEARNERS),
    st.integers(1, ITEMS),
    st.integers(0, TYPES - 1),
    # minutes in steps that meet the 30-minute gap, now and then days away
    st.one_of(st.integers(0, 200).map(lambda step: step * 10), st.integers(0, 90 * 1440)),
    st.sampled_from([0, 0, 1, -1]),  # milliseconds off the minute
    st.integers(0, 2**32 - 1),  # which measurements, and the rest
)


def interactions(drawn: list[tuple[int, int, int, int, int, int]]) -> Interactions:
    """Drawn tuples as a log; the dedupe key follows from the place, so that no two events share one."""
    n = len(drawn)
    learner, item, kind, minute, off_ms, bits = np.array(drawn, np.int64).reshape(n, 6).T
    at_ms = START_MS + minute * MINUTE_MS + off_ms
    # Learners live an hour apart, so that their days and hours differ from those of UTC.
    local_ms = at_ms + (learner - 2) * 3_600_000
    values: dict[str, np.ndarray] = {
        "learner": learner,
        "item": item,
        "content_type": item % 3 + 1,
        "type": kind,
        "at_ms": at_ms,
        "local_day": local_ms // DAY_MS,
        "local_hour": local_ms // 3_600_000 % 24,
        "success": bits % 3 - 1,
        "consent": np.array(_CONSENT)[bits // 3 % len(_CONSENT)],
        "dedupe_key": np.arange(1, n + 1, dtype=np.uint64).view(np.int64) * _SPREAD,
    }
    rest = bits >> _OTHER_BITS
    for name, choices in _MEASURES.items():
        rest, choice = np.divmod(rest, len(choices))
        values[name] = np.array(choices)[choice]
    return Interactions(**{name: values[name].astype(dtype) for name, dtype in COLUMNS.items()})


def logs(most: int = 40) -> st.SearchStrategy[Interactions]:
    """Logs of 0 to ``most`` interactions of a few learners, in any order of time."""
    return st.lists(_one, max_size=most).map(interactions)


@st.composite
def batched_logs(draw: st.DrawFn, most: int = 40) -> tuple[Interactions, list[Interactions]]:
    """A log, and the same log cut into batches, some of them empty."""
    log = draw(logs(most))
    cuts = sorted(draw(st.lists(st.integers(0, len(log)), max_size=6)))
    edges = [0, *cuts, len(log)]
    return log, [log.take(slice(first, last)) for first, last in itertools.pairwise(edges)]


@st.composite
def shuffled_logs(draw: st.DrawFn, most: int = 40) -> tuple[Interactions, Interactions]:
    """A log, and the same interactions in another order."""
    log = draw(logs(most))
    return log, log.take(np.array(draw(st.permutations(range(len(log)))), np.int64))


def every_type_and_absence() -> Interactions:
    """Every interaction type, with all measurements absent, then each one alone, then all present."""
    sizes = [len(choices) for choices in _MEASURES.values()]
    alone = [math.prod(sizes[:place]) for place in range(len(sizes))]
    bits = [choice << _OTHER_BITS for choice in (0, *alone, sum(alone))]
    return interactions([(1 + i % LEARNERS, 1, kind, 7 * i, 0, b) for kind in range(TYPES) for i, b in enumerate(bits)])
