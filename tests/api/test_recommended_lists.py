"""Lists over HTTP: cold starts, every kind, the sum of the terms, and every member of a context."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from api_kit import PARTITIONS, Fold, interaction

from api.dependencies import ApiSettings
from projections.poll import TopicPartition
from projections.recommender.engine import Engine, EngineSettings
from projections.recommender.pieces import piece_of
from projections.stores.redis import Mirror
from streams.intake import decode_slice

KINDS = ("hybrid", "content_based", "collaborative", "sequential", "trending")
FOLDED = ("interactions", "learner-commands")


class Recommender:
    """A recommender over what the worker has folded."""

    def __init__(self, settings: ApiSettings, fold: Fold) -> None:
        assert settings.redis is not None
        self._fold = fold
        self._engine = Engine(
            EngineSettings(
                database_url=settings.database_url,
                owner="r",
                learn_budget_seconds=float("inf"),
                exploration_share=0.0,
            ),
            Mirror(settings.redis),
        )
        bounds = {TopicPartition(topic, part): (0, 1 << 40) for topic in FOLDED for part in range(PARTITIONS)}
        self._at = self._engine.claim(bounds)

    def __call__(self) -> None:
        """Folds the topics up to their ends and writes the lists."""
        self._fold()
        records = self._fold.records()
        for partition, start in self._at.items():
            mine = [r for r in records if (r.topic, r.partition) == partition and r.offset >= start]
            if mine:
                piece = piece_of(decode_slice(partition.topic, partition.part, start, mine, PARTITIONS))
                assert not self._engine.receive([piece])
                self._at[partition] = piece.end
        while self._engine.tick().events or self._engine.lists.waits:
            pass

    def close(self) -> None:
        """Ends the connection."""
        self._engine.reset_connection()


@pytest.fixture(scope="module")
def recommend(settings: ApiSettings, fold: Fold) -> Iterator[Recommender]:
    """Folds and writes lists when it is told to."""
    made = Recommender(settings, fold)
    yield made
    made.close()


@pytest.fixture(scope="module")
def course(api: httpx.Client, recommend: Recommender) -> str:
    """A catalogue of 30 articles, quizzes and videos, and ten learners who walk through it; the name of one of them."""
    kinds = ("article", "quiz", "simulation")
    entries = [
        {
            "contentId": f"k-{n}",
            "contentType": kinds[n % 3],
            "title": f"Part {n} about {'chess' if n % 2 else 'algebra'}",
            "topics": ["chess" if n % 2 else "algebra"],
            "position": n,
        }
        for n in range(30)
    ]
    assert api.post("/api/content", json=entries).status_code == 202
    at = 1_700_000_000_000
    events = [
        interaction(f"walker-{w}", contentId=f"k-{w + step}", occurredAt=at + (10 * step + w) * 60_000)
        for step in range(8)
        for w in range(10)
    ]
    assert api.post("/api/interactions", json=events).status_code == 202
    recommend()
    return "walker-3"


def ask(api: httpx.Client, name: str, **parameters: str) -> list[dict[str, Any]]:
    """A list, after the checks that hold for each."""
    answer = api.get(f"/api/recommendations/{name}", params={"limit": "30", **parameters})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    assert found
    for place, one in enumerate(found, start=1):
        assert one["rank"] == place
        assert one["reason"].endswith(".")
        assert 0 <= one["confidenceScore"] <= 1
        total = sum(one["terms"].values())
        if {"relevance", "collaborative"} <= one["terms"].keys():
            assert one["relevanceScore"] == pytest.approx(1 / (1 + math.exp(-total / 4)), abs=1e-4)
        else:
            assert one["relevanceScore"] == pytest.approx(min(1.0, max(0.0, total)), abs=1e-3)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_explained_and_its_terms_sum(api: httpx.Client, course: str, kind: str) -> None:
    """Each kind has a list for a learner with a history, whose terms sum to the score behind its relevance."""
    shown = ask(api, course, type=kind)
    assert {one["type"] for one in shown} == {kind}
    if kind == "hybrid":
        had = {f"k-{3 + step}" for step in range(8)}
        assert not had & {one["contentId"] for one in shown}


def test_cold_learners_get_sensible_lists(api: httpx.Client, course: str, recommend: Recommender) -> None:
    """A declared profile alone decides; an empty learner and an unknown one get what is popular; never 404 or empty."""
    declared, empty = f"declared-{uuid.uuid4().hex}", f"empty-{uuid.uuid4().hex}"
    for name, interests in ((declared, ["chess"]), (empty, [])):
        assert api.post("/api/profile", json={"userId": name, "interests": interests}).status_code in {201, 202}
    recommend()
    first = ask(api, declared)
    assert all(int(one["contentId"][2:]) % 2 for one in first[:5])
    assert "Fits the interests in your profile." in [one["reason"] for one in first[:5]]
    for name in (declared, empty, f"unknown-{uuid.uuid4().hex}"):
        for kind in KINDS:
            ask(api, name, type=kind)
    assert "Popular" in ask(api, empty)[0]["reason"]


def test_a_new_item_is_shown_to_those_it_fits(api: httpx.Client, course: str, recommend: Recommender) -> None:
    """Content that nobody has used is in the lists of learners of its topic, without a restart."""
    entry = {"contentId": "k-new", "contentType": "article", "title": "Part 9 about chess", "topics": ["chess"]}
    assert api.post("/api/content", json=entry).status_code == 202
    recommend._fold()
    recommend._engine.content._at = -1e9
    recommend._engine.tick()
    recommend._engine.take_likeness(recommend._engine.likeness_job(recommend._engine.content.changed))
    api.post("/api/interactions", json=interaction(course, contentId="k-11"))
    recommend()
    assert "k-new" in [one["contentId"] for one in ask(api, course)]


def test_each_member_of_a_context_changes_the_order(api: httpx.Client, course: str) -> None:
    """Topic, kind, device and what is open now each bring what fits them forward; what is open is left out."""

    def mean_rank(items: list[dict[str, Any]], fits: Any) -> float:
        ranks = [one["rank"] for one in items if fits(one)]
        return sum(ranks) / len(ranks)

    def chess(one: dict[str, Any]) -> bool:
        return int(one["contentId"][2:] if one["contentId"] != "k-new" else 1) % 2 == 1

    plain = ask(api, course)
    for context, fits in (
        ("topic:chess", chess),
        ('{"topic": "algebra"}', lambda one: not chess(one)),
        ('{"contentType": "simulation"}', lambda one: one["contentType"] == "simulation"),
        ('{"device": "mobile"}', lambda one: one["contentType"] != "simulation"),
        ('{"contentId": "k-1"}', chess),
    ):
        moved = ask(api, course, context=context)
        assert mean_rank(moved, fits) < mean_rank(plain, fits)
        # What is open now is left out.
        assert {one["contentId"] for one in moved} | {"k-1"} == {one["contentId"] for one in plain} | {"k-1"}
    opened = plain[0]["contentId"]
    assert opened not in [one["contentId"] for one in ask(api, course, context=f'{{"contentId": "{opened}"}}')]


def test_a_path_brings_its_open_modules_forward(api: httpx.Client, course: str, recommend: Recommender) -> None:
    """With `pathId` in the context, what is open in the reader's own path comes first."""
    last = [one["contentId"] for one in ask(api, course)][-1]
    path = {
        "userId": course,
        "title": "A path",
        "topic": "chess",
        "level": "BEGINNER",
        "modules": [{"id": last, "title": "Last", "type": "article", "duration": 600}],
        "estimatedDuration": 600,
    }
    with recommend._fold.meanwhile():
        made = api.post("/api/learning-paths", json=path, headers={"prefer": "wait=10"})
    assert made.status_code == 201, made.text
    name = made.headers["location"].rsplit("/", 1)[1]
    before = [one["contentId"] for one in ask(api, course)].index(last)
    assert [one["contentId"] for one in ask(api, course, context=f"pathId:{name}")].index(last) < before
