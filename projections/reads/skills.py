"""What does a learner know, what is missing for their goals and paths, and what should be reviewed?"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from typing import Any, LiteralString, NamedTuple

import numpy as np

from models.learner import fsrs
from models.learner.constants import LEARNER_SKILL_VARIANCE
from models.learner.fsrs import Memories
from models.learner.gaps import knowledge_gaps
from models.learner.skill_mastery import SkillMastery, failures_of, mastery_of
from projections.item_skills import names_of
from projections.reads.freshness import Seen, freshness, learner_offsets, seen, to_ms
from projections.stores.postgres_pool import ReadPool, Rows
from schemas.read_models import Skill
from schemas.skills import DueReview, KnowledgeGap, SkillDay, SkillHistory, SkillReport

HISTORY_DAYS = 90
MOST_HISTORY_DAYS = 365
MOST_REVIEWS = 50
MOST_WORDS = 4
"""Words that the name of a skill in the text of a goal may have."""

KNOWN: LiteralString = "SELECT learner_key FROM learners WHERE user_id = %(user_id)s"
ABILITY: LiteralString = """
SELECT ability, variance, applied_seq FROM learner_ability
WHERE learner_key = (SELECT learner_key FROM learners WHERE user_id = %(user_id)s)
"""
SKILLS: LiteralString = """
SELECT s.name, s.difficulty, k.ability, k.variance, k.successes, k.failures, k.recent, k.last_at, k.mastered
FROM learner_skill k JOIN skill s USING (skill_key)
WHERE k.learner_key = (SELECT learner_key FROM learners WHERE user_id = %(user_id)s) ORDER BY s.name
"""
HISTORY: LiteralString = """
SELECT s.name, h.local_day, h.mastery, h.low, h.high, h.attempts
FROM skill_history h JOIN skill s USING (skill_key)
WHERE h.learner_key = (SELECT learner_key FROM learners WHERE user_id = %(user_id)s) AND h.local_day > %(after)s
ORDER BY s.name, h.local_day
"""
GOALS: LiteralString = """
SELECT learning_objectives || career_goals FROM learner_private
WHERE learner_key = (SELECT learner_key FROM learners WHERE user_id = %(user_id)s)
"""
PATHS: LiteralString = """
SELECT p.title, c.skills, c.topics, c.content_id
FROM learning_path p JOIN path_module m USING (path_id) JOIN content c ON c.content_id = m.module_id
WHERE p.learner_key = (SELECT learner_key FROM learners WHERE user_id = %(user_id)s)
"""
NAMED: LiteralString = "SELECT name, difficulty FROM skill WHERE lower(name) = ANY (%(names)s::text[])"
REVIEWS: LiteralString = """
SELECT c.content_id, c.title, c.skills, c.topics, i.stability_days, i.difficulty, i.last_at, i.due_at
FROM learner_item i JOIN content c USING (item_key)
WHERE i.learner_key = (SELECT learner_key FROM learners WHERE user_id = %(user_id)s) AND NOT c.withdrawn
ORDER BY i.due_at, c.item_key
"""


class SkillsAnswer(NamedTuple):
    """A learner's skills and what they reflect."""

    report: SkillReport
    seen: Seen


class Abilities(NamedTuple):
    """The general ability of a learner, at its prior before any attempt."""

    ability: float = 0.0
    variance: float = 1.0
    applied_seq: int = 0


def abilities_of(rows: Rows) -> Abilities:
    """The general ability in the answer to `ABILITY`."""
    return Abilities(*rows[0]) if rows else Abilities()


def mastery_in(row: tuple[Any, ...], whole: Abilities) -> SkillMastery:
    """The mastery in a row of `SKILLS`; its key has no meaning."""
    _, difficulty, ability, variance, successes, failures, recent, last_at, _ = row
    return mastery_of(
        skill=0,
        ability=whole.ability + ability - difficulty,
        variance=whole.variance + variance,
        outcomes=(successes, failures),
        last_at_ms=to_ms(last_at),
        recent_failures=failures_of(recent, successes + failures),
    )


def skill_in(row: tuple[Any, ...], whole: Abilities) -> Skill:
    """What is shown of a row of `SKILLS`."""
    found = mastery_in(row, whole)
    return Skill(
        name=row[0],
        mastery=found.mastery,
        low=found.low,
        high=found.high,
        uncertainty=found.uncertainty,
        attempts=found.attempts,
        successes=found.successes,
        mastered=row[8],
        last_attempt_at=row[7],
    )


