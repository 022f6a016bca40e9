"""Does the learner fold keep its laws?  Splits, snapshots, separation of the two states, independence of learners."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.learner.attempts import attempts
from models.learner.fold import fold, predict, predict_batch, update
from models.learner.learners import Learners
from models.learner.shared import Shared
from models.learner.snapshot import SnapshotError, pack

ATTEMPT = st.tuples(
    st.integers(0, 4),
    st.integers(0, 8),
    st.booleans(),
    st.lists(st.integers(0, 5), max_size=3, unique=True),
    st.integers(1_700_000_000_000, 1_701_000_000_000),
)
LOG = st.lists(ATTEMPT, max_size=50)


def columns(rows):
    start = np.cumsum([0, *(len(row[3]) for row in rows)])
    flat = [skill for row in rows for skill in row[3]]
    return attempts(
        [r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows], start, flat, at_ms=[r[4] for r in rows]
    )


def states(shared, learners):
    return shared.to_bytes(), learners.to_bytes()


@settings(max_examples=300, deadline=None)
@given(LOG, st.lists(st.integers(0, 50), max_size=6))
def test_any_split_gives_the_same_state(rows, cuts):
    """Folding a log in any batches gives the same predictions and the same bytes of both states."""
    whole_shared, whole = Shared(), Learners()
    expected = fold(whole_shared, whole, columns(rows)).probability
    shared, learners, said = Shared(), Learners(), []
    edges = sorted({0, len(rows), *(min(cut, len(rows)) for cut in cuts)})
    for start, stop in pairwise(edges):
        said.append(fold(shared, learners, columns(rows).slice(start, stop)).probability)
    assert expected.tobytes() == (np.concatenate(said) if said else np.zeros(0)).tobytes()
    assert states(whole_shared, whole) == states(shared, learners)


@settings(max_examples=300, deadline=None)
@given(LOG, LOG)
def test_restored_snapshots_continue_bit_for_bit(before, after):
    """Both states, restored from bytes, predict and end as the originals do."""
    shared, learners = Shared(), Learners()
    fold(shared, learners, columns(before))
    other_shared, other = Shared.from_bytes(shared.to_bytes()), Learners.from_bytes(learners.to_bytes())
    expected = fold(shared, learners, columns(after)).probability
    assert expected.tobytes() == fold(other_shared, other, columns(after)).probability.tobytes()
    assert shared.to_bytes() == other_shared.to_bytes()
    assert learners.to_bytes() == other.to_bytes()


@settings(max_examples=100, deadline=None)
@given(LOG, LOG)
def test_a_reader_never_changes_the_shared_state(before, after):
    """With ``learn_shared=False`` the learners move and the shared bytes stay."""
    shared, learners = Shared(10, 10), Learners()
    fold(shared, learners, columns(before))
    kept = shared.to_bytes()
    fold(shared, learners, columns(after), learn_shared=False)
    assert kept == shared.to_bytes()


@settings(max_examples=100, deadline=None)
@given(LOG, LOG)
def test_learners_are_independent_under_a_published_version(before, after):
    """Against a fixed shared version the order between learners makes no difference to any of them."""
    shared = Shared()
    fold(shared, Learners(), columns(before))
    version = shared.published(3)
    mixed, grouped = Learners(), Learners()
    fold(version, mixed, columns(after), learn_shared=False)
    fold(version, grouped, columns(sorted(after, key=lambda row: row[0])), learn_shared=False)
    assert mixed.to_bytes() == grouped.to_bytes()


@settings(max_examples=100, deadline=None)
@given(LOG)
def test_predicting_changes_nothing(rows):
    """A prediction equals what the following update says, and leaves both states as they were."""
    shared, learners = Shared(10, 10), Learners()
    for u, i, y, skills, _ in rows:
        kept = learners.to_bytes(), shared.to_bytes()
        said = predict(shared, learners, u, i, skills)
        assert kept == (learners.to_bytes(), shared.to_bytes())
        assert said == update(shared, learners, u, i, skills, success=y)


@settings(max_examples=100, deadline=None)
@given(LOG, st.sets(st.integers(0, 4)))
def test_learners_leave_and_return_unchanged(rows, evicted):
    """Evicting learners leaves the others' bytes alone, and loading them back restores theirs."""
    shared, learners = Shared(), Learners()
    fold(shared, learners, columns(rows))
    kept = {key: learners.dump(key) for key in learners.held()}
    learners.forget(evicted)
    assert {key: data for key, data in kept.items() if key not in evicted} == {
        key: learners.dump(key) for key in learners.held()
    }
    learners.load_many({key: kept[key] for key in evicted & kept.keys()})
    assert kept == {key: learners.dump(key) for key in learners.held()}


def test_success_raises_and_failure_lowers_the_prediction():
    """An outcome moves the next prediction of the same learner, item and skill its own way."""
    for success in (True, False):
        shared, learners = Shared(), Learners()
        before = update(shared, learners, 1, 2, [3], success=success)
        after = predict(shared, learners, 1, 2, [3])
        assert (after > before) is success


