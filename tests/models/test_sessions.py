"""Are sessions the maximal runs of neighbours at most a gap apart, whatever order the events come in?"""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from law_logs import LEARNERS, MINUTE_MS, interactions, logs

from models.columns import COLUMNS, Interactions
from models.grouping import Groups, group, max_by, min_by
from models.sessions import SESSION_GAP_MS, Sessions, empty, update

UNIVERSE = np.arange(1, LEARNERS + 1)
STATEMENTS = (
    Path(os.environ.get("PERSONALIZE_DATA", Path(__file__).parents[3] / "shared" / "data"))
    / "events/xapi_funmooc/statements.jsonl.gz"
)


def at_minutes(*minutes: float) -> Interactions:
    """Events of learner 1 at these minutes."""
    made = interactions([(1, 1, 0, 0, 0, 0)] * len(minutes))
    columns = {name: getattr(made, name) for name in COLUMNS}
    return Interactions(**{**columns, "at_ms": made.at_ms + (np.array(minutes) * MINUTE_MS).astype(np.int64)})


def spans(sessions: Sessions, first: Interactions) -> list[tuple[float, float, int]]:
    """Sessions as (first minute, last minute, events), counted from the first event."""
    zero = int(first.at_ms.min())
    return [
        ((start - zero) / MINUTE_MS, (end - zero) / MINUTE_MS, events)
        for start, end, events in zip(
            sessions.started_ms.tolist(), sessions.ended_ms.tolist(), sessions.events.tolist(), strict=True
        )
    ]


def folded(*batches: Interactions) -> Sessions:
    """The sessions after the batches."""
    state = empty()
    for batch in batches:
        state = update(state, Groups(UNIVERSE, batch.learner - 1), batch).sessions
    return state


def plain_sessions(log: Interactions, learner: int, gap_ms: int) -> list[list[int]]:
    """A learner's event times, cut one by one in time order."""
    cut: list[list[int]] = []
    for at_ms in sorted(log.at_ms[log.learner == learner].tolist()):
        if cut and at_ms - cut[-1][-1] <= gap_ms:
            cut[-1].append(at_ms)
        else:
            cut.append([at_ms])
    return cut


def test_a_gap_of_exactly_thirty_minutes_joins_and_one_millisecond_more_cuts() -> None:
    """θ belongs to the session."""
    assert spans(folded(at_minutes(0, 30)), at_minutes(0)) == [(0, 30, 2)]
    assert len(folded(at_minutes(0, 30 + 1 / 60_000)).row) == 2


def test_a_late_event_bridges_two_sessions() -> None:
    """Two sessions 50 minutes apart become one when an event between them arrives."""
    apart = at_minutes(0, 50)
    after = update(folded(apart), Groups(UNIVERSE, np.array([0])), at_minutes(25))
    assert spans(after.sessions, apart) == [(0, 50, 3)]
    assert after.absorbed.tolist() == [False, True]
    assert after.touched.tolist() == [True]


def test_an_event_before_a_session_moves_its_start() -> None:
    """The stored row under the old start is absorbed, since a session is known by its start."""
    after = update(folded(at_minutes(10)), Groups(UNIVERSE, np.array([0])), at_minutes(0))
    assert spans(after.sessions, at_minutes(0)) == [(0, 10, 2)]
    assert after.absorbed.tolist() == [True]


def test_a_session_out_of_reach_comes_back_untouched() -> None:
    """A stored session that no event of the batch meets is neither touched nor absorbed."""
    after = update(folded(at_minutes(0)), Groups(UNIVERSE, np.array([0])), at_minutes(100))
    assert after.touched.tolist() == [False, True]
    assert after.absorbed.tolist() == [False]


@settings(max_examples=200, deadline=None)
@given(log=logs(), gap_minutes=st.sampled_from([5, 30, 60]))
def test_sessions_are_those_of_cutting_the_sorted_times(log: Interactions, gap_minutes: int) -> None:
    """Start, end and number of events agree with cutting each learner's sorted times one by one."""
    gap_ms = gap_minutes * MINUTE_MS
    found = update(empty(), Groups(UNIVERSE, log.learner - 1), log, gap_ms).sessions
    expected = [
        (learner - 1, cut[0], cut[-1], len(cut))
        for learner in UNIVERSE.tolist()
        for cut in plain_sessions(log, learner, gap_ms)
    ]
    columns = (found.row, found.started_ms, found.ended_ms, found.events)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected


@settings(max_examples=200, deadline=None)
@given(before=logs(), batch=logs())
def test_the_sessions_near_the_batch_are_enough(before: Interactions, batch: Interactions) -> None:
    """Given only the stored sessions within θ of each learner's events, the fold changes the same rows as given all."""
    stored = folded(before)
    groups = Groups(UNIVERSE, batch.learner - 1)
    near = (stored.ended_ms >= (min_by(groups, batch.at_ms) - SESSION_GAP_MS)[stored.row]) & (
        stored.started_ms <= (np.minimum(max_by(groups, batch.at_ms), 2**62) + SESSION_GAP_MS)[stored.row]
    )
    of_all, of_near = update(stored, groups, batch), update(stored.take(near), groups, batch)
    for whole, part in zip(of_all.sessions.take(of_all.touched), of_near.sessions.take(of_near.touched), strict=True):
        np.testing.assert_array_equal(whole, part)
    assert (
        stored.take(of_all.absorbed).started_ms.tolist() == stored.take(near).take(of_near.absorbed).started_ms.tolist()
    )


def statements() -> Interactions:
    """The real xAPI statements of FUN-MOOC as interactions, in the order of the file (not that of time)."""
    with gzip.open(STATEMENTS, "rt", encoding="utf-8") as lines:
        read = [json.loads(line) for line in lines]
    actors = [json.dumps(one["actor"].get("account") or one["actor"], sort_keys=True) for one in read]
    times = [dt.datetime.fromisoformat(one["timestamp"]) for one in read]
    _, learner = np.unique(actors, return_inverse=True)
    columns = {name: np.zeros(len(read), dtype) for name, dtype in COLUMNS.items()}
    at_ms = np.array([round(time.timestamp() * 1000) for time in times], np.int64)
    return Interactions(**{**columns, "learner": learner + 1, "at_ms": at_ms})


@pytest.mark.data
@pytest.mark.skipif(not STATEMENTS.exists(), reason=f"{STATEMENTS} is absent; set PERSONALIZE_DATA to the data folder")
def test_real_statements_out_of_time_order_give_the_sessions_of_the_sorted_ones() -> None:
    """22,000 real statements, half of them out of order, in batches of 500: the same sessions as sorted, for each θ."""
    log = statements()
    everyone = group(log.learner).keys
    assert len(log) == 22_000
    counts = {}
    for minutes in (5, 10, 15, 20, 30, 60):
        results = []
        for ordered in (log, log.take(np.argsort(log.at_ms, kind="stable"))):
            state = empty()
            for batch in (ordered.take(slice(start, start + 500)) for start in range(0, len(log), 500)):
                rows = Groups(everyone, np.searchsorted(everyone, batch.learner))
                state = update(state, rows, batch, minutes * MINUTE_MS).sessions
            results.append(state)
        for one, other in zip(*results, strict=True):
            np.testing.assert_array_equal(one, other)
        counts[minutes] = len(results[0].row)
    assert counts == {5: 13_987, 10: 11_232, 15: 9_779, 20: 8_911, 30: 8_027, 60: 7_200}