async def read(
    pool: ReadPool, user_id: str, part: int, now_ms: int, history_days: int = HISTORY_DAYS
) -> SkillsAnswer | None:
    """The skills of a learner as of now; None for an unknown one.

    Args:
        pool: where to ask.
        user_id: the platform's id of the learner.
        part: the partition of the learner's records.
        now_ms: the time of reading [Unix ms].
        history_days: days of history back from now, in the learner's zone give or take one.
    """
    who = {"user_id": user_id}
    after = {**who, "after": now_ms // fsrs.DAY_MS - history_days}
    offsets, known, ability, rows, history, goals, paths, items = await pool.snapshot(
        [
            learner_offsets(part),
            (KNOWN, who),
            (ABILITY, who),
            (SKILLS, who),
            (HISTORY, after),
            (GOALS, who),
            (PATHS, who),
            (REVIEWS, who),
        ]
    )
    if not known:
        return None
    phrases = _phrases(goals[0][0] if goals else ())
    named = await pool.rows(NAMED, {"names": list(phrases)}) if phrases else []
    whole, what = abilities_of(ability), seen(offsets)
    reviews, next_review = _reviews(items, now_ms)
    days: dict[str, list[SkillDay]] = {}
    for name, day, mastery, low, high, attempts in history:
        date = dt.date(1970, 1, 1) + dt.timedelta(days=day)
        days.setdefault(name, []).append(SkillDay(day=date, mastery=mastery, low=low, high=high, attempts=attempts))
    report = SkillReport(
        user_id=user_id,
        skills=tuple(SkillHistory(skill=skill_in(row, whole), history=tuple(days.get(row[0], ()))) for row in rows),
        gaps=_gaps(rows, whole, _needed(phrases, named, paths), dict(named), reviews),
        reviews=reviews,
        next_review_at=next_review,
        freshness=freshness(what, whole.applied_seq, now_ms, stale=False),
    )
    return SkillsAnswer(report, what)


def _phrases(goals: Iterable[str]) -> dict[str, list[str]]:
    """Every run of a few words in the goals, in lower case, and the goals that it stands in."""
    found: dict[str, list[str]] = {}
    for goal in goals:
        words = re.findall(r"[\w+#.-]+", goal.lower())
        runs = {" ".join(words[i : i + n]) for n in range(1, MOST_WORDS + 1) for i in range(len(words) - n + 1)}
        for run in runs:
            found.setdefault(run, []).append(goal)
    return found


def _needed(phrases: dict[str, list[str]], named: Rows, paths: Rows) -> dict[str, list[str]]:
    """Which goals and paths need each skill."""
    needed: dict[str, list[str]] = {}
    for name, _ in named:
        needed.setdefault(name, []).extend(phrases[name.lower()])
    for title, skills, topics, content_id in paths:
        for name in names_of(skills, topics, content_id):
            needed.setdefault(name, []).append(title)
    return {name: list(dict.fromkeys(by)) for name, by in needed.items()}


def _gaps(
    rows: Rows, whole: Abilities, needed: dict[str, list[str]], difficulty: dict[str, float], due: tuple[DueReview, ...]
) -> tuple[KnowledgeGap, ...]:
    names = sorted(needed)
    key = {name: place for place, name in enumerate(names)}
    held = {key[row[0]]: mastery_in(row, whole) for row in rows if row[0] in key}
    for name in names:
        variance = whole.variance + LEARNER_SKILL_VARIANCE
        untried = mastery_of(skill=0, ability=whole.ability - difficulty.get(name, 0.0), variance=variance)
        held.setdefault(key[name], untried)
    weak = {key[name] for review in due for name in review.skills if name in key}
    found = knowledge_gaps({key[name]: len(by) for name, by in needed.items()}, held, weak)
    return tuple(
        KnowledgeGap(
            skill=names[gap.skill],
            reason=gap.reason,
            mastery=gap.mastery,
            needed_by=tuple(needed[names[gap.skill]]),
        )
        for gap in found
    )


def _reviews(rows: Rows, now_ms: int) -> tuple[tuple[DueReview, ...], dt.datetime | None]:
    """The reviews that are due, and when the next one falls due."""
    due = [row for row in rows if to_ms(row[7]) <= now_ms]
    later = rows[len(due)][7] if len(due) < len(rows) else None
    shown = due[:MOST_REVIEWS]
    stability, difficulty = np.array([row[4] for row in shown]), np.array([row[5] for row in shown])
    memories = Memories(stability, difficulty, np.array([to_ms(row[6]) for row in shown], np.int64))
    recall = fsrs.retrievability(memories, now_ms) if shown else np.empty(0)
    reviews = tuple(
        DueReview(
            content_id=row[0],
            title=row[1],
            due_at=row[7],
            recall=share,
            skills=tuple(names_of(row[2], row[3], row[0])),
        )
        for row, share in zip(shown, recall.tolist(), strict=True)
    )
    return reviews, later
