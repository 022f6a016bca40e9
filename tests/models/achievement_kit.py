"""Rules as in a file, and one learner under one rule, event by event."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from models.achievement_evidence import LATEST_DAYS
from models.achievement_rules import CompiledRule, compile_rules
from models.columns import Interactions
from schemas.achievement_rules import AchievementRule, Aggregate, Member, read_rules


def rule(rule_id: str, agg: str, tiers: list[int], **more: Any) -> dict[str, Any]:
    """A rule as in a file."""
    texts = {"title": rule_id, "description": rule_id, "category": "PRACTICE", "version": 1}
    return {"id": rule_id, "agg": agg, "tiers": [{"gte": n} for n in tiers], "when": {}, **texts, **more}


def compiled(*some: dict[str, Any]) -> tuple[CompiledRule, ...]:
    """Rules as in a file, ready to run."""
    rules = read_rules([("test.json", msgspec.json.encode(some))])
    return compile_rules(rules, {one.id: slot for slot, one in enumerate(rules)})


@dataclass
class Walker:
    """One learner under one rule, event by event, with everything remembered."""

    rule: AchievementRule
    value: int = 0
    tiers: int = 0
    members: set[int] = field(default_factory=set)
    counts: dict[int, int] = field(default_factory=dict)

    def step(self, log: Interactions, row: int) -> None:
        """Take one matching event into account."""
        top = self.rule.thresholds[-1]
        if self.value >= top:
            return
        day = int(log.local_day[row])
        if self.rule.agg is Aggregate.DISTINCT:
            column = {Member.ITEM: log.item, Member.CONTENT_TYPE: log.content_type, Member.LOCAL_DAY: log.local_day}
            assert self.rule.of is not None
            self.members.add(int(column[self.rule.of][row]))
            self.value = len(self.members)
        elif self.rule.agg is Aggregate.STREAK:
            self.members.add(day)
            self.value = max(self._run(first) for first in self.members)
        elif self.rule.agg is Aggregate.SPAN:
            self.members.add(day)
            self.value = max(self.members) - min(self.members)
        elif self.rule.agg is Aggregate.MASTERY:
            self.members.add(int(log.item[row]))
            self.value = len(self.members)
        elif self.rule.field is not None and not self.rule.window_days:
            stated = _hundredths(log, row)
            self.value = max(self.value, stated) if self.rule.agg is Aggregate.MAX else self.value + stated
        elif not self.rule.window_days:
            self.value += 1
        elif not self.counts or day > max(self.counts) - LATEST_DAYS:
            self.counts[day] = self.counts.get(day, 0) + (1 if self.rule.field is None else _hundredths(log, row))
            days = self.rule.window_days
            sums = [sum(self.counts.get(day - k, 0) for k in range(days)) for day in range(day, day + days)]
            self.value = max(self.value, *sums)
        self.value = min(self.value, top)

    def _run(self, day: int) -> int:
        length = 0
        while day + length in self.members:
            length += 1
        return length


def _hundredths(log: Interactions, row: int) -> int:
    """What the rules of the tests sum and compare: the time spent."""
    stated = float(log.time_spent_seconds[row])
    return 0 if np.isnan(stated) else round(stated * 100)
