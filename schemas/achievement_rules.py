"""What earns an achievement? The grammar of the rule files in `schemas/achievements/`, and their validation.

A rule is data, never code. It looks at some interactions (`when`), reduces them to one number a learner (`agg`, over
`window`) and unlocks a tier each time the number reaches the tier's `gte`, once and for good:

* `count`: how many interactions; with `window` `7d` or `local_day` the most within any seven consecutive local days
  or any one local day. An interaction that arrives three weeks of event time or more behind the learner's newest
  is left out of such a window.
* `distinct`: how many different `of`: `item`, `content_type` or `local_day`.
* `streak`: the longest run of consecutive local days that have at least one.

Local days are days in the learner's own time zone. `requires` names achievements whose first tier comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, StrEnum
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from schemas.fields import END_OF_TEXT, Line
from schemas.interactions import InteractionType

FOLDER = Path(__file__).parent / "achievements"
MAX_DISTINCT = 1_000
"""Largest tier of a `distinct` rule: up to there the members are remembered, 8 bytes each."""
MAX_STREAK = 3_650
"""Largest tier of a `streak` rule [days]."""

AchievementId = Annotated[str, Meta(min_length=1, max_length=64, pattern=rf"^[a-z0-9]+(-[a-z0-9]+)*{END_OF_TEXT}")]


class RuleError(ValueError):
    """A rule file that is wrong; the message names the file, the field and the fix."""


class Category(StrEnum):
    """Where an achievement is shown."""

    COMPLETION = "COMPLETION"
    EXPLORATION = "EXPLORATION"
    PRACTICE = "PRACTICE"
    SOCIAL = "SOCIAL"
    STREAK = "STREAK"


class Aggregate(StrEnum):
    """How interactions become a number."""

    COUNT = "count"
    DISTINCT = "distinct"
    STREAK = "streak"


class Member(StrEnum):
    """What a `distinct` rule tells apart."""

    ITEM = "item"
    CONTENT_TYPE = "content_type"
    LOCAL_DAY = "local_day"


class Window(StrEnum):
    """Over which stretch a `count` rule counts."""

    ALL = "all"
    SEVEN_DAYS = "7d"
    LOCAL_DAY = "local_day"


class Operator(StrEnum):
    """How a condition compares; a field that an interaction does not state fulfils no condition."""

    EQUAL = "eq"
    NOT_EQUAL = "ne"
    LESS = "lt"
    AT_MOST = "le"
    GREATER = "gt"
    AT_LEAST = "ge"


class Field(Enum):
    """What a condition can look at. The value is the word in the file, `low` to `high` what it can hold."""

    low: float
    high: float

    def __new__(cls, word: str, low: float, high: float) -> Field:
        """Make the member of `word` that carries its range."""
        member = object.__new__(cls)
        member._value_ = word
        member.low, member.high = low, high
        return member

    TIME_SPENT = ("timeSpent", 0, 86_400)
    COMPLETION_RATE = ("completionRate", 0, 1)
    RATING = ("rating", 1, 5)
    CLICKS_COUNT = ("clicksCount", 0, 100_000)
    SCROLL_DEPTH = ("scrollDepth", 0, 1)
    SCORE = ("score", 0, 1)
    SENTIMENT = ("sentiment", -1, 1)
    SUCCESS = ("success", 0, 1)
    LOCAL_HOUR = ("localHour", 0, 23)
    LOCAL_WEEKDAY = ("localWeekday", 1, 7)  # ISO 8601: Monday is 1


class Condition(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One comparison, written as `[field, operator, value]`."""

    field: Field
    operator: Operator
    value: float


