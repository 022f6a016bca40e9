"""Control: rules and feedback hold in stored lists at once, in new lists from then on, and are taken back."""

from __future__ import annotations

import math
from typing import Any

import pytest
from recommender_kit import Bench

from projections import list_answers
from projections.recommender.reranking import Candidate, Context, Described, parse, reordered

from test_engine import fill  # isort: skip


def served(bench: Bench, user: str, kind: str = "hybrid", wanted: Context | None = None) -> list[Any]:
    """What a reader gets from the stored list."""
    rows = bench.ask(list_answers.SELECT_LIST, {"user_id": user, "type": list_answers.stored_kind(kind)})
    return list_answers.of_stored(kind, rows, wanted)


def order(bench: Bench, number: int, user: str, **override: Any) -> None:
    """Publishes an override and lets the worker carry it out."""
    active = override.pop("active", True)
    command = {"command": "OverrideSet", "commandId": f"o-{number}", "userId": user, "override": override}
    bench.log.put("learner-commands", {**command, "active": active, "issuedAt": "2026-01-01T00:00:00Z"})
    bench.work()


@pytest.fixture
def running(bench: Bench) -> Any:
    """A recommender that has written everybody's list."""
    fill(bench)
    bench.work()
    engine = bench.engine()
    bench.feed(engine)
    return engine


def test_hidden_content_is_gone_at_once_and_stays_gone(bench: Bench, running: Any) -> None:
    """The list written before leaves it out, the next one does not hold it; the rule taken back, it is shown again."""
    first = served(bench, "u-1")[0].content_id
    order(bench, 1, "u-1", kind="hide", contentId=first)
    assert first not in [one.content_id for one in served(bench, "u-1")]
    assert first in bench.items("u-1")
    bench.feed(running)
    assert first not in bench.items("u-1")
    order(bench, 2, "u-1", kind="hide", contentId=first, active=False)
    bench.feed(running)
    assert first in bench.items("u-1")


def test_topics_kinds_and_opting_out(bench: Bench, running: Any) -> None:
    """A forbidden topic is shown nowhere; who opts out gets what anyone would get; a pinned item stands first."""
    order(bench, 1, "u-1", kind="neverShowTopic", topic="Algebra")
    assert all(int(one.content_id[2:]) % 2 == 0 for one in served(bench, "u-1"))
    order(bench, 2, "u-2", kind="optOut")
    assert served(bench, "u-2") == []
    pinned = bench.items("u-3")[-1]
    order(bench, 3, "u-3", kind="pin", contentId=pinned)
    bench.feed(running)
    assert all(int(item[2:]) % 2 == 0 for item in bench.items("u-1"))
    assert bench.items("u-3")[0] == pinned
    assert served(bench, "u-3")[0].reason == "You pinned it."
    stored = "SELECT sources FROM recommendations NATURAL JOIN learners WHERE user_id = %s AND type = 'hybrid'"
    ((sources,),) = bench.ask(stored, "u-2")
    assert max(sources) < 0


def test_feedback_teaches_and_hides(bench: Bench, running: Any) -> None:
    """Disliked content leaves the lists; liked content counts as taken; unknown content earns a 404."""
    shown = [one.content_id for one in served(bench, "u-1")]
    known = running.state.learners.find(bench.ask("SELECT learner_key FROM learners WHERE user_id = 'u-1'")[0][0])
    before = int(running.state.tables.histories.distinct[known])
    for number, (item, action) in enumerate([(shown[0], "disliked"), (shown[1], "liked"), ("no-such", "liked")]):
        given = {"command": "FeedbackGiven", "commandId": f"f-{number}", "userId": "u-1", "contentId": item}
        bench.log.put("learner-commands", {**given, "action": action, "issuedAt": "2026-09-01T00:00:00Z"})
    bench.work()
    verdicts = bench.ask("SELECT status FROM command_result ORDER BY command_id")
    assert verdicts == [(200,), (200,), (404,)]
    assert shown[0] not in [one.content_id for one in served(bench, "u-1")]
    bench.feed(running)
    assert int(running.state.tables.histories.distinct[known]) == before + 1
    assert not {shown[0], shown[1]} & set(bench.items("u-1"))


def test_answers_are_explained(bench: Bench, running: Any) -> None:
    """The terms of an answer sum to the score whose logistic is its relevance; confidence falls along the list."""
    answer = served(bench, "u-1")
    assert len(answer) > 10
    for one in answer:
        total = sum(one.terms.values())
        assert one.relevance_score == pytest.approx(1 / (1 + math.exp(-total / 4)), abs=1e-4)
        assert 0 <= one.confidence_score <= 1
        assert one.reason.endswith(".")
    sure = [one.confidence_score for one in answer]
    assert sure == sorted(sure, reverse=True)


def test_a_preference_holds_at_once_and_in_new_lists(bench: Bench, running: Any) -> None:
    """More of a topic moves it up, less of it down; terms still sum; taken back, the order is what it was."""

    def algebra(answer: list[Any]) -> float:
        """Mean rank of the topic."""
        ranks = [one.rank for one in answer if int(one.content_id[2:]) % 2 == 1]
        return sum(ranks) / len(ranks)

    for user, weight in (("u-1", 1.0), ("u-4", -1.0)):
        before = served(bench, user)
        order(bench, int(user[2:]), user, kind="preferTopic", topic="Algebra", weight=weight)
        at_once = served(bench, user)
        bench.feed(running)
        afterwards = served(bench, user)
        for answer in (at_once, afterwards):
            assert (algebra(answer) - algebra(before)) * weight < 0
            for one in answer:
                total = sum(one.terms.values())
                assert one.relevance_score == pytest.approx(1 / (1 + math.exp(-total / 4)), abs=1e-4)
        # No rule is counted twice once the list reflects it.
        first, second = ({one.content_id: one.terms for one in answer} for answer in (at_once, afterwards))
        assert first.keys() == second.keys()
        assert all(first[item] == pytest.approx(second[item], abs=1e-3) for item in first)
        reasons = {one.reason for one in afterwards}
        assert ("You asked for more of its topic." in reasons) == (weight > 0)
        order(bench, 10 + int(user[2:]), user, kind="preferTopic", topic="Algebra", active=False)
        taken_back = {one.content_id: one.terms for one in served(bench, user)}
        assert taken_back.keys() == {one.content_id for one in before}
        assert all(taken_back[one.content_id] == pytest.approx(one.terms, abs=1e-3) for one in before)
        bench.feed(running)
        assert [one.content_id for one in served(bench, user)] == [one.content_id for one in before]


