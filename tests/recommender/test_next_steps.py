"""Next steps: the open module of a path and what is due for review stand in lists, with their term and their reason."""

from __future__ import annotations

from typing import Any

import numpy as np
from recommender_kit import Bench

from models.recommendation.sources import CONTEXT
from projections.recommender.next_steps import PATH_WEIGHTS, Step, added
from projections.recommender.reasons import PATH, PATH_CODE, REVIEW

from test_engine import fill  # isort: skip
from test_overrides import served  # isort: skip

LEARNER = "u-1"
LONG_AGO_MS = 1_700_000_000_000


def make_path(bench: Bench) -> None:
    """Publishes a path of three articles, each after the one before."""
    modules = [
        {"id": f"a-{n}", "title": f"Article {n}", "type": "article", "duration": 600, "prerequisites": before}
        for n, before in ((37, []), (38, ["a-37"]), (39, ["a-38"]))
    ]
    said = {"title": "To the end", "topic": "chess", "level": "BEGINNER", "modules": modules, "pathId": "p-1"}
    envelope = {"command": "PathCreated", "commandId": "c-1", "userId": LEARNER, "issuedAt": "2026-01-01T00:00:00Z"}
    bench.log.put("learner-commands", {**envelope, **said})


def by_content(bench: Bench, kind: str = "hybrid") -> dict[str, Any]:
    """What the learner is served, by content."""
    return {one.content_id: one for one in served(bench, LEARNER, kind)}


def test_a_path_leads_from_module_to_module(bench: Bench) -> None:
    """Only the open module is a next step; completing it makes the next one a step; sequential lists begin with it."""
    fill(bench)
    make_path(bench)
    bench.work()
    engine = bench.engine()
    bench.feed(engine)
    shown = by_content(bench)
    assert shown["a-37"].reason == PATH
    assert shown["a-37"].terms["context"] >= PATH_WEIGHTS[0] - 1.0
    assert sum(one.reason == PATH for one in shown.values()) == 1
    assert served(bench, LEARNER, "sequential")[0].content_id == "a-37"
    bench.log.view(LEARNER, "a-37", 1_000, interactionType="COMPLETE")
    bench.work()
    bench.feed(engine)
    shown = by_content(bench)
    assert "a-37" not in shown
    assert shown["a-38"].reason == PATH


def test_what_fades_from_memory_is_offered_until_it_is_completed(bench: Bench) -> None:
    """An attempt of long ago is due for review; hidden content is not offered even so."""
    fill(bench)
    for item in ("a-35", "a-36"):
        bench.log.view(LEARNER, item, 1_000, interactionType="ATTEMPT", success=False, occurredAt=LONG_AGO_MS)
    hide = {"command": "OverrideSet", "commandId": "o-1", "userId": LEARNER, "issuedAt": "2026-01-01T00:00:00Z"}
    bench.log.put("learner-commands", {**hide, "override": {"kind": "hide", "contentId": "a-36"}, "active": True})
    bench.work()
    engine = bench.engine()
    bench.feed(engine)
    shown = by_content(bench)
    assert shown["a-35"].reason == REVIEW
    assert "a-36" not in shown
    assert "a-35" in by_content(bench, "sequential")


def test_steps_stand_where_their_scores_put_them_and_the_rest_keeps_its_order() -> None:
    """A step that was a candidate keeps its terms and moves up; a new one is inserted; terms sum to the score."""
    item = np.array([4, 7, 2, 9], np.int32)
    terms = np.zeros((4, 4), np.float32)
    terms[:, 0] = [5.0, 3.0, 3.2, -1.0]
    steps = {9: Step(90, PATH_WEIGHTS[0], PATH_CODE), 8: Step(80, PATH_WEIGHTS[0] + 1, PATH_CODE)}
    moved, scored, source = added((item, terms, np.zeros(4, np.int16)), steps)
    assert moved.tolist() == [4, 8, 7, 2, 9]
    assert scored.sum(axis=1).tolist() == [5.0, 4.0, 3.0, np.float32(3.2), 2.0]
    assert scored[4].tolist() == [-1.0, 0.0, 0.0, PATH_WEIGHTS[0]]
    assert CONTEXT == 3
    assert (source[moved == 9], source[moved == 4]) == (PATH_CODE, 0)
