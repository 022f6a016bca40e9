"""What comes next by a learner's own plan?  Open modules of their paths, and content that is due for review.

Open is a module that is not completed and whose prerequisites are.  Due for review is content whose memory has faded
(`learner_item.due_at`) and that is not completed, since no list shows completed content; all reviews that are due stand
in ``GET /api/profile/:userId/skills``.  Both add to the context term, so that terms still sum to the score.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import LiteralString, NamedTuple

import numpy as np

from models.columns import Float32, Int16, Int32, Int64
from models.recommendation.sources import CONTEXT, FAMILIES
from projections.recommender.reasons import PATH_CODE, REVIEW_CODE
from projections.stores.postgres import Connection

MODULES_A_PATH = 3
REVIEWS = 5
MOST_STEPS = 12
PATH_WEIGHTS = (3.0, 2.0, 1.5)
"""What the first, second and third open module of a path adds to a score; scores lie between about -5 and 10."""
REVIEW_WEIGHT = 1.5

SELECT_MODULES: LiteralString = """
SELECT learner_key, item_key, place
FROM (
    SELECT m.learner_key, c.item_key, row_number() OVER (PARTITION BY m.path_id ORDER BY m.ordinal) AS place
    FROM path_module m
    JOIN content c ON c.content_id = m.module_id
    LEFT JOIN item_progress i ON i.learner_key = m.learner_key AND i.item_key = c.item_key
    WHERE m.learner_key = ANY (%(learners)s::bigint[]) AND m.completed_at IS NULL AND i.completed_at IS NULL
      AND NOT c.withdrawn
      AND NOT EXISTS (
          SELECT FROM path_module b
          LEFT JOIN content bc ON bc.content_id = b.module_id
          LEFT JOIN item_progress bi ON bi.learner_key = b.learner_key AND bi.item_key = bc.item_key
          WHERE b.path_id = m.path_id AND b.module_id = ANY (m.prerequisites)
            AND b.completed_at IS NULL AND bi.completed_at IS NULL)
) AS open WHERE place <= %(most)s ORDER BY learner_key, place, item_key
"""
SELECT_REVIEWS: LiteralString = """
SELECT learner_key, item_key
FROM (
    SELECT r.learner_key, r.item_key, row_number() OVER (PARTITION BY r.learner_key ORDER BY r.due_at) AS place
    FROM learner_item r
    LEFT JOIN item_progress i ON i.learner_key = r.learner_key AND i.item_key = r.item_key
    WHERE r.learner_key = ANY (%(learners)s::bigint[]) AND r.due_at <= now() AND i.completed_at IS NULL
) AS due WHERE place <= %(most)s ORDER BY learner_key, place
"""

Part = tuple[Int32, Float32, Int16]


class Step(NamedTuple):
    """One thing that comes next."""

    item_key: int
    weight: float
    """Added to the context term."""
    code: int
    """Of its reason."""


def ask(connection: Connection, learners: Int64) -> Callable[[], dict[int, list[Step]]]:
    """Asks for the next steps of learners, inside the caller's snapshot; what it returns reads them, by learner."""
    modules = connection.execute(SELECT_MODULES, {"learners": learners, "most": MODULES_A_PATH})
    reviews = connection.execute(SELECT_REVIEWS, {"learners": learners, "most": REVIEWS})

    def answers() -> dict[int, list[Step]]:
        found: dict[int, dict[int, Step]] = {}
        for learner, item, place in modules.fetchall():
            found.setdefault(learner, {}).setdefault(item, Step(item, PATH_WEIGHTS[place - 1], PATH_CODE))
        for learner, item in reviews.fetchall():
            found.setdefault(learner, {}).setdefault(item, Step(item, REVIEW_WEIGHT, REVIEW_CODE))
        return {learner: list(steps.values())[:MOST_STEPS] for learner, steps in found.items()}

    return answers


def added(part: Part, steps: Mapping[int, Step]) -> Part:
    """The list with steps (by item slot) at the places that their scores earn; the others keep their order."""
    if not steps:
        return part
    item, terms, source = part
    rows = []
    for slot, step in steps.items():
        own = np.zeros(len(FAMILIES), np.float32)
        at = np.flatnonzero(item == slot)
        if len(at):
            own = terms[at[0]].copy()
        own[CONTEXT] += step.weight
        rows.append((slot, own, step.code))
    rows.sort(key=lambda row: -float(row[1].sum()))
    rest = ~np.isin(item, list(steps))
    score = terms[rest].sum(axis=1)
    # Neighbours may stand a little against their scores: a step comes before the first that it beats.
    places = [int(np.argmax(below)) if (below := score < row[1].sum()).any() else len(score) for row in rows]
    return (
        np.insert(item[rest], places, [row[0] for row in rows]).astype(np.int32),
        np.insert(terms[rest], places, np.array([row[1] for row in rows]), axis=0).astype(np.float32),
        np.insert(source[rest], places, [row[2] for row in rows]).astype(np.int16),
    )
