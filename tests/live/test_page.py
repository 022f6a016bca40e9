"""The live page as a person meets it: every part is there, an act shows at once, nobody is shut out, nothing leaves."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from personalize.demo import sample_class
from personalize.live_run import LiveRun
from projections import experiments
from projections.stores.postgres import connect
from schemas.experiments import decode

if TYPE_CHECKING:
    from conftest import Watched

pytestmark = pytest.mark.browser
AXE = (Path(__file__).parent / "vendored" / "axe.min.js").read_text(encoding="utf-8")
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DARK = {"color_scheme": "dark"}
ROUND_TRIP_MS = 2_000


def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Waits for what comes by itself; the page's policy forbids the browser to evaluate conditions for us."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.05)


def violations(watched: Watched) -> list[str]:
    """What axe-core finds wrong, as readable lines."""
    # Through the debugger, which the page's own policy does not bind.
    watched.page.evaluate(AXE)
    found = watched.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {one['help']}: {node['target']} {node.get('failureSummary', '')}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


def test_every_part_is_there(watched: Watched) -> None:
    page = watched.open()
    headings = {text.strip() for text in page.locator("h2").all_inner_texts()}
    assert {"Pipeline", "ada", "Publish an event", "Up next", "Drawn to", "Skills", "Achievements"} <= headings
    assert {"Just now", "Trending", "Experiments"} <= headings
    assert any(heading.endswith("from the start") for heading in headings)  # the learning path
    page.wait_for_selector("#connection:has-text('live')")
    assert float(page.inner_html("#gauge-score")) > 0
    assert page.locator(".legend li").count() >= 3
    assert page.locator(".list li .reason").first.inner_text()
    assert page.locator(".node").count() == 5
    assert page.locator(".node.completed").count() >= 1
    assert page.locator(".bars .fill").count() >= 3
    assert page.locator(".medals li").count() >= 1
    page.wait_for_selector("#trending li")
    page.wait_for_selector("#ticker li .verb")
    page.wait_for_selector("#rate canvas")
    assert page.locator(".tiles dd").count() == 6
    assert page.locator(".tiles .bad").count() == 0


def test_skills_are_drawn_as_a_radar(watched: Watched, engine: LiveRun) -> None:
    """The spokes are the learner's skills as the API tells them, and the picture is told in words."""
    page = watched.open()
    skills = {one["name"]: one["mastery"] for one in engine.ask("GET", "/api/profile/ada").body["skills"]}
    assert len(skills) >= 3
    spokes = page.locator(".radar text").all_text_contents()
    assert len(spokes) == min(8, len(skills))
    said = page.get_attribute(".radar", "aria-label") or ""
    told = {part.rsplit(" ", 2)[0] for part in said.split(", ")}
    assert told <= set(skills)
    for spoke, name in zip(spokes, skills, strict=False):  # two lines of a label follow each other
        assert name.replace(" ", "").startswith(spoke.rstrip("…").replace(" ", ""))
    shape = page.get_attribute(".radar .shape", "points") or ""
    assert len(shape.split()) == len(spokes)


def test_experiments_say_what_is_known(watched: Watched, engine: LiveRun) -> None:
    """The running experiment with its variations and interval; one whose variation loses learners raises the alarm."""
    page = watched.open()
    part = page.locator('[data-experiment="less-trending"]')
    until(lambda: part.locator(".interval .fill").count() == 1, 60.0)
    assert "%" in part.locator(".effect").inner_text()
    assert part.locator("tbody th").all_inner_texts() == ["control", "no-trends"]
    plant_mismatch(engine)
    alarm = page.locator('[data-experiment="planted-loss"] .alarm')
    until(lambda: alarm.count() == 1, 60.0)
    assert page.locator('[data-experiment="planted-loss"] .interval').count() == 0
    assert violations(watched) == []


def plant_mismatch(engine: LiveRun) -> None:
    """An experiment of which only the control's learners are ever seen."""
    planted = {**sample_class.experiment(), "key": "planted-loss", "hypothesis": "A variation loses its learners."}
    with connect(engine.servers.database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO experiment_exposure"
            " SELECT 'planted-loss', learner_key, 'control', now(), false, 0 FROM learners"
        )
        experiments.put(connection, decode(json.dumps(planted)))


def test_an_act_is_published_folded_and_shown_within_two_seconds(watched: Watched) -> None:
    page = watched.open()
    before = int(page.inner_text("#event-count").replace(",", ""))
    page.select_option("#content", index=0)
    page.click("#act-complete")
    page.wait_for_selector("#outcome:has-text('complete: folded')", timeout=10_000)
    assert int(page.inner_text("#event-count").replace(",", "")) == before + 1
    took = float(page.get_attribute("#outcome", "data-milliseconds") or "inf")
    assert took <= ROUND_TRIP_MS


def test_what_others_do_comes_by_itself(watched: Watched, engine: LiveRun) -> None:
    """An event that somebody else publishes moves the learner's panel and the ticker without a click."""
    page = watched.open("learner-05")
    page.wait_for_selector("#connection:has-text('live')")
    before = int(page.inner_text("#event-count").replace(",", ""))
    event = {
        "userId": "learner-05",
        "interactionType": "LIKE",
        "contentType": "video",
        "contentId": "physics-2-video",
    }
    assert engine.ask("POST", "/api/interactions", event).status == 202
    until(lambda: int(page.inner_text("#event-count").replace(",", "")) > before)
    page.wait_for_selector("#ticker:has-text('learner-05')", timeout=10_000)


@pytest.mark.parametrize("watched", [{}, DARK, PHONE, {**PHONE, **DARK}], indirect=True, ids=str)
def test_nobody_is_shut_out(watched: Watched) -> None:
    """axe-core finds nothing, light and dark, on a desk and on a phone; and nothing is wider than the screen."""
    page = watched.open()
    page.wait_for_selector("#ticker li .verb")
    page.wait_for_selector("#trending li")
    page.wait_for_timeout(300)  # colours fade in
    assert violations(watched) == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_the_keyboard_reaches_everything(watched: Watched) -> None:
    """Tab goes to the skip link first and reaches the buttons, and Enter publishes."""
    page = watched.open()
    page.focus(".skip")
    reached = []
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
        if reached[-1] == "act-like":
            break
    assert {"user", "show", "content", "act-view", "act-complete", "act-like"} <= set(reached)
    page.keyboard.press("Enter")
    page.wait_for_selector("#outcome:has-text('like: folded')", timeout=10_000)
    assert page.evaluate("document.activeElement.id") == "act-like"  # the panel was replaced under it


def test_colours_can_be_chosen_and_are_kept(watched: Watched) -> None:
    page = watched.open()
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#theme")  # light
    page.click("#theme")  # dark
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_what_a_learner_is_called_is_no_html(watched: Watched, engine: LiveRun) -> None:
    name = "<img src=x onerror=alert(1)>"
    event = {"userId": name, "interactionType": "VIEW", "contentType": "video", "contentId": "algebra-1-video"}
    assert engine.ask("POST", "/api/interactions", event, headers={"Prefer": "wait=5"}).status == 202
    page = watched.open(name.replace('"', ""))
    assert page.inner_text("#who") == name
    assert page.locator("#who img").count() == 0


def test_the_policy_forbids_what_the_page_does_not_need(engine: LiveRun) -> None:
    answer = engine.ask("GET", "/")
    policy = {name.lower(): value for name, value in answer.headers.items()}["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in json.dumps(policy)
