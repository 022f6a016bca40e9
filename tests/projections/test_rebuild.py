"""Does a rebuild make the live tables what the log says, whatever happens around it?"""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from fold_writer import ask, write, write_all
from law_logs import interactions

from models.columns import COLUMNS, Interactions
from projections import behaviour, engagement, recent_interactions, sessions
from projections.projection import Projection
from projections.rebuild import Progress, Report, rebuild
from projections.registry import ALL
from projections.stores.postgres import connect
from projections.stores.table_versions import lock_version

LEARNER_FOLDS = (engagement.PROJECTION, behaviour.PROJECTION, sessions.PROJECTION, recent_interactions.PROJECTION)
SCHEMAS = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'rebuild_%%' OR nspname LIKE 'retired_%%'"
KILLED_REBUILD = """
import os, signal, sys
from projections.rebuild import rebuild
def die(progress):
    if progress.phase == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
rebuild(sys.argv[1], "engagement", die, chunk_rows=10)
"""


def batches(count: int, size: int = 10, first: int = 0) -> list[Interactions]:
    """Batches of five learners, none of whose events are the same."""
    made = [
        interactions(
            [
                (1 + n % 5, 1 + n % 6, n % 12, 13 * n % 4000, 0, 7919 * n % 2**32)
                for n in range(b * size, b * size + size)
            ]
        )
        for b in range(first, first + count)
    ]
    return [keyed(batch, (first + b) * size) for b, batch in enumerate(made)]


def keyed(batch: Interactions, before: int) -> Interactions:
    """The batch with dedupe keys of its own."""
    columns = {name: getattr(batch, name) for name in COLUMNS}
    return Interactions(**{**columns, "dedupe_key": np.arange(before, before + len(batch), dtype=np.int64)})


@pytest.mark.parametrize("projection", ALL, ids=lambda projection: projection.name)
def test_a_rebuild_finds_no_difference_where_there_is_none(database_url: str, projection: Projection) -> None:
    """Replaying in chunks of another size gives the live rows, which stay untouched, and leaves no schema behind."""
    write_all(database_url, batches(12), ALL)
    versions = f"SELECT xmin::text, count(*) FROM {projection.tables[0]} GROUP BY 1 ORDER BY 1"
    before = ask(database_url, versions)
    assert before
    steps: list[Progress] = []
    report = rebuild(database_url, projection.name, steps.append, chunk_rows=25)
    assert (report.replayed, report.differences, report.switched) == (120, 0, True)
    assert ask(database_url, versions) == before
    assert ask(database_url, SCHEMAS) == [(0,)]
    assert [step.replayed for step in steps] == sorted(step.replayed for step in steps)
    assert (steps[0].phase, steps[0].total, steps[-1].phase) == ("replay", 120, "done")


def spoil(database_url: str) -> None:
    """Makes one row of three learners wrong: a changed, a missing and a surplus one."""
    with connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE engagement SET events = events + 1, log_type = log_type + 0.5 WHERE learner_key = 1")
        connection.execute("DELETE FROM engagement WHERE learner_key = 2")
        connection.execute("INSERT INTO learners (user_id) VALUES ('idle')")
        connection.execute(
            "INSERT INTO engagement SELECT (SELECT max(learner_key) FROM learners), events, log_type, log_completion, "
            "log_time, log_scroll, log_clicks, log_rating, log_sentiment, last_at, applied_seq "
            "FROM engagement WHERE learner_key = 3"
        )


def found(report: Report) -> tuple[int, int, int]:
    """Missing, surplus and changed rows of the first table."""
    return report.tables[0].missing, report.tables[0].surplus, report.tables[0].changed


