"""How long is a learner's streak now, and what protects it?  The sets of `projections.streaks`, read out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import LiteralString

from models.learner.streaks import REPAIR_WITHIN_DAYS, local_day, refusal_of_repair, streak_at
from projections import streaks
from projections.stores.postgres_pool import Query, Rows
from schemas.read_models import Streak

QUERIES = (streaks.DATES, streaks.ZONES, streaks.TRAVELS, streaks.FREEZES, streaks.COVERS, streaks.OWN_ZONE)
_KEY: LiteralString = "(SELECT learner_key FROM learners WHERE user_id = %(user_id)s)"


def queries(user_id: str) -> list[Query]:
    """What has to be asked about a learner, in the order that `streak_of` takes the answers."""
    return [(query.replace("%(learner_key)s", _KEY), {"user_id": user_id}) for query in QUERIES]


def streak_of(answers: list[Rows], now_ms: int) -> Streak | None:
    """The streak as of a moment; None before any activity."""
    *sets, zone = answers
    if not sets[0]:
        return None
    facts = streaks.facts_of(*sets)
    timezone, day_start_hour = zone[0]
    today = local_day(now_ms, timezone, day_start_hour)
    shown = streak_at(facts, today)
    recent = range(today - REPAIR_WITHIN_DAYS, today)
    return Streak(
        current_days=shown.current_days,
        longest_days=shown.longest_days,
        active_days=len(facts.active),
        last_active_day=_date(max(facts.active)),
        active_today=shown.active_today,
        freezes_held=shown.freezes_held,
        days_to_next_freeze=streaks.days_to_next_freeze(facts, sets[3]),
        frozen_days=_dates(shown.frozen_days),
        repaired_days=_dates(shown.repaired_days),
        passed_over_days=_dates(shown.passed_over_days),
        repairable_days=_dates(
            day for day in recent if day > min(facts.active) and refusal_of_repair(facts, day, today) is None
        ),
    )


def _date(day: int) -> dt.date:
    return streaks.EPOCH_DAY + dt.timedelta(days=day)


def _dates(days: Iterable[int]) -> tuple[dt.date, ...]:
    return tuple(_date(day) for day in days)
