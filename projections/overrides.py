"""What has a learner decided about their own lists?  Rules and feedback, carried out as commands by the worker.

Rules win over every score: readers leave out what they forbid even from lists that were written before (see
`FORBIDDEN`), and writers respect them from then on.  ``learners.rules_seq`` is the transaction of the newest change:
a list that reflects an older one is out of date.
"""

from __future__ import annotations

import datetime as dt
from typing import LiteralString

from projections.stores.postgres import Connection
from schemas.commands import FeedbackAction, FeedbackGiven, OverrideSet
from schemas.event_time import epoch_ms
from schemas.overrides import Hide, NeverShowContentType, NeverShowTopic, OptOut, Override, Pin, PreferTopic
from schemas.problems import Problem

FIND_ITEM: LiteralString = "SELECT item_key FROM content WHERE content_id = %(content_id)s"
SET: LiteralString = """
INSERT INTO learner_override (learner_key, kind, item_key, label, weight, set_at, applied_seq)
VALUES (%(learner_key)s, %(kind)s, %(item_key)s, %(label)s, %(weight)s, %(at)s, %(applied_seq)s)
ON CONFLICT (learner_key, kind, item_key, label) DO UPDATE SET
    weight = excluded.weight, set_at = excluded.set_at, applied_seq = excluded.applied_seq
"""
TAKE_BACK: LiteralString = """
DELETE FROM learner_override
WHERE learner_key = %(learner_key)s AND kind = %(kind)s AND item_key = %(item_key)s AND label = %(label)s
"""
GIVE: LiteralString = """
INSERT INTO learner_feedback (learner_key, item_key, action, given_at, recommendation_id, applied_seq)
VALUES (%(learner_key)s, %(item_key)s, %(action)s, %(at)s, %(recommendation_id)s, %(applied_seq)s)
ON CONFLICT (learner_key, item_key, action) DO UPDATE SET
    given_at = greatest(learner_feedback.given_at, excluded.given_at),
    recommendation_id = excluded.recommendation_id, applied_seq = excluded.applied_seq
"""
TOUCH: LiteralString = "UPDATE learners SET rules_seq = %(applied_seq)s WHERE learner_key = %(learner_key)s"
FORGET: tuple[LiteralString, ...] = (
    "DELETE FROM learner_override WHERE learner_key = %(learner_key)s",
    "DELETE FROM learner_feedback WHERE learner_key = %(learner_key)s",
)
FORBIDDEN: LiteralString = """
EXISTS (
    SELECT FROM learner_override AS rule
    WHERE rule.learner_key = list.learner_key
      AND (rule.kind = 'optOut' AND list.type <> 'trending'
           OR rule.kind = 'hide' AND rule.item_key = content.item_key
           OR rule.kind = 'neverShowContentType' AND lower(rule.label) = lower(content.content_type)
           OR rule.kind = 'neverShowTopic'
              AND EXISTS (SELECT FROM unnest(content.topics) AS topic WHERE lower(topic) = lower(rule.label)))
) OR EXISTS (
    SELECT FROM learner_feedback AS said
    WHERE said.learner_key = list.learner_key AND said.item_key = content.item_key
      AND (said.action IN ('disliked', 'hidden')
           OR said.action = 'dismissed' AND said.given_at > now() - interval '30 days')
)
"""
"""Whether a learner must not be shown a piece of content; for a statement with the tables ``list`` (learner_key, type)
and ``content``."""

ORDERING_RULES: LiteralString = """
SELECT json_agg(json_build_array(rule.kind, rule.item_key, rule.label, rule.weight)
                ORDER BY rule.set_at, rule.applied_seq),
       array_agg(rule.item_key ORDER BY rule.set_at, rule.applied_seq)
           FILTER (WHERE rule.kind = 'pin' AND list.type = 'hybrid')
FROM learner_override AS rule
WHERE rule.learner_key = list.learner_key AND rule.kind IN ('pin', 'preferTopic')
"""
"""The rules that order a list, as [[kind, item_key, label, weight]], and the items that stand in it even if it did not
hold them; for a statement with the table ``list``.  What a list reflects of them says its ``reflected_rules``."""

Verdict = tuple[int, Problem | None]

_UNKNOWN_CONTENT = Problem(
    type="/problems/unknown-content",
    title="Unknown content",
    status=404,
    detail="No interaction and no catalogue entry has named this contentId yet.",
)


def set_override(connection: Connection, learner_key: int, command: OverrideSet, applied_seq: int) -> Verdict:
    """Sets a rule or takes it back; setting one twice changes nothing but its time."""
    kind, content_id, label = _parts(command.override)
    item_key = _item_key(connection, content_id) if content_id else 0
    if item_key is None:
        return 404, _UNKNOWN_CONTENT
    rule = {"learner_key": learner_key, "kind": kind, "item_key": item_key, "label": label}
    if command.active:
        at = _moment(epoch_ms(command.issued_at))
        weight = command.override.weight if isinstance(command.override, PreferTopic) else 0.0
        connection.execute(SET, {**rule, "weight": weight, "at": at, "applied_seq": applied_seq})
    else:
        connection.execute(TAKE_BACK, rule)
    connection.execute(TOUCH, {"learner_key": learner_key, "applied_seq": applied_seq})
    return 200, None


def give_feedback(connection: Connection, learner_key: int, command: FeedbackGiven, applied_seq: int) -> Verdict:
    """Notes what a learner did with a recommendation; `hidden` also sets the rule that hides the content."""
    item_key = _item_key(connection, command.content_id)
    if item_key is None:
        return 404, _UNKNOWN_CONTENT
    at = _moment(epoch_ms(command.issued_at))
    own = {"learner_key": learner_key, "item_key": item_key, "at": at, "applied_seq": applied_seq}
    said = {"action": command.action.value, "recommendation_id": command.recommendation_id or ""}
    connection.execute(GIVE, {**own, **said})
    if command.action is FeedbackAction.HIDDEN:
        connection.execute(SET, {**own, "kind": "hide", "label": "", "weight": 0.0})
    connection.execute(TOUCH, {"learner_key": learner_key, "applied_seq": applied_seq})
    return 200, None


def _item_key(connection: Connection, content_id: str) -> int | None:
    row = connection.execute(FIND_ITEM, {"content_id": content_id}).fetchone()
    return int(row[0]) if row else None


def _parts(override: Override) -> tuple[str, str, str]:
    """(kind, content id, label) of a rule."""
    match override:
        case Hide(content_id=content_id):
            return "hide", content_id, ""
        case Pin(content_id=content_id):
            return "pin", content_id, ""
        case NeverShowTopic(topic=topic):
            return "neverShowTopic", "", topic
        case PreferTopic(topic=topic):
            return "preferTopic", "", topic.lower()
        case NeverShowContentType(content_type=content_type):
            return "neverShowContentType", "", content_type
        case OptOut():
            return "optOut", "", ""


def _moment(at_ms: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC)
