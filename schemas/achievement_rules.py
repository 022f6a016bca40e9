"""What earns an achievement? The grammar of the rule files in `schemas/achievements/`, and their validation.

A rule is data, never code. It looks at some interactions (`when`), reduces them to one number a learner (`agg`, over
`window`) and unlocks a tier each time the number reaches the tier's `gte`, once and for good:

* `count`: how many interactions.
* `sum`, `max`: of what they state in `field`, to the hundredth.
* `distinct`: how many different `of`: `item`, `content_type`, `local_day` or `local_month`.
* `streak`: the longest run of consecutive local days that have at least one.
* `span`: days from the first local day that has one to the last.
* `mastery`: how many skills were ever mastered, by the learner model.

`window` makes of a `count` or `sum` the most within any one `local_day`, or within any so many consecutive ones
(`7d`). An interaction that arrives a year of event time or more behind the learner's newest is left out of it.

`repeat` has a rule count anew in every local day, week (from Monday) or month, and unlock its tiers once in each.

Local days are days in the learner's own time zone. `requires` names achievements whose first tier comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, StrEnum
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from schemas.fields import END_OF_TEXT, Line
from schemas.interactions import TYPE_OF_CODE, InteractionType

FOLDER = Path(__file__).parent / "achievements"
MAX_DISTINCT = 1_000
"""Largest tier of a `distinct` rule: up to there the members are remembered, 8 bytes each."""
MAX_STREAK = 3_650
"""Largest tier of a `streak` or `span` rule [days]."""
MAX_SUM = 20_000_000
"""Largest tier of a `sum` or `max` rule; what is counted is kept in hundredths."""
HUNDREDTHS = 100
MAX_WINDOW_DAYS = 90

AchievementId = Annotated[str, Meta(min_length=1, max_length=64, pattern=rf"^[a-z0-9]+(-[a-z0-9]+)*{END_OF_TEXT}")]


class RuleError(ValueError):
    """A rule file that is wrong; the message names the file, the field and the fix."""


class Category(StrEnum):
    """Where an achievement is shown."""

    COMEBACK = "COMEBACK"
    COMPLETION = "COMPLETION"
    EXPLORATION = "EXPLORATION"
    MASTERY = "MASTERY"
    PRACTICE = "PRACTICE"
    SOCIAL = "SOCIAL"
    STREAK = "STREAK"


class Aggregate(StrEnum):
    """How interactions become a number."""

    COUNT = "count"
    DISTINCT = "distinct"
    SUM = "sum"
    MAX = "max"
    STREAK = "streak"
    SPAN = "span"
    MASTERY = "mastery"


class Member(StrEnum):
    """What a `distinct` rule tells apart."""

    ITEM = "item"
    CONTENT_TYPE = "content_type"
    LOCAL_DAY = "local_day"
    LOCAL_MONTH = "local_month"


class Repeat(StrEnum):
    """In which calendar periods of the learner a rule counts anew, and unlocks once each."""

    NEVER = "never"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"

    @property
    def most_days(self) -> int:
        """Local days of the longest period; 0 for `never`."""
        return {Repeat.NEVER: 0, Repeat.DAILY: 1, Repeat.WEEKLY: 7, Repeat.MONTHLY: 31}[self]


class Fact(StrEnum):
    """What happens to a learner besides interactions, and counts like one."""

    KUDOS_RECEIVED = "KUDOS_RECEIVED"
    SKILL_MASTERED = "SKILL_MASTERED"

    @property
    def code(self) -> int:
        """The number in the column of types, behind those of interactions."""
        return len(TYPE_OF_CODE) + list(Fact).index(self)


Window = Annotated[str, Meta(pattern=rf"^(all|local_day|[1-9][0-9]?d){END_OF_TEXT}")]
"""Over which stretch a rule counts: everything, one local day, or so many consecutive ones (`7d`)."""


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


SUMMABLE = (Field.TIME_SPENT, Field.COMPLETION_RATE, Field.RATING, Field.CLICKS_COUNT, Field.SCROLL_DEPTH, Field.SCORE)
"""What a `sum` or `max` rule can add up or compare."""


class Condition(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One comparison, written as `[field, operator, value]`."""

    field: Field
    operator: Operator
    value: float


