"""Is a path's order right, the same every time, and explained?  Laws on random graphs against a slow planner."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.learner.path_changes import Move, MoveReason, moves, replanned
from models.learner.path_order import (
    READY,
    STYLE,
    STYLE_WEIGHT_MAX,
    WEIGHTS,
    LearnerView,
    path_graph,
    plan,
)
from models.learner.prerequisites import CycleError, PrerequisiteError, prerequisite_graph


def graph_of(n, hard, soft=(), seconds=None, goals=None):
    names = [f"m{i}" for i in range(n)]
    pairs = [[(names[a], names[b]) for a, b in edges] for edges in (hard, soft)]
    seconds = np.full(n, 600.0) if seconds is None else np.asarray(seconds, float)
    return path_graph(prerequisite_graph(names, *pairs), seconds, goals)


def view(n, mastered=(), success=0.5, style=0.5):
    return LearnerView(
        np.isin(np.arange(n), list(mastered)),
        np.broadcast_to(success, n).astype(float),
        np.broadcast_to(style, n).astype(float),
    )


@st.composite
def paths(draw):
    n = draw(st.integers(1, 9))
    shuffle = draw(st.permutations(range(n)))
    edge = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).map(sorted).filter(lambda e: e[0] < e[1])
    edges = st.lists(edge.map(lambda e: (shuffle[e[0]], shuffle[e[1]])), max_size=12) if n > 1 else st.just([])
    hard, soft = draw(edges), draw(edges)
    seconds = draw(st.lists(st.sampled_from([60.0, 300.0, 600.0]), min_size=n, max_size=n))
    return n, hard, soft, graph_of(n, hard, soft, seconds)


def views(n):
    share = st.lists(st.sampled_from([0.0, 0.3, 0.5, 0.8, 0.81, 1.0]), min_size=n, max_size=n)
    return st.builds(lambda m, p, s: view(n, m, p, s), st.sets(st.integers(0, n - 1)), share, share)


def slow_order(n, hard, soft, graph, learner):
    """The documented rule, one module at a time, over all modules each time."""
    soft = set(soft) - set(hard)
    done, order = set(np.flatnonzero(learner.mastered).tolist()), []
    terms = plan(graph, learner).terms
    while len(done) < n:
        best = None
        for m in range(n):
            if m in done or any(b == m and a not in done for a, b in hard):
                continue
            wishes = [a for a, b in soft if b == m]
            ready = 1 - sum(a not in done for a in wishes) / len(wishes) if wishes else 1.0
            score = sum(WEIGHTS[t] * (ready if t == READY else terms[m, t]) for t in range(5))
            key = (-round(score * 1e9), graph.duration_seconds[m], m)
            best = min(best, key) if best else key
        order.append(best[2])
        done.add(best[2])
    return order


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_order_is_the_documented_one(data):
    """The heap finds the same order as looking at every open module each time."""
    n, hard, soft, graph = data.draw(paths())
    learner = data.draw(views(n))
    assert slow_order(n, hard, soft, graph, learner) == plan(graph, learner).order.tolist()


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_prerequisites_come_first_and_the_fringe_is_open(data):
    """Every unmastered module is planned once, after its hard prerequisites; open are exactly those with none unmet."""
    n, hard, _, graph = data.draw(paths())
    learner = data.draw(views(n))
    made = plan(graph, learner)
    place = {module: at for at, module in enumerate(made.order.tolist())}
    assert sorted(place) == np.flatnonzero(~learner.mastered).tolist()
    assert all(learner.mastered[a] or place[a] < place[b] for a, b in hard if b in place)
    for m in range(n):
        assert made.open[m] == (not learner.mastered[m] and all(learner.mastered[a] for a, b in hard if b == m))
    if len(made.order):
        assert made.open[made.order[0]]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_equal_inputs_give_equal_plans_and_terms_sum_to_the_score(data):
    """Planning is deterministic, and each score is its five weighted terms."""
    n, _, _, graph = data.draw(paths())
    learner = data.draw(views(n))
    one, other = plan(graph, learner), plan(graph, learner)
    assert one.order.tolist() == other.order.tolist()
    np.testing.assert_allclose(one.score, one.terms @ np.array(WEIGHTS), rtol=1e-12)
    assert ((one.terms >= 0) & (one.terms <= 1)).all()


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_replanning_equals_planning_and_moves_explain_the_difference(data):
    """After a change the plan equals a new one; unmoved modules keep their relative order; each move is true."""
    n, _, _, graph = data.draw(paths())
    old = plan(graph, data.draw(views(n)))
    learner = data.draw(views(n))
    new, found = replanned(graph, old, learner)
    assert new.order.tolist() == plan(graph, learner).order.tolist()
    moved = {move.module for move in found}
    assert [m for m in old.order if m not in moved] == [m for m in new.order if m not in moved]
    for move in found:
        for place, order in ((move.before, old.order), (move.after, new.order)):
            assert place is None or order[place] == move.module
        assert (move.after is None) == (move.reason is MoveReason.MASTERED)
    assert moves(new, new) == []


def test_style_is_capped_and_never_gates():
    """The strongest format preference moves a module by a tenth of the score at most and past no prerequisite."""
    assert WEIGHTS[STYLE] <= STYLE_WEIGHT_MAX == 0.10
    assert sum(WEIGHTS) == pytest.approx(1.0)
    graph = graph_of(3, [(0, 1)])
    made = plan(graph, view(3, style=[0.0, 1.0, 1.0]))
    assert made.order.tolist() == [2, 0, 1]
    assert plan(graph, view(3, success=[0.8, 0.1, 0.1], style=[0.0, 1.0, 1.0])).order[0] == 0


def test_modules_near_the_target_success_come_first():
    """Of three open modules, the one with a predicted success of .8 is next."""
    assert plan(graph_of(3, []), view(3, success=[0.99, 0.8, 0.3])).order[0] == 1


def test_the_way_to_the_goal_comes_first():
    """A module on the way to the goal goes before one that leads nowhere."""
    graph = graph_of(4, [(1, 2), (2, 3)], goals=np.array([False, False, False, True]))
    assert plan(graph, view(4)).order.tolist() == [1, 2, 3, 0]


def test_ties_go_by_time_then_by_the_authors_order():
    """Equal modules come in order of duration, equal durations as the author wrote them."""
    assert plan(graph_of(4, [], seconds=[600, 300, 600, 300]), view(4)).order.tolist() == [1, 3, 0, 2]


def test_mastery_unlocks_with_a_reason():
    """When the gate is mastered, what it locked moves to the front and says why."""
    graph = graph_of(4, [(0, 1)], goals=np.array([False, True, False, False]))
    success = [0.9, 0.8, 0.79, 0.78]
    old = plan(graph, view(4, success=[0.5, 0.8, 0.79, 0.78]))
    new, found = replanned(graph, old, view(4, mastered=[0], success=success))
    assert old.order.tolist() == [0, 1, 2, 3]
    assert new.next_modules(2) == [1, 2]
    assert found == [Move(0, 0, None, MoveReason.MASTERED)]
    later, found = replanned(graph, plan(graph, view(4, success=[0.05, 0.8, 0.79, 0.78])), view(4, [0], success))
    assert Move(1, 3, 0, MoveReason.UNLOCKED) in found
    assert later.order.tolist() == [1, 2, 3]


def test_lost_mastery_returns_with_a_reason():
    """A module that is no longer mastered is planned again."""
    graph = graph_of(2, [(0, 1)])
    _, found = replanned(graph, plan(graph, view(2, mastered=[0])), view(2))
    assert found == [Move(0, None, 0, MoveReason.LOST)]


def test_a_soft_prerequisite_is_a_penalty_and_not_a_gate():
    """A recommended prerequisite lowers a module, yet a much better fit still goes first."""
    graph = graph_of(2, [], soft=[(1, 0)])
    assert plan(graph, view(2)).order.tolist() == [1, 0]
    assert plan(graph, view(2, success=[0.8, 0.05])).order.tolist() == [0, 1]


def test_a_cycle_is_printed():
    """The error shows the cycle from its first module round to itself."""
    with pytest.raises(CycleError, match="a → b → c → a") as caught:
        prerequisite_graph(["a", "b", "c", "d"], [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")])
    assert caught.value.cycle == ("a", "b", "c")


def test_a_cycle_through_a_soft_prerequisite_is_refused():
    """Soft prerequisites can't contradict hard ones either."""
    with pytest.raises(CycleError, match="a → b → a"):
        prerequisite_graph(["a", "b"], [("a", "b")], soft=[("b", "a")])


