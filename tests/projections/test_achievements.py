"""Are achievements unlocked, announced and claimed exactly once, whatever is redelivered, split or rolled back?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from law_folds import repeated
from law_logs import interactions

from models.achievement_periods import period_name
from models.achievement_rules import compile_rules
from models.achievements import empty, update
from models.columns import Interactions
from models.grouping import Groups
from projections import achievements
from projections.projection import Effects
from projections.stores.postgres import Connection, connect
from schemas.achievement_rules import AchievementRule, Repeat, read_rules
from schemas.notifications import CONTENT_TYPE, AchievementUnlocked

EXAMPLES = settings(max_examples=200, deadline=None)
TABLES = (*achievements.PROJECTION.tables, "achievement_claim")

# Days that make streaks, hours that make early birds, all types; dense enough to reach the shipped tiers.
_event = st.tuples(
    st.integers(1, 3), st.integers(1, 40), st.sampled_from([0, 3, 3, 8, 9, 10]),
    st.integers(0, 9).map(lambda day: day * 1440 + 360), st.just(0), st.integers(0, 2**32 - 1),
)  # fmt: skip
logs = st.lists(_event, max_size=120).map(interactions)


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Iterator[Connection]:
    """The database that the tests of this module share."""
    with connect(module_database_url, autocommit=True) as opened:
        opened.execute("INSERT INTO learners (user_id) SELECT 'u-' || n FROM generate_series(1, 3) AS n")
        yield opened


def apply(connection: Connection, batches: list[Interactions], *, fresh: bool = True) -> list[Effects]:
    """Applies the batches, a transaction each, to empty tables unless told otherwise; what each hands on."""
    for table in TABLES if fresh else ():
        connection.execute(f"TRUNCATE {table}")
    handed = []
    for seq, batch in enumerate(batches, start=1):
        handed.append(Effects(applied_seq=seq))
        with connection.transaction():
            achievements.apply(connection, batch, handed[-1])
    return handed


def unlocked(connection: Connection) -> list[tuple[int, str, int, int, str]]:
    """(learner, achievement, tier, event time, period) of every unlock."""
    return connection.execute(
        "SELECT learner_key, achievement_id, tier, (date_part('epoch', unlocked_at) * 1000)::bigint, period "
        "FROM achievement_unlock ORDER BY 1, 2, 3, 4, 5"
    ).fetchall()


def ids_of(handed: list[Effects]) -> list[str]:
    """The CloudEvent ids of every achievement announced."""
    records = [record for effects in handed for record in effects.announced if record.topic == "achievements"]
    return [json.loads(record.value or b"")["id"] for record in records]


def cut(log: Interactions, size: int) -> list[Interactions]:
    """The log in batches of ``size``."""
    return [log.take(slice(n, n + size)) for n in range(0, len(log), size)]


@EXAMPLES
@given(log=logs, size=st.integers(1, 60))
def test_the_rows_are_the_fold(connection: Connection, log: Interactions, size: int) -> None:
    """What is read back after any batches, and every unlock, is what the pure fold of the whole log says."""
    handed = apply(connection, cut(log, size))
    rules = achievements.rules()
    slots = achievements.register(connection, rules)
    compiled = compile_rules(rules, slots)
    present = np.unique(log.learner)
    groups = Groups(present, np.searchsorted(present, log.learner))
    once = [rule for rule in compiled if rule.rule.repeat is Repeat.NEVER]
    expected = update(empty(len(present), len(slots)), groups, log, once)
    cells: dict[tuple[int, int, int], object] = {}
    again = repeated(cells, compiled, expected, log)
    kept = achievements.load(connection, present, len(slots))
    np.testing.assert_array_equal(kept.progress, expected.state.progress)
    np.testing.assert_array_equal(kept.tiers, expected.state.tiers)
    for slot, evidence in expected.state.evidence.items():
        if len(evidence.owner):
            for one, other in zip(kept.evidence[slot], evidence, strict=True):
                np.testing.assert_array_equal(one, other)
    names = {slot: rule_id for rule_id, slot in slots.items()}
    found = [*zip(*(column.tolist() for column in expected.unlocks), strict=True), *again]
    repeat = {rule.slot: rule.rule.repeat for rule in compiled}
    assert unlocked(connection) == sorted(
        (learner, names[slot], tier, at, period_name(repeat[slot], period)) for learner, slot, tier, at, period in found
    )
    assert cells == {
        (slot - 1, learner, period): (progress, tiers, list(zip(members, weights, strict=True)))
        for slot, learner, period, progress, tiers, members, weights in connection.execute(
            "SELECT slot, learner_key, period, progress, tiers, members, weights FROM achievement_period"
        ).fetchall()
    }
    assert len(ids_of(handed)) == len(unlocked(connection))


@EXAMPLES
@given(log=logs, size=st.integers(1, 60))
def test_redelivery_unlocks_and_announces_nothing_again(connection: Connection, log: Interactions, size: int) -> None:
    """Applying a log twice, the second time in other batches, announces each id once and keeps its first time."""
    handed = apply(connection, [log])
    first = unlocked(connection)
    again = apply(connection, cut(log, size), fresh=False)
    ids = ids_of([*handed, *again])
    assert len(set(ids)) == len(ids) == len(unlocked(connection))
    assert set(first) <= set(unlocked(connection))


def test_a_rolled_back_batch_unlocks_with_the_next_attempt(connection: Connection) -> None:
    """A transaction that fails after the fold leaves nothing; its repetition unlocks under the same ids."""
    log = interactions([(1, item, 3, item, 0, 0) for item in range(1, 12)])
    apply(connection, [])
    lost = Effects(applied_seq=1)
    with connection.transaction(force_rollback=True):
        achievements.apply(connection, log, lost)
    assert unlocked(connection) == []
    handed = apply(connection, [log], fresh=False)
    assert ids_of(handed) == ids_of([lost])
    assert [row[1:3] for row in unlocked(connection) if not row[4]] == [
        ("all-kinds-finished", 1), ("all-rounder", 1), ("explorer", 1), ("finisher", 1), ("finisher", 2),
        ("first-steps", 1), ("marathon", 1), ("strong-week", 1),
    ]  # fmt: skip


def test_an_announcement_is_a_cloud_event(connection: Connection) -> None:
    """The record is keyed by the user id and holds a valid CloudEvent with the unlock's id and event time."""
    log = interactions([(2, 1, 0, 5, 0, 0)])
    (effects,) = apply(connection, [log])
    (record,) = effects.announced
    assert (record.topic, record.key, record.learner_key) == ("achievements", b"u-2", 2)
    assert dict(record.headers) == {"content-type": CONTENT_TYPE.encode()}
    event = msgspec.json.decode(record.value or b"", type=AchievementUnlocked)
    stored = connection.execute("SELECT unlock_id::text, unlocked_at FROM achievement_unlock").fetchone()
    assert (event.id, event.time) == stored
    assert (event.data.user_id, event.data.achievement_id, event.data.tier) == ("u-2", "first-steps", 1)
    assert event.partitionkey == "u-2"


