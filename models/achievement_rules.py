"""Which interactions of a batch does a rule look at?  Rules as look-up tables and comparisons of whole columns."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.columns import Int64, Interactions, Mask
from schemas.achievement_rules import AchievementRule, Condition, Fact, Field, Operator, When
from schemas.interactions import TYPE_OF_CODE, InteractionType

_COMPARE: dict[Operator, Callable[[Any, Any], Any]] = {
    Operator.EQUAL: operator.eq,
    Operator.NOT_EQUAL: operator.ne,
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
    Operator.GREATER: operator.gt,
    Operator.AT_LEAST: operator.ge,
}
_COLUMN: dict[Field, str] = {
    Field.TIME_SPENT: "time_spent_seconds",
    Field.COMPLETION_RATE: "completion_rate",
    Field.RATING: "rating",
    Field.CLICKS_COUNT: "clicks",
    Field.SCROLL_DEPTH: "scroll_depth",
    Field.SCORE: "score",
    Field.SENTIMENT: "sentiment",
    Field.LOCAL_HOUR: "local_hour",
}
# 1970-01-01, local day 0, was a Thursday: ISO weekday 4, three days after Monday.
_MONDAY_OFFSET = 3


class CompiledRule(NamedTuple):
    """A rule ready to run."""

    rule: AchievementRule
    slot: int
    """Its column in the state, from 0."""
    thresholds: Int64
    """(tiers,) ascending."""
    requires: tuple[int, ...]
    """Slots of the rules whose first tier comes first."""

    @property
    def top(self) -> int:
        """The highest tier's threshold; progress is counted up to it."""
        return int(self.thresholds[-1])


def compile_rules(rules: Sequence[AchievementRule], slots: Mapping[str, int]) -> tuple[CompiledRule, ...]:
    """The rules, in the order given (each after those it requires), with their slots (from 0) by rule id."""
    return tuple(
        CompiledRule(
            rule=rule,
            slot=slots[rule.id],
            thresholds=np.array(rule.thresholds, np.int64),
            requires=tuple(slots[required] for required in rule.requires),
        )
        for rule in rules
    )


def matches(when: When, batch: Interactions) -> Mask:
    """(n,) whether each interaction counts; a field that is absent fulfils no condition."""
    mask = _TYPES[when.fact][batch.type] if not when.types else _of_types(when.types)[batch.type]
    for condition in when.where:
        mask &= _holds(condition, batch)
    return mask


def _of_types(types: Sequence[InteractionType]) -> Mask:
    return np.array([member in types for member in TYPE_OF_CODE] + [False] * len(Fact))


# Without types: every interaction and no fact, or that fact alone; by code.
_TYPES: dict[Fact | None, Mask] = {
    None: np.array([True] * len(TYPE_OF_CODE) + [False] * len(Fact)),
    **{fact: np.arange(len(TYPE_OF_CODE) + len(Fact)) == fact.code for fact in Fact},
}


def values_of(field: Field, batch: Interactions) -> NDArray[np.float64]:
    """(n,) what each interaction states in a field; NaN where it does not."""
    values, present = _values(field, batch)
    return np.where(present, values, np.nan).astype(np.float64)


def _holds(condition: Condition, batch: Interactions) -> Mask:
    values, present = _values(condition.field, batch)
    held: Mask = _COMPARE[condition.operator](values, condition.value)
    return held & present


def _values(field: Field, batch: Interactions) -> tuple[NDArray[Any], Mask | bool]:
    """A column (n,) and where it is stated."""
    if field is Field.SUCCESS:
        return batch.success, batch.success >= 0
    if field is Field.LOCAL_WEEKDAY:
        return (batch.local_day + _MONDAY_OFFSET) % 7 + 1, True
    values: NDArray[Any] = getattr(batch, _COLUMN[field])
    return values, ~np.isnan(values) if values.dtype.kind == "f" else True
