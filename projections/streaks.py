"""What protects a learner's streak?  Zone history, freezes and repairs: facts beside the set of active dates.

Commands and events' own zones bring them, so no rebuild touches them.  A held freeze is spent when the learner comes
back after a missed day: decided from the sets of days and freezes, day by day, so that neither the order of events nor
any split into polls matters.  Everything else is read from the sets by `models.learner.streaks`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any, LiteralString

import numpy as np

from models.columns import Interactions
from models.decay import DAY_MS
from models.learner.streaks import (
    StreakFacts,
    day_at,
    freezes_spent_in_order,
    freezes_to_spend,
    local_day,
    refusal_of_freeze,
    refusal_of_repair,
    zone_history,
)
from projections.stores.postgres import Connection
from schemas.event_time import epoch_ms
from schemas.problems import Problem
from schemas.recognition import FreezeSource, StreakFreezeTaken, StreakRepaired

EARNED_EVERY_DAYS = 7
"""Active days that earn one freeze."""
EPOCH_DAY = dt.date(1970, 1, 1)

NOTE_ZONE: LiteralString = """
WITH before AS (
    SELECT learner_key, timezone, day_start_hour FROM learners
    WHERE learner_key = %(learner_key)s AND (timezone, day_start_hour) <> (%(timezone)s::text, %(hour)s::smallint)
)
INSERT INTO learner_zone (learner_key, since, timezone, day_start_hour)
SELECT learner_key, %(since)s::timestamptz, %(timezone)s::text, %(hour)s::smallint FROM before
UNION ALL
SELECT learner_key, 'epoch', timezone, day_start_hour FROM before
WHERE NOT EXISTS (SELECT FROM learner_zone WHERE learner_key = %(learner_key)s)
ON CONFLICT (learner_key, since) DO UPDATE SET
    timezone = excluded.timezone, day_start_hour = excluded.day_start_hour
"""
"""Executed before the learner's zone is changed: with the first change, the zone until then is noted as well."""
NOTE_TRAVEL: LiteralString = """
INSERT INTO learner_travel AS old (learner_key, timezone, days)
SELECT learner_key, timezone, range_agg(int4range(day, day, '[]'))
FROM unnest(%(learners)s::bigint[], %(zones)s::text[], %(days)s::int[]) AS seen (learner_key, timezone, day)
GROUP BY learner_key, timezone ORDER BY learner_key, timezone
ON CONFLICT (learner_key, timezone) DO UPDATE SET days = old.days + excluded.days
WHERE NOT old.days @> excluded.days
"""
DATES: LiteralString = """
SELECT shift, lower(run), upper(run) - 1
FROM active_dates, LATERAL (VALUES (-1, ahead), (0, level), (1, behind)) AS kind (shift, kept), unnest(kept) AS run
WHERE learner_key = %(learner_key)s
"""
ZONES: LiteralString = """
SELECT (date_part('epoch', since) * 1000)::bigint, timezone, day_start_hour
FROM learner_zone WHERE learner_key = %(learner_key)s
UNION ALL
SELECT 0, timezone, day_start_hour FROM learners
WHERE learner_key = %(learner_key)s AND NOT EXISTS (SELECT FROM learner_zone WHERE learner_key = %(learner_key)s)
"""
TRAVELS: LiteralString = """
SELECT timezone, lower(run), upper(run) - 1 FROM learner_travel, unnest(days) AS run
WHERE learner_key = %(learner_key)s
"""
FREEZES: LiteralString = """
SELECT freeze_id, earned, (date_part('epoch', taken_at) * 1000)::bigint
FROM streak_freeze WHERE learner_key = %(learner_key)s
"""
COVERS: LiteralString = "SELECT day, repaired_on FROM streak_cover WHERE learner_key = %(learner_key)s"
OWN_ZONE: LiteralString = "SELECT timezone, day_start_hour FROM learners WHERE learner_key = %(learner_key)s"
HOLDERS: LiteralString = """
SELECT learner_key, coalesce(upper(days) - 1, -1)
FROM (SELECT DISTINCT learner_key FROM streak_freeze WHERE learner_key = ANY (%(learners)s::bigint[])) AS holders
LEFT JOIN active_dates USING (learner_key)
"""
TAKE_FREEZE: LiteralString = """
INSERT INTO streak_freeze (learner_key, freeze_id, earned, taken_at)
VALUES (%(learner_key)s, %(freeze_id)s, %(earned)s, %(at)s) ON CONFLICT DO NOTHING
"""
SPEND: LiteralString = """
INSERT INTO streak_cover (learner_key, day) SELECT %(learner_key)s, day FROM unnest(%(days)s::int[]) AS spent (day)
ON CONFLICT DO NOTHING
"""
GIVE_BACK: LiteralString = """
DELETE FROM streak_cover WHERE learner_key = %(learner_key)s AND repaired_on IS NULL AND day <> ALL (%(days)s::int[])
"""
COVER_BY_REPAIR: LiteralString = """
INSERT INTO streak_cover (learner_key, day, repaired_on) VALUES (%(learner_key)s, %(day)s, %(repaired_on)s)
ON CONFLICT (learner_key, day) DO UPDATE SET repaired_on = excluded.repaired_on
"""
"""A repair takes the place of a freeze, which is held again."""
FORGET: tuple[LiteralString, ...] = (
    "DELETE FROM learner_zone WHERE learner_key = %(learner_key)s",
    "DELETE FROM learner_travel WHERE learner_key = %(learner_key)s",
    "DELETE FROM streak_freeze WHERE learner_key = %(learner_key)s",
    "DELETE FROM streak_cover WHERE learner_key = %(learner_key)s",
)