def test_a_rebuild_gives_the_same_ids(connection: Connection) -> None:
    """Replaying the log into empty tables gives byte-equal unlocks and announces nothing."""
    log = interactions([(1, item % 7, 3, item * 700, 0, 0) for item in range(60)])
    apply(connection, cut(log, 9))
    before = connection.execute("SELECT * FROM achievement_unlock ORDER BY 1, 2, 3, 7").fetchall()
    connection.execute("TRUNCATE achievement_progress, achievement_period, achievement_unlock")
    effects = Effects(applied_seq=1, replaying=True)
    with connection.transaction():
        achievements.apply(connection, log, effects)
    after = connection.execute("SELECT * FROM achievement_unlock ORDER BY 1, 2, 3, 7").fetchall()
    assert [(*row[:5], row[6]) for row in after] == [(*row[:5], row[6]) for row in before]
    assert len(before) > 5
    assert effects.announced == []


def test_unchanged_rows_are_not_written(connection: Connection) -> None:
    """An event that brings no rule further leaves the row and its version as they are."""
    view = interactions([(1, 1, 0, 600, 0, 0)])
    apply(connection, [view, view, view])
    assert connection.execute("SELECT applied_seq FROM achievement_progress").fetchall() == [(1,)]


def test_claims_have_four_outcomes(connection: Connection) -> None:
    """Unlocked is claimed once, then already; locked and unknown are told apart; a new tier can be claimed anew."""
    apply(connection, [interactions([(1, 1, 3, 0, 0, 0)])])
    assert achievements.claim(connection, 1, "finisher") == "claimed"
    assert achievements.claim(connection, 1, "finisher") == "already"
    assert achievements.claim(connection, 2, "finisher") == "not-unlocked"
    assert achievements.claim(connection, 1, "sharer") == "not-unlocked"
    assert achievements.claim(connection, 1, "no-such-thing") == "unknown"
    apply(connection, [interactions([(1, item, 3, item, 0, 0) for item in range(2, 12)])], fresh=False)
    assert achievements.claim(connection, 1, "finisher") == "claimed"
    assert connection.execute("SELECT tier FROM achievement_claim ORDER BY 1").fetchall() == [(1,), (2,)]