def test_a_dry_run_reports_and_changes_nothing_and_a_rebuild_repairs(database_url: str) -> None:
    """Wrong rows are counted by kind, shown without keys, left by a dry run and put right by a rebuild."""
    write_all(database_url, batches(6), LEARNER_FOLDS)
    right = ask(database_url, "SELECT learner_key, events, last_at FROM engagement ORDER BY 1")
    spoil(database_url)
    wrong = ask(database_url, "SELECT * FROM engagement ORDER BY 1")
    report = rebuild(database_url, "engagement", dry_run=True)
    assert (found(report), report.switched) == ((1, 1, 1), False)
    assert ask(database_url, "SELECT * FROM engagement ORDER BY 1") == wrong
    [example] = report.tables[0].examples
    assert example.startswith("events: 13 -> 12; log_type: ")
    assert found(rebuild(database_url, "engagement")) == (1, 1, 1)
    assert ask(database_url, "SELECT learner_key, events, last_at FROM engagement ORDER BY 1") == right
    assert rebuild(database_url, "engagement", dry_run=True).differences == 0


def test_replaced_rows_get_a_newer_version_than_any_before(database_url: str) -> None:
    """A cache that compares versions takes the repaired row over the wrong one."""
    write_all(database_url, batches(6), LEARNER_FOLDS)
    newest = ask(database_url, "SELECT max(applied_seq) FROM engagement")[0][0]
    spoil(database_url)
    rebuild(database_url, "engagement")
    assert [
        seq > newest for _, seq in ask(database_url, "SELECT learner_key, applied_seq FROM engagement ORDER BY 1")
    ] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_views_functions_and_prepared_statements_read_the_rebuilt_rows(database_url: str) -> None:
    """What was open on the live table before the switch sees the new contents after it."""
    write_all(database_url, batches(6), LEARNER_FOLDS)
    spoil(database_url)
    with connect(database_url, autocommit=True) as reader:
        queries = ("SELECT sum(events) FROM engagement", "SELECT sum(events) FROM reporting.engagement")
        before = [reader.execute(query, prepare=True).fetchone() for query in queries for _ in range(3)]
        rebuild(database_url, "engagement")
        after = [reader.execute(query, prepare=True).fetchone() for query in queries]
    assert (60,) not in before
    assert after == [(60,), (60,)]


def test_keep_leaves_both_versions_for_inspection(database_url: str) -> None:
    """The rebuilt tables stay in rebuild_<name>, the live rows that were replaced or removed in retired_<name>."""
    write_all(database_url, batches(6), LEARNER_FOLDS)
    spoil(database_url)
    rebuild(database_url, "engagement", keep=True)
    assert ask(database_url, "SELECT count(*) FROM rebuild_engagement.engagement") == [(5,)]
    assert ask(database_url, "SELECT learner_key FROM retired_engagement.engagement ORDER BY 1") == [(1,), (6,)]
    rebuild(database_url, "engagement")
    assert ask(database_url, "SELECT count(*) FROM pg_namespace WHERE nspname = 'rebuild_engagement'") == [(0,)]


@pytest.mark.parametrize(
    ("column", "live", "differs"),
    [
        ("log_type", "log_type + 1e-11", False),
        ("log_type", "log_type + 1e-6", True),
        ("log_type", "'-Infinity'", True),
        ("log_type", "'NaN'", True),
        ("events", "events + 1", True),
        ("last_at", "last_at + interval '1 ms'", True),
        ("applied_seq", "applied_seq + 1", False),
    ],
)
def test_what_counts_as_a_difference(database_url: str, column: str, live: str, differs: bool) -> None:
    """Rounding of a log-sum and the version of a row do not; anything else does."""
    write_all(database_url, batches(2), LEARNER_FOLDS)
    with connect(database_url, autocommit=True) as connection:
        connection.execute(f"UPDATE engagement SET {column} = {live} WHERE learner_key = 1")
    assert found(rebuild(database_url, "engagement", dry_run=True)) == (0, 0, int(differs))