class When(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which interactions count: of one of the `types` (all, if absent) and true under every condition; or a `fact`."""

    fact: Fact | None = None
    types: Annotated[tuple[InteractionType, ...], Meta(max_length=12)] = ()
    where: Annotated[tuple[Condition, ...], Meta(max_length=8)] = ()


class Tier(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One step of an achievement."""

    gte: Annotated[int, Meta(gt=0, le=1_000_000_000)] | Annotated[float, Meta(gt=0, le=1_000_000_000)]
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
    field: Field | None = None
    window: Window = "all"
    requires: Annotated[tuple[AchievementId, ...], Meta(max_length=10)] = ()
    repeat: Repeat = Repeat.NEVER

    @property
    def unit(self) -> int:
        """What progress is counted in: 100, hundredths, for sums and maxima; 1 for everything else."""
        return HUNDREDTHS if self.agg in {Aggregate.SUM, Aggregate.MAX} else 1

    @property
    def thresholds(self) -> tuple[int, ...]:
        """What each tier takes in the rule's unit, ascending."""
        return tuple(round(tier.gte * self.unit) for tier in self.tiers)

    @property
    def window_days(self) -> int:
        """Length of the window; 0: everything counts."""
        return 0 if self.window == "all" else 1 if self.window == "local_day" else int(self.window[:-1])


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
    _check_reduction(rule, place)
    _check_repeat(rule, place)
    limit = _limit(rule)
    previous: float = 0
    for index, tier in enumerate(rule.tiers):
        here = f"{place}.tiers[{index}].gte"
        if rule.unit == 1 and tier.gte != int(tier.gte):
            raise RuleError(f"{here}: must be a whole number for `{rule.agg}`")
        if round(tier.gte * rule.unit) <= round(previous * rule.unit):
            raise RuleError(f"{here}: must be above the tier before it ({previous})")
        if tier.gte > limit:
            how = "" if rule.repeat is Repeat.NEVER else f" that repeats {rule.repeat}"
            raise RuleError(f"{here}: must be at most {limit} for `{rule.agg}`{how}")
        previous = tier.gte
    if rule.when.fact is not None and (rule.when.types or rule.when.where):
        raise RuleError(f"{place}.when.fact: a fact has no types and no conditions; remove them, or the fact")
    for index, condition in enumerate(rule.when.where):
        low, high = condition.field.low, condition.field.high
        if not low <= condition.value <= high:
            raise RuleError(
                f"{place}.when.where[{index}][2]: `{condition.field.value}` is a number from {low:g} to {high:g}"
            )


def _limit(rule: AchievementRule) -> int:
    """The largest tier there can be."""
    of_days = rule.agg is Aggregate.STREAK or rule.of is Member.LOCAL_DAY
    return (rule.repeat.most_days if of_days else 0) or _LIMITS.get(rule.agg, 1_000_000_000)


_LIMITS = {
    Aggregate.DISTINCT: MAX_DISTINCT,
    Aggregate.MASTERY: MAX_DISTINCT,
    Aggregate.STREAK: MAX_STREAK,
    Aggregate.SPAN: MAX_STREAK,
    Aggregate.SUM: MAX_SUM,
    Aggregate.MAX: MAX_SUM,
}
_SUMMED = {Aggregate.SUM, Aggregate.MAX}


def _check_reduction(rule: AchievementRule, place: str) -> None:
    """Refuse an aggregate without what it needs, or with what it has no use for."""
    if rule.agg is Aggregate.DISTINCT and rule.of is None:
        raise RuleError(f"{place}.of: missing; a `distinct` rule says of what: {', '.join(Member)}")
    if rule.agg is not Aggregate.DISTINCT and rule.of is not None:
        raise RuleError(f"{place}.of: only a `distinct` rule has it; remove it")
    if rule.agg in _SUMMED and rule.field not in SUMMABLE:
        raise RuleError(f"{place}.field: a `{rule.agg}` rule says of what: {', '.join(f.value for f in SUMMABLE)}")
    if rule.agg not in _SUMMED and rule.field is not None:
        raise RuleError(f"{place}.field: only a `sum` or `max` rule has it; remove it")
    if rule.agg not in {Aggregate.COUNT, Aggregate.SUM} and rule.window != "all":
        raise RuleError(f"{place}.window: only a `count` or `sum` rule has a window; remove it")
    if rule.window_days > MAX_WINDOW_DAYS:
        raise RuleError(f"{place}.window: must be at most {MAX_WINDOW_DAYS}d")
    if rule.agg is Aggregate.MASTERY and rule.when != When():
        raise RuleError(f"{place}.when: a `mastery` rule counts mastered skills only; write {{}}")
    if rule.when.fact is Fact.SKILL_MASTERED:
        raise RuleError(f"{place}.when.fact: mastered skills are counted by `agg` `mastery`; use that")


def _check_repeat(rule: AchievementRule, place: str) -> None:
    """Refuse to count anew what a period of the calendar does not bound."""
    if rule.repeat is Repeat.NEVER:
        return
    if rule.agg in {Aggregate.SPAN, Aggregate.MASTERY} or rule.of is Member.LOCAL_MONTH:
        what = rule.of or rule.agg
        raise RuleError(f"{place}.repeat: `{what}` looks beyond one day, week or month; such a rule repeats never")
    if rule.window != "all":
        raise RuleError(f"{place}.window: a rule that repeats counts within its period; remove the window")


def _in_order(rules: dict[str, AchievementRule], places: dict[str, str]) -> tuple[AchievementRule, ...]:
    """The rules with each one after those it requires."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for rule in rules.values():
        for index, required in enumerate(rule.requires):
            if required not in rules:
                raise RuleError(f"{places[rule.id]}.requires[{index}]: no rule has the id `{required}`")
            if rules[required].repeat is not Repeat.NEVER:
                raise RuleError(f"{places[rule.id]}.requires[{index}]: `{required}` repeats; require one that does not")
        sorter.add(rule.id, *rule.requires)
    try:
        order = list(sorter.static_order())
    except CycleError as error:
        cycle = " -> ".join(reversed(error.args[1]))
        raise RuleError(f"{places[error.args[1][0]]}.requires: goes round in a circle: {cycle}") from error
    return tuple(rules[rule_id] for rule_id in order)
