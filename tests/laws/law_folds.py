"""How is each registered projection's pure fold run over batches, and when are two results the same?

One entry a projection; a law test fails for a registered projection without one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models import (
    achievement_periods,
    achievements,
    active_dates,
    activity,
    behaviour,
    engagement,
    item_progress,
    preferences,
    recent,
    sessions,
    trending,
)
from models.achievement_rules import CompiledRule, compile_rules
from models.columns import Interactions
from models.grouping import Groups, group
from models.learner import personality
from models.learner.of_interactions import ItemSkills, attempts_of
from models.learner.shared import Shared
from models.learner.skill_states import SkillStates, followed
from schemas.achievement_rules import Repeat, shipped_rules

UNIVERSE = np.arange(1, 6)  # every learner of law_logs
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Law:
    """What is promised of a fold."""

    run: Callable[[Sequence[Interactions]], Any]
    """The state after the batches."""
    order_free: bool
    """Whether the order of the log does not matter."""


def _learner_fold(empty: Callable[[int], Any], update: Callable[..., Any]) -> Callable[[Sequence[Interactions]], Any]:
    def run(batches: Sequence[Interactions]) -> Any:
        state = empty(len(UNIVERSE))
        for batch in batches:
            state = update(state, Groups(UNIVERSE, batch.learner - 1), batch)
        return state

    return run


def _whole_fold(empty: Callable[[], Any], update: Callable[..., Any]) -> Callable[[Sequence[Interactions]], Any]:
    def run(batches: Sequence[Interactions]) -> Any:
        state = empty()
        for batch in batches:
            state = update(state, batch)
        return state

    return run


def _sessions(batches: Sequence[Interactions]) -> Any:
    state = sessions.empty()
    for batch in batches:
        state = sessions.update(state, Groups(UNIVERSE, batch.learner - 1), batch).sessions
    return state


def repeated(
    held: dict[tuple[int, int, int], Any], rules: Sequence[CompiledRule], once: Any, batch: Interactions
) -> list[Any]:
    """What rules that repeat unlock in a batch; ``held`` keeps (progress, tiers, evidence) by slot, learner, period."""
    groups, found = group(batch.learner), []
    for rule in rules:
        if rule.rule.repeat is Repeat.NEVER:
            continue
        mine = {key: cell for key, cell in held.items() if key[0] == rule.slot and key[1] in groups.keys}
        stored = achievement_periods.Cells(
            *(np.array([key[place] for key in mine], np.int64) for place in (1, 2)),
            *(np.array([cell[place] for cell in mine.values()], np.int64) for place in (0, 1)),
            np.array([len(cell[2]) for cell in mine.values()], np.int64),
            *(np.array([entry[place] for cell in mine.values() for entry in cell[2]], np.int64) for place in (0, 1)),
        )
        seen = achievement_periods.touched(rule, batch)
        cells, unlocks = achievement_periods.update(rule, stored, seen, batch, groups, once.unlocking)
        entries = list(zip(cells.member.tolist(), cells.weight.tolist(), strict=True))
        ends = np.cumsum(cells.entries).tolist()
        for learner, period, progress, tiers, size, end in zip(
            *(column.tolist() for column in cells[:5]), ends, strict=True
        ):
            held[rule.slot, learner, period] = (progress, tiers, entries[end - size : end])
        found += list(zip(*(column.tolist() for column in unlocks), strict=True))
    return found


def _achievements(batches: Sequence[Interactions]) -> Any:
    rules = shipped_rules()
    compiled = compile_rules(rules, {rule.id: slot for slot, rule in enumerate(rules)})
    once = [rule for rule in compiled if rule.rule.repeat is Repeat.NEVER]
    found: list[Any] = []
    for learner in UNIVERSE.tolist():
        state = achievements.empty(1, len(rules))
        cells: dict[tuple[int, int, int], Any] = {}
        again: list[Any] = []
        for batch in batches:
            own = batch.take(batch.learner == learner)
            if len(own):
                after = achievements.update(state, group(own.learner), own, once)
                state = after.state
                found += [tuple(unlock) for unlock in zip(*(column.tolist() for column in after.unlocks), strict=True)]
                again += repeated(cells, compiled, after, own)
        found += [sorted(again), sorted(cells.items())]
        found.append((learner, state.progress.tolist(), state.tiers.tolist()))
        found += [
            (slot, *(column.tolist() for column in state.evidence[slot]))
            for slot in sorted(state.evidence)
            if len(state.evidence[slot].owner)
        ]
    return {"all": found}


def _learner_model(batches: Sequence[Interactions]) -> Any:
    catalogue = ItemSkills(np.array([0, 0, 1, 3, 4, 4, 6]), np.array([0, 0, 1, 2, 1, 2]))
    shared, states, days = Shared(version=3), SkillStates.none(), {}
    masterings: list[Any] = []
    for item in range(7):
        shared.suppose(item, item / 3 - 1)
    for batch in batches:
        attempts, rows = attempts_of(batch, catalogue)
        states, changed, mastered = followed(shared, states, attempts, batch.local_day[rows])
        days |= {row[:3]: row[3:] for row in zip(*(column.tolist() for column in changed), strict=True)}
        masterings += zip(*(column.tolist() for column in mastered), strict=True)
    columns, memories = states.columns, states.memories
    return {
        **{name: getattr(columns, name) for name in columns._fields},
        "mastered": states.mastered,
        "stability": memories.stability_days,
        "difficulty": memories.difficulty,
        "days": sorted(days.items()),
        "masterings": masterings,
    }


def _personality(batches: Sequence[Interactions]) -> Any:
    habits = personality.habits_of(Interactions.empty())
    for batch in batches:
        habits = personality.joined(habits, personality.habits_of(batch))
    return {"learner": habits.learner, "total": habits.total, "count": habits.count}


LAWS: dict[str, Law] = {
    "engagement": Law(_learner_fold(engagement.empty, engagement.update), order_free=True),
    "behaviour": Law(_learner_fold(behaviour.empty, behaviour.update), order_free=True),
    "sessions": Law(_sessions, order_free=True),
    "recent_interactions": Law(_learner_fold(recent.empty, recent.update), order_free=True),
    "preferences": Law(_whole_fold(preferences.empty, preferences.update), order_free=True),
    "item_progress": Law(_whole_fold(item_progress.empty, item_progress.update), order_free=True),
    "learner_model": Law(_learner_model, order_free=False),
    "personality": Law(_personality, order_free=True),
    "active_dates": Law(_whole_fold(active_dates.empty, active_dates.update), order_free=True),
    "achievements": Law(_achievements, order_free=False),
    "trending": Law(_whole_fold(trending.empty, trending.update), order_free=True),
    "hourly_activity": Law(_whole_fold(activity.empty, activity.update), order_free=True),
}


def assert_same(one: Any, other: Any, name: str = "state") -> None:
    """Integers, texts and lists exactly; floats within 1e-9 of their size, logarithms of sums within 1e-9."""
    if hasattr(one, "_fields"):
        one, other = one._asdict(), other._asdict()
    if isinstance(one, Mapping):
        assert one.keys() == other.keys(), name
        for key in one:
            assert_same(one[key], other[key], f"{name}.{key}")
        return
    if isinstance(one, float) or (isinstance(one, np.ndarray) and one.dtype.kind == "f"):
        is_log = name.rsplit(".", 1)[-1].startswith("log_")
        tolerance = {"rtol": 0.0, "atol": TOLERANCE} if is_log else {"rtol": TOLERANCE, "atol": 0.0}
        np.testing.assert_allclose(other, one, **tolerance, err_msg=name)
        return
    if isinstance(one, np.ndarray):
        np.testing.assert_array_equal(other, one, err_msg=name)
        return
    assert other == one, name