@pytest.mark.parametrize(
    ("modules", "hard", "message"),
    [
        (["a", "a"], [], "'a' stands twice"),
        (["a"], [("a", "x")], "'x' is not in the path"),
        (["a"], [("a", "a")], "'a' requires itself"),
    ],
)
def test_impossible_paths_name_the_module(modules, hard, message):
    """Duplicate ids, unknown ids and self-requirements are refused by name."""
    with pytest.raises(PrerequisiteError, match=message):
        prerequisite_graph(modules, hard)


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 8), st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20))
def test_cycles_are_found_exactly_when_there_are_any(n, edges):
    """A graph is refused if and only if it has a cycle, and the cycle shown consists of its edges."""
    edges = [(str(a % n), str(b % n)) for a, b in edges if a % n != b % n]
    reach = np.zeros((n, n), bool)
    for a, b in edges:
        reach[int(a), int(b)] = True
    for k in range(n):
        reach |= np.outer(reach[:, k], reach[k])
    try:
        prerequisite_graph([str(i) for i in range(n)], edges)
        assert not reach.diagonal().any()
    except CycleError as error:
        cycle = error.cycle
        assert len(set(cycle)) == len(cycle) >= 2
        assert all(pair in edges for pair in zip(cycle, cycle[1:] + cycle[:1], strict=True))


@pytest.mark.parametrize("broken", [view(2), LearnerView(np.zeros(3, bool), np.full(3, np.nan), np.ones(3))])
def test_a_view_that_does_not_match_is_refused(broken):
    """Arrays of another length and missing numbers are refused."""
    with pytest.raises(ValueError, match="success"):
        plan(graph_of(3, []), broken)


def test_an_empty_path_has_an_empty_plan():
    """No modules, no order."""
    assert plan(graph_of(0, []), view(0)).order.tolist() == []