def test_a_writer_that_goes_on_loses_nothing(database_url: str) -> None:
    """While a worker keeps folding, a rebuild that repairs a wrong row switches, and every event is counted once."""
    write_all(database_url, batches(30), LEARNER_FOLDS)
    spoil(database_url)
    going, written = threading.Event(), []

    def go_on() -> None:
        with connect(database_url, autocommit=True) as connection:
            number = 30
            while not going.is_set() or len(written) < 10:
                with connection.transaction():
                    write(connection, batches(1, first=number)[0], LEARNER_FOLDS)
                written.append(number)
                number += 1

    worker = threading.Thread(target=go_on)
    worker.start()
    try:
        report = rebuild(database_url, "engagement", chunk_rows=20)
    finally:
        going.set()
        worker.join()
    assert report.differences >= 1
    assert ask(database_url, "SELECT sum(events) FROM engagement") == [(300 + 10 * len(written),)]
    assert rebuild(database_url, "engagement", dry_run=True).differences == 0


def test_a_transaction_that_commits_late_is_not_passed_over(database_url: str) -> None:
    """A rebuild waits for a transaction under way whose sequence is lower than one already committed."""
    write_all(database_url, batches(2), LEARNER_FOLDS)
    slow, quick = batches(2, first=2)
    reports: list[Report] = []
    run = threading.Thread(target=lambda: reports.append(rebuild(database_url, "engagement", chunk_rows=5)))
    with connect(database_url, autocommit=True) as first, connect(database_url, autocommit=True) as second:
        with first.transaction():
            lower = write(first, slow.take(slow.learner <= 2), LEARNER_FOLDS)
            with second.transaction():
                higher = write(second, quick.take(quick.learner > 2), LEARNER_FOLDS)
            run.start()
            run.join(timeout=0.5)
            assert run.is_alive()
        run.join()
    assert lower < higher
    events = 20 + int((slow.learner <= 2).sum() + (quick.learner > 2).sum())
    assert [(report.replayed, report.differences) for report in reports] == [(events, 0)]


@pytest.mark.parametrize("phase", ["replay", "compare"])
def test_a_killed_rebuild_leaves_the_live_rows_and_can_be_started_again(database_url: str, phase: str) -> None:
    """After kill -9 the live table is as before, and the next rebuild clears up and finishes."""
    write_all(database_url, batches(6), LEARNER_FOLDS)
    spoil(database_url)
    wrong = ask(database_url, "SELECT * FROM engagement ORDER BY 1")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_REBUILD, database_url, phase], cwd=Path(__file__).parents[2], check=False
    )
    assert killed.returncode == -9
    assert ask(database_url, "SELECT * FROM engagement ORDER BY 1") == wrong
    assert ask(database_url, SCHEMAS) == [(1,)]
    assert found(rebuild(database_url, "engagement")) == (1, 1, 1)
    assert ask(database_url, SCHEMAS) == [(0,)]


def test_a_learner_erased_meanwhile_does_not_come_back(database_url: str) -> None:
    """An erasure between replay and switch holds: the rebuilt rows of that learner are dropped too."""
    write_all(database_url, batches(6), LEARNER_FOLDS)

    def erase(step: Progress) -> None:
        if step.phase == "compare":
            with connect(database_url, autocommit=True) as connection, connection.transaction():
                connection.execute("DELETE FROM interaction_log WHERE learner_key = 3")
                connection.execute("DELETE FROM engagement WHERE learner_key = 3")
                connection.execute("DELETE FROM learners WHERE learner_key = 3")

    report = rebuild(database_url, "engagement", erase)
    assert report.differences == 0
    assert ask(database_url, "SELECT learner_key FROM engagement ORDER BY 1") == [(1,), (2,), (4,), (5,)]


def test_one_version_has_one_builder(database_url: str) -> None:
    """While one session holds the version, another is refused, and gets it when the first is gone."""
    with connect(database_url, autocommit=True) as waiting:
        waiting.execute("SET lock_timeout = '100ms'")
        with connect(database_url, autocommit=True) as building:
            assert lock_version(building, "rebuild_engagement")
            assert not lock_version(waiting, "rebuild_engagement")
        waiting.execute("SET lock_timeout = '10s'")
        assert lock_version(waiting, "rebuild_engagement")


def test_an_unknown_name_lists_the_known_ones() -> None:
    """The error names what there is to rebuild."""
    with pytest.raises(ValueError, match=r"no projection 'engagment'; choose one of .*engagement"):
        rebuild("postgresql://unused", "engagment")
