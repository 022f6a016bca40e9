"""Do attempts become abilities, masteries and reviews, under the versions that the recommender's teacher publishes?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from fold_writer import write
from law_logs import DAY_MS, interactions

from models.columns import Interactions
from models.learner import fsrs
from projections import learner_model, learner_model_versions
from projections.learner_model_teacher import Teacher
from projections.locks import WRITERS_LOCK
from projections.rebuild import rebuild
from projections.stores.postgres import Connection, connect

LEARNERS, ITEMS = 6, 4


TABLES = (
    "learners, content, skill, learner_ability, learner_skill, learner_item, skill_history, interaction_log, "
    "applied_range, learner_model_version, learner_model_teacher, item_difficulty"
)


@pytest.fixture
def connection(module_database_url: str) -> Iterator[Connection]:
    """A database with learners, and content of which one names skills, one topics, and two nothing."""
    learner_model.compile_fold()
    with connect(module_database_url, autocommit=True) as opened:
        opened.execute(f"TRUNCATE {TABLES} RESTART IDENTITY CASCADE")
        opened.execute("INSERT INTO learners (user_id) SELECT 'u-' || n FROM generate_series(1, %s) AS n", (LEARNERS,))
        opened.execute(
            "INSERT INTO content (content_id, content_type, topics, skills) VALUES "
            "('quiz-1', 'quiz', '{algebra}', '{equations,fractions}'), ('quiz-2', 'quiz', '{algebra}', '{}'), "
            "('quiz-3', 'quiz', '{}', '{}'), ('quiz-4', 'quiz', '{}', '{fractions}')"
        )
        yield opened


def attempts(seed: int, count: int = 40, learner: int | None = None) -> Interactions:
    """Attempts of all learners at all items in order of time, and a view after each; the first item is the hardest."""
    draw = np.random.default_rng(seed)
    log = interactions(
        [
            (learner or 1 + int(draw.integers(LEARNERS)), 1 + n % ITEMS, (10, 0)[n % 2], 400 * n, 0, 0)
            for n in range(count)
        ]
    )
    outcome = np.where(log.type == 10, draw.random(count) < 0.2 + 0.2 * log.item, -1)
    return replace(
        log,
        success=outcome.astype(np.int16),
        score=np.full(count, np.nan, np.float32),
        consent=np.full(count, 3, np.int32),
        dedupe_key=np.arange(seed * 10_000, seed * 10_000 + count),
    )


def record(connection: Connection, batch: Interactions) -> None:
    """Folds and logs a batch as one transaction of the worker."""
    with connection.transaction():
        write(connection, batch, [learner_model.PROJECTION])


def rows(connection: Connection, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    return connection.execute(query, parameters).fetchall()


def taught(connection: Connection) -> Teacher:
    """A teacher that has learnt everything there is, and published it."""
    teacher = Teacher(connection)
    while teacher.step().attempts:
        pass
    teacher.publish()
    return teacher


def test_content_counts_for_its_skills_else_its_topics_else_itself(connection: Connection) -> None:
    """Every name that is attempted gets a key, and an attempt moves each of its skills."""
    record(connection, attempts(1, learner=1))
    found = dict(rows(connection, "SELECT name, successes + failures FROM learner_skill JOIN skill USING (skill_key)"))
    assert found == {"equations": 10, "fractions": 10, "quiz-3": 10}  # items 2 and 4 only have views
    assert rows(connection, "SELECT count(*) FROM learner_item") == [(2,)]


def test_a_poll_without_attempts_asks_the_database_nothing() -> None:
    """Without an outcome, or without consent, the projection does not even look at its connection."""
    log = attempts(1)
    views = log.take(log.success < 0)
    learner_model.apply(None, views, None)  # type: ignore[arg-type]
    learner_model.apply(None, replace(log, consent=np.full(len(log), 2, np.int32)), None)  # type: ignore[arg-type]


def test_reviews_are_due_when_recall_has_fallen_to_nine_tenths(connection: Connection) -> None:
    """The memory of content is what FSRS makes of its attempts, failures as Again and successes as Good."""
    log = attempts(3, learner=2)
    record(connection, log)
    own = log.take((log.item == 1) & (log.success >= 0))
    memory = fsrs.replayed(fsrs.Memories.new(1), np.zeros(len(own)), fsrs.rating_of(own.success), own.at_ms)
    stability, due = rows(
        connection,
        "SELECT stability_days, extract(epoch FROM due_at)::bigint * 1000 FROM learner_item WHERE item_key = 1",
    )[0]
    assert stability == pytest.approx(memory.stability_days[0], rel=1e-12)
    assert due == fsrs.due_ms(memory)[0]
    assert due - own.at_ms[-1] >= DAY_MS


def test_history_has_a_row_a_day_and_a_year_of_days_at_most(connection: Connection) -> None:
    """The last attempt of a day decides; days a year before the newest are dropped, also when they come late."""
    log = attempts(4, learner=1)
    record(connection, log)
    days = rows(connection, "SELECT DISTINCT local_day FROM skill_history ORDER BY 1")
    assert [day for (day,) in days] == sorted(set(log.local_day[log.success >= 0].tolist()))
    far = replace(log, local_day=log.local_day + 365, at_ms=log.at_ms + 365 * DAY_MS, dedupe_key=log.dedupe_key + 999)
    record(connection, far)
    record(connection, replace(log, dedupe_key=log.dedupe_key + 9_999))
    newest = "SELECT max(local_day) - min(local_day) FROM skill_history GROUP BY skill_key"
    assert all(span < 365 for (span,) in rows(connection, newest))
    assert rows(connection, "SELECT bool_and(low < mastery AND mastery < high) FROM skill_history") == [(True,)]


def test_the_teacher_learns_which_content_is_hard_and_the_worker_records_its_version(connection: Connection) -> None:
    """What is failed more often is harder; transactions behind the publication fold with it and say so."""
    for seed in range(5):
        record(connection, attempts(seed))
    assert taught(connection).attempts == 100
    difficulty = dict(rows(connection, "SELECT item_key, difficulty FROM item_difficulty"))
    assert difficulty[1] > difficulty[3]
    assert rows(connection, "SELECT max(shared_version) FROM learner_ability") == [(0,)]
    record(connection, attempts(6))
    assert rows(connection, "SELECT max(shared_version) FROM learner_ability") == [(1,)]
    skills = dict(rows(connection, "SELECT name, difficulty FROM skill"))
    assert skills["fractions"] != 0.0


def test_a_rebuild_folds_each_transaction_with_the_version_it_had(
    connection: Connection, module_database_url: str
) -> None:
    """Replayed in chunks that span publications, the tables come out the same."""
    for seed in range(6):
        record(connection, attempts(seed))
        if seed % 2:
            taught(connection)
    assert len(learner_model_versions.cuts(connection)) == 3
    report = rebuild(module_database_url, "learner_model", chunk_rows=1_000)
    assert (report.differences, report.replayed) == (0, 240)


def test_a_teacher_that_starts_again_goes_on_as_if_it_had_not_stopped(connection: Connection) -> None:
    """Learnt in one life or in two, the shared state is the same; unpublished work is done again."""
    record(connection, attempts(1))
    first = taught(connection)
    record(connection, attempts(2))
    first.step()
    lost = Teacher(connection)
    lost.step()  # dies without publishing
    second = taught(connection)
    first.shared.version = second.shared.version
    assert first.shared.to_bytes() == second.shared.to_bytes()
    assert second.version == 2


def test_attempts_are_learnt_once_nothing_before_them_is_under_way(
    connection: Connection, module_database_url: str
) -> None:
    """A transaction with an older number that commits late is not passed over."""
    teacher = Teacher(connection)
    with connect(module_database_url, autocommit=True) as slow:
        with slow.transaction():
            write(slow, attempts(1), [learner_model.PROJECTION])
            with connect(module_database_url, autocommit=True) as quick:
                with quick.transaction():
                    quick.execute("SELECT pg_advisory_xact_lock_shared(%s)", (WRITERS_LOCK,))
                    seq = quick.execute("SELECT nextval('applied_seq')").fetchone()
                assert teacher.step().attempts == 0
                assert teacher.folded_to < seq[0]  # type: ignore[index]
        assert teacher.step().attempts == 20


def test_an_erased_learner_is_out_of_the_teachers_rows_and_does_not_come_back(connection: Connection) -> None:
    """Erasure takes the row; a publication afterwards does not write it again."""
    record(connection, attempts(1))
    teacher = Teacher(connection)
    teacher.step()
    connection.execute("DELETE FROM learners WHERE learner_key = 3")
    teacher.publish()
    held = {key for (key,) in rows(connection, "SELECT learner_key FROM learner_model_teacher")}
    assert held
    assert 3 not in held
