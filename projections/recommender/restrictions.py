"""What must a learner not be shown, and what always?  Rules, feedback, prerequisites and consent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import LiteralString

import msgspec

from models.columns import CONSENT_PERSONALISE, Int64
from projections.recommender import next_steps
from projections.recommender.next_steps import Step
from projections.stores.postgres import Connection

SELECT_LEARNERS: LiteralString = """
SELECT learner_key, consent,
       greatest(engagement.applied_seq, recent_interaction.applied_seq, learner_private.version, rules_seq),
       concat_ws(' ', array_to_string(interests, ' '),
           array_to_string(learning_objectives, ' '), array_to_string(career_goals, ' '))
FROM learners
LEFT JOIN engagement USING (learner_key)
LEFT JOIN recent_interaction USING (learner_key)
LEFT JOIN learner_private USING (learner_key)
WHERE learner_key = ANY (%(learners)s::bigint[])
"""
SELECT_OVERRIDES: LiteralString = """
SELECT learner_key, kind, item_key, label, weight FROM learner_override
WHERE learner_key = ANY (%(learners)s::bigint[]) ORDER BY learner_key, set_at, applied_seq
"""
SELECT_FEEDBACK: LiteralString = """
SELECT learner_key, item_key FROM learner_feedback
WHERE learner_key = ANY (%(learners)s::bigint[])
  AND (action IN ('disliked', 'hidden') OR action = 'dismissed' AND given_at > now() - interval '30 days')
"""
SELECT_COMPLETED: LiteralString = """
SELECT learner_key, item_key FROM preference
WHERE learner_key = ANY (%(learners)s::bigint[]) AND item_key = ANY (%(items)s::bigint[]) AND completions > 0
"""


@dataclass(slots=True)
class Restrictions:
    """What a list of one learner has to respect."""

    applied_seq: int = 0
    """The newest transaction of the worker that changed the learner."""
    personalised: bool = True
    """False without consent, or with an opt-out: the list is what anyone would be shown."""
    declared: str = ""
    """Interests, objectives and goals from the profile."""
    hidden: set[int] = field(default_factory=set)
    """Item keys."""
    pinned: list[int] = field(default_factory=list)
    """Item keys, the one pinned last first."""
    topics: set[str] = field(default_factory=set)
    """Lower case."""
    content_types: set[str] = field(default_factory=set)
    preferred: dict[str, float] = field(default_factory=dict)
    """Topics, lower case, that the learner wants more (up to 1) or less (down to -1) of."""
    steps: list[Step] = field(default_factory=list)
    """What comes next by the learner's own plan."""
    completed: set[int] = field(default_factory=set)
    """Those of the prerequisites that the learner has completed, as item keys."""

    def ordering(self) -> str | None:
        """What the list is ordered by of it, as JSON in the form of `overrides.ORDERING_RULES`; None: nothing."""
        pins = [("pin", key, "", 0.0) for key in reversed(self.pinned)]
        rules = [*pins, *(("preferTopic", 0, label, weight) for label, weight in self.preferred.items())]
        return msgspec.json.encode(rules).decode() if rules else None


def ask(connection: Connection, learner_keys: Int64, prerequisites: Int64) -> Callable[[], dict[int, Restrictions]]:
    """Asks for the restrictions of learners, inside the caller's snapshot; what it returns reads the answers.

    Within a burst (`projections.stores.burst`) all questions then share one wait.
    """
    which = {"learners": learner_keys}
    learners = connection.execute(SELECT_LEARNERS, which)
    overrides = connection.execute(SELECT_OVERRIDES, which)
    feedback = connection.execute(SELECT_FEEDBACK, which)
    steps = next_steps.ask(connection, learner_keys)
    completed = connection.execute(SELECT_COMPLETED, {**which, "items": prerequisites}) if len(prerequisites) else None

    def answers() -> dict[int, Restrictions]:
        found: dict[int, Restrictions] = {}
        for key, consent, applied_seq, declared in learners.fetchall():
            agreed = bool(consent & CONSENT_PERSONALISE)
            found[key] = Restrictions(applied_seq, agreed, declared if agreed else "")
        for key, kind, item_key, label, weight in overrides.fetchall():
            if key in found:
                _apply(found[key], kind, item_key, label, weight)
        for key, item_key in feedback.fetchall():
            if key in found:
                found[key].hidden.add(item_key)
        for key, own in steps().items():
            if key in found:
                found[key].steps = own
        for key, item_key in completed.fetchall() if completed is not None else ():
            if key in found:
                found[key].completed.add(item_key)
        return found

    return answers


def _apply(one: Restrictions, kind: str, item_key: int, label: str, weight: float) -> None:
    if kind == "hide":
        one.hidden.add(item_key)
    elif kind == "pin":
        one.pinned.insert(0, item_key)
    elif kind == "neverShowTopic":
        one.topics.add(label.lower())
    elif kind == "neverShowContentType":
        one.content_types.add(label.lower())
    elif kind == "preferTopic":
        one.preferred[label.lower()] = weight
    elif kind == "optOut":
        one.personalised = False
        one.declared = ""
