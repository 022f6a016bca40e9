"""Learning paths: created and moved by commands and by interactions, milestones announced once, safe to repeat."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from recorder_kit import event, poll, users_of

from projections.poll import TopicPartition
from projections.rebuild import rebuild
from projections.recorder import Recorder
from schemas.notifications import stable_id

PART = 3
USER, OTHER = users_of(PART, 2)
BOUNDS = {TopicPartition(topic, PART): (0, 10_000) for topic in ("interactions", "learner-commands")}
AT_MS = 1_780_000_000_000


class Feed:
    """Hands commands and interactions to a recorder, each as a poll of its own."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._next = {"interactions": 0, "learner-commands": 0}
        self._ids = itertools.count()

    def commands(self, *values: dict[str, Any]) -> None:
        """One poll of commands."""
        self._poll("learner-commands", values)

    def interactions(self, *values: dict[str, Any]) -> None:
        """One poll of interactions."""
        self._poll("interactions", values)

    def command(self, kind: str, user: str = USER, **fields: Any) -> dict[str, Any]:
        """A command with an id of its own."""
        return {"command": kind, "userId": user, "commandId": f"c{next(self._ids)}", "issuedAt": AT_MS, **fields}

    def path(self, *modules: tuple[str, list[str]], path_id: str = "p-1", **fields: Any) -> dict[str, Any]:
        """The creation of a path of these modules (id, prerequisites)."""
        described = [
            {"id": name, "title": name.upper(), "type": "video", "duration": 600, "prerequisites": before}
            for name, before in modules
        ]
        said = {"title": "Algebra", "topic": "algebra", "level": "BEGINNER", "modules": described, **fields}
        return self.command("PathCreated", pathId=path_id, **said)

    def progressed(self, module: str, rate: float = 1.0, **fields: Any) -> dict[str, Any]:
        """A report of progress."""
        return self.command("PathProgressed", **{"pathId": "p-1", "moduleId": module, "completionRate": rate, **fields})

    def _poll(self, topic: str, values: tuple[dict[str, Any], ...]) -> None:
        self._recorder.record([poll(topic, PART, self._next[topic], values)])
        self._next[topic] += len(values)


@pytest.fixture
def feed(database_url: str) -> Iterator[Feed]:
    """A recorder that owns one partition of both topics on a fresh database."""
    recorder = Recorder(database_url, "worker")
    recorder.claim(BOUNDS)
    yield Feed(recorder)
    recorder.reset()