Verdict = tuple[int, Problem | None]
Rows = Sequence[Sequence[Any]]


def facts_of(dates: Rows, zones: Rows, travels: Rows, freezes: Rows, covers: Rows) -> StreakFacts:
    """The facts in the answers to `DATES`, `ZONES`, `TRAVELS`, `FREEZES` and `COVERS`."""
    active: dict[int, tuple[int, int]] = {}
    for shift, first, last in dates:
        for day in range(first, last + 1):
            at_ms = (day + shift) * DAY_MS
            known = active.get(day, (at_ms, at_ms))
            active[day] = (min(known[0], at_ms), max(known[1], at_ms))
    return StreakFacts(
        active=dict(sorted(active.items())),
        zones=zone_history([tuple(row) for row in zones], [tuple(row) for row in travels]),
        freezes_granted=frozenset(row[0] for row in freezes),
        freezes_spent=frozenset(day for day, repaired_on in covers if repaired_on is None),
        repairs=frozenset((day, repaired_on) for day, repaired_on in covers if repaired_on is not None),
    )


def days_to_next_freeze(facts: StreakFacts, freezes: Rows) -> int:
    """Active days until the next freeze is earned; 0: it can be taken."""
    taken = sum(bool(earned) for _, earned, _ in freezes)
    return max(0, EARNED_EVERY_DAYS * (taken + 1) - len(facts.active))


def note_zone(connection: Connection, learner_key: int, timezone: str, day_start_hour: int, at: dt.datetime) -> None:
    """Notes that from a moment on the learner's days are those of another zone, or begin at another hour."""
    connection.execute(
        NOTE_ZONE, {"learner_key": learner_key, "timezone": timezone, "hour": day_start_hour, "since": at}
    )


def note_travels(connection: Connection, seen: Collection[tuple[int, str, int]]) -> None:
    """Notes on which local days events stated another zone than the declared one: (learner, zone, day)."""
    if seen:
        learners, zones, days = zip(*sorted(seen), strict=True)
        connection.execute(
            NOTE_TRAVEL, {"learners": np.array(learners), "zones": list(zones), "days": np.array(days, np.int32)}
        )


def ask(connection: Connection, batch: Interactions) -> Any:
    """Asks who of a batch's learners holds freezes, and which active date is his newest; `keep` waits for it."""
    return connection.execute(HOLDERS, {"learners": np.unique(batch.learner)}) if len(batch) else None