def test_each_week_has_its_own_unlock_id_and_claim(connection: Connection) -> None:
    """The same tier of two weeks is unlocked and announced twice, under two ids; one claim claims both."""
    days = (1, 2, 3, 8, 9, 10)  # 2024-04-01 is a Monday
    (effects,) = apply(connection, [interactions([(1, 1, 0, day * 1440 + 600, 0, 0) for day in days])])
    weekly = [row for row in unlocked(connection) if row[4]]
    assert [(row[1], row[2], row[4]) for row in weekly] == [
        ("week-of-learning", 1, "2024-W14"),
        ("week-of-learning", 1, "2024-W15"),
    ]
    records = [record for record in effects.announced if record.topic == "achievements"]
    events = [msgspec.json.decode(record.value or b"", type=AchievementUnlocked) for record in records]
    told = {event.data.period: event.id for event in events if event.data.achievement_id == "week-of-learning"}
    assert told.keys() == {"2024-W14", "2024-W15"}
    stored = connection.execute("SELECT period, unlock_id::text FROM achievement_unlock WHERE period <> ''").fetchall()
    assert told == dict(stored)
    assert all(event.data.period is None for event in events if event.data.achievement_id == "first-steps")
    assert achievements.claim(connection, 1, "week-of-learning") == "claimed"
    assert achievements.claim(connection, 1, "week-of-learning") == "already"
    apply(connection, [interactions([(1, 1, 0, day * 1440 + 600, 0, 0) for day in (15, 16, 17)])], fresh=False)
    assert achievements.claim(connection, 1, "week-of-learning") == "claimed"
    claimed = connection.execute("SELECT period FROM achievement_claim ORDER BY 1").fetchall()
    assert claimed == [("2024-W14",), ("2024-W15",), ("2024-W16",)]


def test_of_rival_claims_one_wins(connection: Connection, module_database_url: str) -> None:
    """Eight claims at the same time: one is the first, the others come too late."""
    apply(connection, [interactions([(1, 1, 3, 0, 0, 0)])])

    def claim(_: int) -> str:
        with connect(module_database_url, autocommit=True) as own:
            return achievements.claim(own, 1, "finisher")

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(claim, range(8)))
    assert sorted(outcomes) == ["already"] * 7 + ["claimed"]


def some_rules(*ids: str, version: int = 1) -> tuple[AchievementRule, ...]:
    """Rules that count everything."""
    texts = {"title": "t", "description": "d", "category": "SOCIAL", "when": {}, "agg": "count", "version": version}
    return read_rules([("x.json", json.dumps([{"id": one, "tiers": [{"gte": 2}], **texts} for one in ids]).encode())])


def test_slots_are_stable(connection: Connection) -> None:
    """A rule keeps its slot when others come, go or change; only a higher version replaces its definition."""
    with connection.transaction(force_rollback=True):
        connection.execute("TRUNCATE achievement_rule")
        assert achievements.register(connection, some_rules("a", "b")) == {"a": 0, "b": 1}
        assert achievements.register(connection, some_rules("c", "b")) == {"a": 0, "b": 1, "c": 2}
        achievements.register(connection, some_rules("b", version=3))
        achievements.register(connection, some_rules("b", version=2))
        stored = connection.execute("SELECT version, definition ->> 'version' FROM achievement_rule WHERE slot = 2")
        assert stored.fetchone() == (3, "3")


def test_rules_added_by_two_workers_at_once(connection: Connection, module_database_url: str) -> None:
    """Workers that start together on an empty table agree on one slot a rule."""
    connection.execute("TRUNCATE achievement_rule")

    def register(_: int) -> dict[str, int]:
        with connect(module_database_url, autocommit=True) as own:
            return achievements.register(own, achievements.rules())

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(register, range(6)))
    assert all(answer == answers[0] for answer in answers)
    assert sorted(answers[0].values()) == list(range(len(achievements.rules())))


def test_rows_from_before_a_rule_was_added(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """A learner's row that is shorter than the rules are now is read as zero for the new ones."""
    connection.execute("TRUNCATE achievement_rule")
    monkeypatch.setattr(achievements, "rules", lambda: some_rules("a"))
    apply(connection, [interactions([(1, 1, 0, 0, 0, 0)])])
    monkeypatch.setattr(achievements, "rules", lambda: some_rules("a", "b"))
    apply(connection, [interactions([(1, 1, 0, 1, 0, 0), (2, 1, 0, 1, 0, 0)])], fresh=False)
    kept = achievements.load(connection, np.array([1, 2]), 2)
    assert kept.progress.tolist() == [[2, 1], [1, 1]]
    assert [row[:3] for row in unlocked(connection)] == [(1, "a", 1)]
    connection.execute("TRUNCATE achievement_rule")