def ask(url: str, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Rows of a query."""
    with psycopg.connect(url) as connection:
        return connection.execute(query, parameters).fetchall()


def verdicts(url: str) -> list[tuple[int, Any]]:
    """(status, problem) of every command, in order of their ids."""
    return ask(url, "SELECT status, problem FROM command_result ORDER BY substr(command_id, 2)::int")


def announced(url: str) -> list[tuple[str, int | None, str | None]]:
    """(id, percent, module) of every milestone in the outbox, in order."""
    values = ask(url, "SELECT record_value FROM outbox WHERE topic = 'milestones' ORDER BY outbox_id")
    bodies = [json.loads(value) for (value,) in values]
    return [(body["id"], body["data"]["percent"], body["data"]["moduleId"]) for body in bodies]


def test_a_path_is_created_once(feed: Feed, database_url: str) -> None:
    """Creating earns 201 and keeps the author's order and the sum of durations; the same pathId again earns 409."""
    feed.commands(feed.path(("a", []), ("b", ["a"])))
    feed.commands(feed.path(("x", [])))
    assert [status for status, _ in verdicts(database_url)] == [201, 409]
    assert ask(database_url, "SELECT title, estimated_seconds FROM learning_path") == [("Algebra", 1200.0)]
    modules = ask(database_url, "SELECT module_id, prerequisites FROM path_module ORDER BY ordinal")
    assert modules == [("a", []), ("b", ["a"])]


def test_a_cycle_is_refused_and_printed(feed: Feed, database_url: str) -> None:
    """Modules that require each other earn 422 with the circle in the problem, and nothing is kept."""
    feed.commands(feed.path(("a", ["c"]), ("b", ["a"]), ("c", ["b"])))
    [(status, problem)] = verdicts(database_url)
    assert status == 422
    assert problem["type"] == "/problems/prerequisite-cycle"
    assert "a → b → c → a" in problem["detail"]
    assert ask(database_url, "SELECT count(*) FROM learning_path") == [(0,)]


@pytest.mark.parametrize("modules", [[("a", []), ("a", [])], [("a", ["nowhere"])], [("a", ["a"])]])
def test_impossible_modules_are_refused(feed: Feed, database_url: str, modules: list[Any]) -> None:
    """An id twice, an unknown prerequisite and a module that requires itself earn 422 naming the module."""
    feed.commands(feed.path(*modules))
    [(status, problem)] = verdicts(database_url)
    assert (status, problem["errors"][0]["pointer"]) == (422, "/modules")


def test_progress_of_what_is_not_there(feed: Feed, database_url: str) -> None:
    """Another learner's path is 404, as is an unknown one, and a module that the path lacks."""
    feed.commands(feed.path(("a", [])))
    feed.commands(feed.progressed("a", userId=OTHER), feed.progressed("a", pathId="p-9"), feed.progressed("z"))
    assert [status for status, _ in verdicts(database_url)] == [201, 404, 404, 404]
    assert ask(database_url, "SELECT completion FROM path_module") == [(0.0,)]


def test_progress_never_falls(feed: Feed, database_url: str) -> None:
    """Later lower reports change neither completion, best score nor the first completion; stated times add up."""
    feed.commands(feed.path(("a", [])))
    feed.commands(feed.progressed("a", 1.0, score=0.8, timeSpent=60, issuedAt=AT_MS + 5000))
    feed.commands(feed.progressed("a", 0.4, score=0.3, timeSpent=30, issuedAt=AT_MS + 9000))
    feed.commands(feed.progressed("a", 1.0, issuedAt=AT_MS + 7000))
    kept = ask(
        database_url,
        "SELECT completion, best_score, time_spent_seconds, (extract(epoch FROM completed_at) * 1000)::bigint"
        " FROM path_module",
    )
    assert kept == [(1.0, 0.8, 90.0, AT_MS + 5000)]


def test_milestones_are_announced_once(feed: Feed, database_url: str) -> None:
    """Each module and each quarter is announced when it is reached, and never again, whatever is repeated."""
    feed.commands(feed.path(*[(name, []) for name in "abcd"]))
    for name in "abcd":
        feed.commands(feed.progressed(name), feed.progressed(name))
    feed.interactions(event(USER, "e1", interactionType="COMPLETE", contentId="a"))
    found = announced(database_url)
    assert [percent or module for _, percent, module in found] == ["a", 25, "b", 50, "c", 75, "d", 100]
    assert len({identity for identity, _, _ in found}) == 8


def test_interactions_move_the_path(feed: Feed, database_url: str) -> None:
    """Completing a module's content completes the module, before or after the path was made; other content does not."""
    feed.interactions(event(USER, "e1", interactionType="COMPLETE", contentId="a"))
    feed.commands(feed.path(("a", []), ("b", [])))
    assert [percent or module for _, percent, module in announced(database_url)] == ["a", 25, 50]
    feed.interactions(
        event(USER, "e2", interactionType="PROGRESS", contentId="b", completionRate=0.9),
        event(USER, "e3", interactionType="COMPLETE", contentId="elsewhere"),
        event(OTHER, "e4", interactionType="COMPLETE", contentId="b"),
    )
    assert len(announced(database_url)) == 3
    feed.interactions(event(USER, "e5", interactionType="PROGRESS", contentId="b", completionRate=1.0))
    assert [percent or module for _, percent, module in announced(database_url)][3:] == ["b", 75, 100]


@pytest.mark.parametrize("seed", range(6))
def test_order_and_repeats_do_not_matter(feed: Feed, database_url: str, seed: int) -> None:
    """Any order and repetition of reports and completions reaches the same milestones with the same ids."""
    names = list("abcdefg")
    feed.commands(feed.path(*[(name, []) for name in names]))
    steps = [name for name in names for _ in range(2)]
    random.Random(seed).shuffle(steps)
    for place, name in enumerate(steps):
        if (place + seed) % 2:
            feed.commands(feed.progressed(name))
        else:
            feed.interactions(event(USER, f"e{place}", interactionType="COMPLETE", contentId=name))
    found = announced(database_url)
    assert sorted(str(percent or module) for _, percent, module in found) == sorted([*names, "25", "50", "75", "100"])
    ids = {(percent, module): identity for identity, percent, module in found}
    assert ids[(25, None)] == stable_id("milestone", USER, "PATH_PROGRESS", "p-1", None, 25, None, None)


def test_a_rebuild_keeps_paths_and_announces_nothing(feed: Feed, database_url: str) -> None:
    """Rebuilding the progress of items finds no difference, leaves paths alone and adds no announcement."""
    feed.commands(feed.path(("a", []), ("b", [])))
    feed.interactions(
        event(USER, "e1", interactionType="COMPLETE", contentId="a", timeSpent=40, score=0.5),
        event(USER, "e2", interactionType="PROGRESS", contentId="a", completionRate=0.3, timeSpent=2),
    )
    feed.commands(feed.progressed("b", 0.5))
    before = (announced(database_url), ask(database_url, "SELECT * FROM path_module ORDER BY ordinal"))
    report = rebuild(database_url, "item_progress")
    assert (report.replayed, report.differences) == (2, 0)
    assert (announced(database_url), ask(database_url, "SELECT * FROM path_module ORDER BY ordinal")) == before
    assert ask(database_url, "SELECT completion, time_spent_seconds, best_score FROM item_progress") == [
        (1.0, 42.0, 0.5)
    ]


def test_an_erased_learner_has_no_path(feed: Feed, database_url: str) -> None:
    """An erasure removes the learner's paths, modules and milestones, and nobody else's."""
    feed.commands(feed.path(("a", [])), feed.progressed("a"), feed.path(("a", []), path_id="p-2", userId=OTHER))
    feed.commands(feed.command("EraseRequested"))
    assert ask(database_url, "SELECT path_id FROM learning_path") == [("p-2",)]
    assert ask(database_url, "SELECT path_id FROM path_module") == [("p-2",)]
    assert ask(database_url, "SELECT count(*) FROM path_milestone") == [(0,)]


def test_a_log_of_views_asks_nothing(feed: Feed, database_url: str) -> None:
    """Interactions without completion and score leave no row of progress."""
    feed.interactions(event(USER, "e1"), event(USER, "e2", interactionType="CLICK", completionRate=0))
    assert ask(database_url, "SELECT count(*) FROM item_progress") == [(0,)]