def test_difficulty_is_learnt_from_other_learners():
    """An item that others failed is predicted lower for someone new than one that they solved."""
    shared, learners = Shared(), Learners()
    for learner in range(30):
        update(shared, learners, learner, 0, [0], success=False)
        update(shared, learners, learner, 1, [0], success=True)
    assert predict(shared, learners, 99, 0, [0]) < 0.4 < 0.6 < predict(shared, learners, 99, 1, [0])
    assert shared.difficulty(0, (0,)) > shared.difficulty(1, (0,))


def test_forgetting_a_learner_removes_every_row():
    """After ``forget`` a learner is at the prior and no table holds a row of theirs."""
    shared, learners = Shared(), Learners()
    update(shared, learners, 7, 1, [1, 2], success=True)
    learners.forget([7])
    assert 7 not in learners
    assert learners.tables.used.tolist() == [1, 1]
    assert not (learners.tables.learner[1:, 0] == 7).any()


def test_the_version_used_is_recorded():
    """Each learner's state says which shared version it was last folded against."""
    learners = Learners()
    fold(Shared(2, 2, version=41), learners, columns([(5, 1, True, [1], 0)]), learn_shared=False)
    assert learners.tables.learner[learners.row(5), 11] == 41


def test_an_authors_word_holds_until_someone_tries():
    """A supposed difficulty moves the prediction of an untried item, survives a snapshot, and never a tried one."""
    shared, learners = Shared(), Learners()
    shared.suppose(3, 2.0)
    update(shared, learners, 1, 1, [], success=True)
    restored = Shared.from_bytes(shared.to_bytes())
    assert restored.difficulty(3) == 2.0
    assert predict(restored, learners, 1, 3, []) < 0.3 < predict(restored, learners, 1, 4, [])
    learnt = shared.difficulty(1)
    shared.suppose(1, 5.0)
    assert shared.difficulty(1) == learnt


def test_unknown_keys_stand_at_the_prior():
    """Nobody knows learner, item or skill: the chance is even and nothing is stored."""
    shared, learners = Shared(), Learners()
    batch = attempts([8], [10_000], [0], [0, 1], [500])
    assert predict_batch(shared, learners, batch).probability.tolist() == [0.5]
    assert len(learners) == 0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda b: b"", "first bytes differ"),
        (lambda b: b"X" + b[1:], "first bytes differ"),
        (lambda b: b[:-1], "ends inside"),
        (lambda b: b + b"\0", "left over"),
        (lambda b: b.replace(b'"format":1', b'"format":9'), "rebuild it"),
        (lambda b: b.replace(b'"shared"', b'"others"'), "wanted 'shared'"),
        (lambda b: b.replace(b'"<f8"', b'"<c8"', 1), "dtype"),
        (lambda b: b[:12] + b"?" + b[13:], "not JSON"),
    ],
)
def test_damaged_snapshots_are_refused(damage, message):
    """Every kind of damage is refused with a message that names it."""
    with pytest.raises(SnapshotError, match=message):
        Shared.from_bytes(damage(Shared(2, 2).to_bytes()))


def test_a_learners_snapshot_of_another_shape_is_refused():
    """A shared snapshot is no learner, arrays of another shape are none, and a refused load changes nothing."""
    learners = Learners()
    update(Shared(), learners, 1, 1, [1], success=True)
    kept = learners.to_bytes()
    with pytest.raises(SnapshotError, match="wanted 'learner'"):
        learners.load(1, Shared().to_bytes())
    with pytest.raises(SnapshotError, match="skills is missing or has another shape"):
        learners.load(1, pack("learner", 0, {"learner": np.zeros(11), "skills": np.zeros((2, 3))}))
    assert learners.to_bytes() == kept


def test_loading_replaces_what_was_held():
    """A state loaded under a key takes the place of the one held, and others stay."""
    learners = Learners()
    update(Shared(), learners, 1, 1, [1], success=True)
    before = learners.dump(1)
    update(Shared(), learners, 1, 2, [2], success=False)
    update(Shared(), learners, 2, 5, [2], success=False)
    other = learners.dump(2)
    learners.load(1, before)
    assert (learners.dump(1), learners.dump(2)) == (before, other)
    assert learners.tables.used.tolist() == [3, 3]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"item": [1, 2]}, "item has 2 entries"),
        ({"item": [-1]}, "item holds a negative key"),
        ({"success": [0.5]}, "success must be 0 or 1"),
        ({"skill_start": [0]}, "skill_start must hold 2 offsets"),
        ({"skill_start": [0, 2]}, "skill_start must hold 2 offsets"),
        ({"skills": [-4]}, "skills holds a negative key"),
        ({"skill_start": [0, 17], "skills": list(range(17))}, "at most 16"),
    ],
)
def test_bad_attempts_name_the_field(change, message):
    """Columns that don't fit are refused with the field's name."""
    good = {"learner": [1], "item": [1], "success": [1], "skill_start": [0, 1], "skills": [0]}
    with pytest.raises(ValueError, match=message):
        attempts(**{**good, **change})


def test_keys_beyond_exact_floats_are_refused():
    """A learner key that float64 can't hold is refused instead of merged with its neighbour."""
    with pytest.raises(ValueError, match="learner keys"):
        fold(Shared(), Learners(), attempts([2**53], [0], [1], [0, 0], []))