def keep(
    connection: Connection, batch: Interactions, seen: Collection[tuple[int, str, int]], asked: Any = None
) -> None:
    """Notes the zones that a batch stated, and spends held freezes on the days missed before it.

    To be called before the batch's dates are added; ``seen`` is as in ``note_travels``.  ``asked`` is what `ask` gave
    for these learners or more, if nothing that it depends on was written since.
    """
    note_travels(connection, seen)
    if len(batch):
        travellers = {learner_key for learner_key, _, _ in seen}
        spend_freezes(connection, batch, (asked or ask(connection, batch)).fetchall(), travellers)


def spend_freezes(connection: Connection, batch: Interactions, holders: Rows, travellers: Collection[int]) -> None:
    """Spends freezes on the days missed before this batch's, and gives back those that late days make needless.

    ``holders`` has (learner, newest active date or -1); the zones of ``travellers`` have changed, and days with them.
    """
    for learner_key, last_day in holders:
        own = batch.take(batch.learner == learner_key)
        days = np.unique(own.local_day)
        in_order = not len(days) or (days[0] >= last_day and np.all(np.diff(days, prepend=last_day) <= 1))
        if in_order and learner_key not in travellers:
            continue
        facts, freezes = load(connection, learner_key)
        for day, at_ms in zip(own.local_day.tolist(), own.at_ms.tolist(), strict=True):
            utc_ms = at_ms // DAY_MS * DAY_MS
            facts = facts.merged(StreakFacts(active={day: (utc_ms, utc_ms)}))
        spent = freezes_spent_in_order(facts, {freeze: day_at(facts.zones, at_ms) for freeze, _, at_ms in freezes})
        if spent != facts.freezes_spent:
            covered = {"learner_key": learner_key, "days": np.array(sorted(spent), np.int32)}
            connection.execute(GIVE_BACK, covered)
            connection.execute(SPEND, covered)


def load(connection: Connection, learner_key: int) -> tuple[StreakFacts, Rows]:
    """The facts of one learner, and the freezes taken as `FREEZES` has them."""
    who = {"learner_key": learner_key}
    answers = [connection.execute(query, who).fetchall() for query in (DATES, ZONES, TRAVELS, FREEZES, COVERS)]
    return facts_of(*answers), answers[3]


def take_freeze(connection: Connection, learner_key: int, command: StreakFreezeTaken) -> Verdict:
    """Gives a learner a freeze: 200; 409 while two are held, or before it is earned."""
    facts, freezes = load(connection, learner_key)
    # What is about to be spent on a day missed already is held no longer.
    due = freezes_to_spend(facts, _today(connection, learner_key, command))
    facts = facts.merged(StreakFacts(freezes_spent=frozenset(due)))
    earned = command.source is FreezeSource.EARNED
    refusal = refusal_of_freeze(facts)
    missing = days_to_next_freeze(facts, freezes)
    if refusal is None and earned and missing:
        refusal = f"freeze: the next one is earned with {missing} more active days"
    if refusal is not None:
        return 409, Problem(type="/problems/no-freeze", title="No freeze to take", status=409, detail=refusal)
    connection.execute(
        TAKE_FREEZE,
        {
            "learner_key": learner_key,
            "freeze_id": command.command_id,
            "earned": earned,
            "at": dt.datetime.fromtimestamp(epoch_ms(command.issued_at) / 1000, dt.UTC),
        },
    )
    return 200, None


def repair(connection: Connection, learner_key: int, command: StreakRepaired) -> Verdict:
    """Covers a missed day afterwards: 200; 409 for an active or old day, or within a week of the last repair."""
    facts, _ = load(connection, learner_key)
    today = _today(connection, learner_key, command)
    missed = (command.missed_day - EPOCH_DAY).days
    refusal = refusal_of_repair(facts, missed, today)
    if refusal is not None:
        return 409, Problem(type="/problems/no-repair", title="Not to be repaired", status=409, detail=refusal)
    connection.execute(COVER_BY_REPAIR, {"learner_key": learner_key, "day": missed, "repaired_on": today})
    return 200, None


def _today(connection: Connection, learner_key: int, command: StreakFreezeTaken | StreakRepaired) -> int:
    row = connection.execute(OWN_ZONE, {"learner_key": learner_key}).fetchone()
    assert row is not None
    return local_day(epoch_ms(command.issued_at), row[0], row[1])