class When(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which interactions count: of one of the `types` (all, when absent), and true under every condition."""

    types: Annotated[tuple[InteractionType, ...], Meta(max_length=12)] = ()
    where: Annotated[tuple[Condition, ...], Meta(max_length=8)] = ()


class Tier(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step of an achievement."""

    gte: Annotated[int, Meta(ge=1, le=1_000_000_000)]
    title: Line | None = None


class AchievementRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One achievement. Its `id` never changes meaning; a changed threshold or condition is a higher `version`."""

    id: AchievementId
    version: Annotated[int, Meta(ge=1, le=1_000_000)]
    title: Line
    description: Line
    category: Category
    when: When
    agg: Aggregate
    tiers: Annotated[tuple[Tier, ...], Meta(min_length=1, max_length=10)]
    of: Member | None = None
    window: Window = Window.ALL
    requires: Annotated[tuple[AchievementId, ...], Meta(max_length=10)] = ()
    repeat: Literal["never"] = "never"

    @property
    def thresholds(self) -> tuple[int, ...]:
        """What each tier takes, ascending."""
        return tuple(tier.gte for tier in self.tiers)


_DECODER = msgspec.json.Decoder(list[AchievementRule])


def read_rules(texts: Sequence[tuple[str, bytes]]) -> tuple[AchievementRule, ...]:
    """The rules of some files, each after those that it requires, otherwise in the order given.

    Args:
        texts: the name and the JSON (an array of rules) of each file.

    Raises:
        RuleError: naming the file, the field and the fix.
    """
    rules: dict[str, AchievementRule] = {}
    places: dict[str, str] = {}
    for name, text in texts:
        try:
            decoded = _DECODER.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RuleError(f"{name}: {error}") from error
        for index, rule in enumerate(decoded):
            place = f"{name}: $[{index}]"
            if rule.id in rules:
                raise RuleError(f"{place}.id: `{rule.id}` is already used at {places[rule.id]}; give each rule its own")
            _check(rule, place)
            rules[rule.id], places[rule.id] = rule, place
    return _in_order(rules, places)


def shipped_rules() -> tuple[AchievementRule, ...]:
    """The rules of `schemas/achievements/`; see `read_rules`."""
    return read_rules([(path.name, path.read_bytes()) for path in sorted(FOLDER.glob("*.json"))])


def _check(rule: AchievementRule, place: str) -> None:
    """Refuse what the types alone cannot: fields that contradict each other."""
    if rule.agg is Aggregate.DISTINCT and rule.of is None:
        raise RuleError(f"{place}.of: missing; a `distinct` rule says of what: {', '.join(Member)}")
    if rule.agg is not Aggregate.DISTINCT and rule.of is not None:
        raise RuleError(f"{place}.of: only a `distinct` rule has it; remove it")
    if rule.agg is not Aggregate.COUNT and rule.window is not Window.ALL:
        raise RuleError(f"{place}.window: only a `count` rule has a window; remove it")
    limit = {Aggregate.DISTINCT: MAX_DISTINCT, Aggregate.STREAK: MAX_STREAK}.get(rule.agg)
    previous = 0
    for index, threshold in enumerate(rule.thresholds):
        if threshold <= previous:
            raise RuleError(f"{place}.tiers[{index}].gte: must be above the tier before it ({previous})")
        if limit is not None and threshold > limit:
            raise RuleError(f"{place}.tiers[{index}].gte: must be at most {limit} for `{rule.agg}`")
        previous = threshold
    for index, condition in enumerate(rule.when.where):
        low, high = condition.field.low, condition.field.high
        if not low <= condition.value <= high:
            raise RuleError(
                f"{place}.when.where[{index}][2]: `{condition.field.value}` is a number from {low:g} to {high:g}"
            )


def _in_order(rules: dict[str, AchievementRule], places: dict[str, str]) -> tuple[AchievementRule, ...]:
    """The rules with each one after those it requires."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for rule in rules.values():
        for index, required in enumerate(rule.requires):
            if required not in rules:
                raise RuleError(f"{places[rule.id]}.requires[{index}]: no rule has the id `{required}`")
        sorter.add(rule.id, *rule.requires)
    try:
        order = list(sorter.static_order())
    except CycleError as error:
        cycle = " -> ".join(reversed(error.args[1]))
        raise RuleError(f"{places[error.args[1][0]]}.requires: goes round in a circle: {cycle}") from error
    return tuple(rules[rule_id] for rule_id in order)