def test_a_pin_stands_first_at_once(bench: Bench, running: Any) -> None:
    """A pin moves its item to the front of the list that was written before it."""
    pinned = bench.items("u-3")[-1]
    order(bench, 1, "u-3", kind="pin", contentId=pinned)
    first = served(bench, "u-3")[0]
    assert (first.content_id, first.rank, first.reason) == (pinned, 1, "You pinned it.")
    # Something that no list of this learner holds: what he has had himself.
    had = bench.ask("""SELECT content_id FROM learners JOIN recent_interaction USING (learner_key),
                       unnest(item_keys) AS held (item_key) JOIN content USING (item_key) WHERE user_id = 'u-3'""")
    other = next(content_id for (content_id,) in had if content_id not in bench.items("u-3"))
    order(bench, 2, "u-3", kind="pin", contentId=other)
    assert [one.content_id for one in served(bench, "u-3")[:2]] == [other, pinned]
    assert served(bench, "u-3")[0].reason == "You pinned it."


def test_a_pin_taken_back_is_gone_at_once(bench: Bench, running: Any) -> None:
    """What was pinned goes back to where its score belongs, with its own reason, before the list is written anew."""
    before = [one.content_id for one in served(bench, "u-3")]
    order(bench, 1, "u-3", kind="pin", contentId=before[-1])
    bench.feed(running)
    order(bench, 2, "u-3", kind="pin", contentId=before[-1], active=False)
    at_once = served(bench, "u-3")
    assert at_once[0].content_id == before[0]
    assert sorted(one.content_id for one in at_once) == sorted(before)
    assert all(one.reason != "You pinned it." for one in at_once)
    assert bench.ask("""SELECT reflected_rules IS NOT NULL FROM recommendations NATURAL JOIN learners
                        WHERE user_id = 'u-3' AND type = 'hybrid'""") == [(True,)]
    bench.feed(running)
    assert [one.content_id for one in served(bench, "u-3")] == before


def test_derived_kinds_hold_their_own_candidates(bench: Bench, running: Any) -> None:
    """`collaborative` and `sequential` come out of the stored list, each ordered by its own terms."""
    everything = {one.content_id for one in served(bench, "u-1")}
    for kind in ("collaborative", "sequential"):
        answer = served(bench, "u-1", kind)
        assert answer
        assert {one.type.value for one in answer} == {kind}
        assert {one.content_id for one in answer} <= everything
        for one in answer:
            total = sum(one.terms.values())
            assert one.relevance_score == pytest.approx(1 / (1 + math.exp(-total / 4)), abs=1e-4)


def test_a_context_changes_the_order_and_keeps_the_sum() -> None:
    """Content of the topic asked for moves up by what its context term grows; what is open now is left out."""
    plain = [
        Candidate(Described(f"c-{n}", "video", None), (0.0, 3.0 - n, 0.0, 0.0), 0, 0.1, frozenset({topic}))
        for n, topic in enumerate(["chess", "chess", "Algebra"])
    ]
    moved = reordered("hybrid", plain, parse("topic:algebra"))
    assert [one.content.content_id for one in moved] == ["c-0", "c-2", "c-1"]
    assert sum(moved[1].terms) == 3.0
    opened = reordered("hybrid", plain, parse('{"contentId": "c-0", "device": "mobile"}'))
    assert [one.content.content_id for one in opened] == ["c-1", "c-2"]
    for text, first in (
        ('{"contentType": "quiz"}', "q"),
        ('{"device": "phone"}', "q"),
        ('{"topic": "CHESS"}', "c"),
        ("topic:chess", "c"),
    ):
        kinds = [
            Candidate(Described("t", "tool", None), (0.0, 0.5, 0.0, 0.0), 0, 0.1, frozenset()),
            Candidate(Described("q", "quiz", None), (0.0, 0.1, 0.0, 0.0), 0, 0.1, frozenset()),
            Candidate(Described("c", "tool", None), (0.0, 0.0, 0.0, 0.0), 0, 0.1, frozenset({"chess"})),
        ]
        assert reordered("hybrid", kinds, parse(text))[0].content.content_id == first
        near = Context(content_id="open", near_topics=frozenset({"chess"}))
        assert reordered("hybrid", kinds, near)[0].content.content_id == "c"
        on_path = Context(path_id="p", modules=frozenset({"q"}))
        assert reordered("hybrid", kinds, on_path)[0].content.content_id == "q"
    assert parse("{") is None
    assert parse('{"topic": 3}') is None


def test_an_erased_learner_leaves_no_rule(bench: Bench, running: Any) -> None:
    """Rules and feedback are forgotten with the learner."""
    order(bench, 1, "u-1", kind="optOut")
    erase = {"command": "EraseRequested", "commandId": "e-1", "userId": "u-1", "issuedAt": "2026-01-01T00:00:00Z"}
    bench.log.put("learner-commands", erase)
    bench.work()
    assert bench.ask("SELECT count(*) FROM learner_override") == [(0,)]
