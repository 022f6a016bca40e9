"""The live page without a browser: its policy, its files, and fragments that hold what the reads say, escaped."""

from __future__ import annotations

import re

import httpx
from api_kit import Fold, interaction

from api.page import drawing
from api.page.routes import FILES


def test_the_page_loads_only_what_stands_beside_it(api: httpx.Client) -> None:
    page = api.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    loaded = re.findall(r'(?:src|href)="(/page/static/[^"]+)"', page.text)
    assert len(loaded) >= 8
    for path in [*loaded, "/page/static/page.css"]:
        found = api.get(path)
        assert found.status_code == 200
        assert found.headers["cache-control"] == "public, max-age=300"
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page.text)
    assert not re.search(r"<script>|<style|\sstyle=|\son\w+=", page.text)  # the policy would refuse them


def test_only_the_named_files_are_served(api: httpx.Client) -> None:
    for name in ("routes.py", "..%2Froutes.py", "%2e%2e%2fpage.css"):
        assert api.get(f"/page/static/{name}").status_code == 404
    assert all(path.is_file() for path, _ in FILES.values())


def test_fragments_show_a_learner_and_what_just_happened(api: httpx.Client, fold: Fold) -> None:
    content = {"contentId": "page-1", "contentType": "quiz", "title": "<b>Bold</b> & more", "topics": ["html"]}
    assert api.post("/api/content", json=content).status_code == 202
    events = [interaction("page-<i>", contentId="page-1", interactionType="LIKE") for _ in range(3)]
    written = api.post("/api/interactions", json=events)
    assert written.status_code == 202
    fold()
    learner = api.get("/page/learner", params={"userId": "page-<i>", "token": written.json()["token"]})
    assert learner.status_code == 200
    assert learner.headers["cache-control"] == "no-store"
    assert "page-&lt;i&gt;" in learner.text
    assert "<i>" not in learner.text
    assert '<dd id="event-count">3</dd>' in learner.text
    assert "html</span>" in learner.text  # the preference
    trending = api.get("/page/trending").text
    assert "&lt;b&gt;Bold&lt;/b&gt; &amp; more" in trending
    pipeline = api.get("/page/pipeline").text
    assert pipeline.count("<dd>") == 6
    assert "Kafka is away" not in pipeline
    assert api.get("/page/ticker").status_code == 200


def test_a_learner_of_whom_nothing_is_known(api: httpx.Client) -> None:
    page = api.get("/page/learner", params={"userId": "page-nobody"})
    assert page.status_code == 200
    assert "Nobody has heard of this learner yet" in page.text


def test_a_radar_needs_three_spokes_and_stays_in_its_square() -> None:
    assert drawing.radar([("a", 0.5), ("b", 0.5)]) is None
    made = drawing.radar([(str(number), number / 5) for number in range(7)])
    assert made is not None
    numbers = [float(one) for one in re.findall(r"-?[\d.]+", made.shape + " " + " ".join(made.rings))]
    assert 0 <= min(numbers) <= max(numbers) <= 200


def test_a_path_is_drawn_from_left_to_right_without_overlaps() -> None:
    before = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c", "unknown"], "e": []}
    made = drawing.graph(before)
    for node, befores in before.items():
        for one in befores:
            if one in before:
                assert made.places[one][0] < made.places[node][0]
    assert len(set(made.places.values())) == len(before)
    assert len(made.curves) == 4
    assert all(
        x + drawing.NODE_WIDTH <= made.width and y + drawing.NODE_HEIGHT <= made.height for x, y in made.places.values()
    )
