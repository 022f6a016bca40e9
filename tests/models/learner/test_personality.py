"""Are habits counted with consent only, free of order, and shown with what moved them?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.columns import COLUMNS, CONSENT_DEFAULT, CONSENT_PERSONALITY, Interactions
from models.learner.personality import DIMENSIONS, habits_of, joined, personality
from schemas.interactions import InteractionType as Type


def batch(n, **columns):
    values = {name: np.full(n, np.nan if np.dtype(kind).kind == "f" else 0, kind) for name, kind in COLUMNS.items()}
    values["consent"][:] = CONSENT_PERSONALITY
    values["local_hour"][:] = 12
    return Interactions(**{name: np.asarray(columns.get(name, values[name]), COLUMNS[name]) for name in values})


def traits(found, row=0, answers=None):
    return {trait.name: trait for trait in personality(found.total[row], found.count[row], answers)}


def test_habits_move_each_dimension():
    """Fifty events of one kind of habit move its dimension well past the middle."""
    n = 50
    found = traits(
        habits_of(
            batch(
                n,
                completion_rate=[1.0] * n,
                expected_seconds=[400.0] * n,
                time_spent_seconds=[100.0] * n,
                type=[Type.ATTEMPT.code] * (n - 5) + [Type.SHARE.code] * 5,
                local_hour=[23] * n,
            )
        )
    )
    assert all(found[name].value > 0.9 for name in DIMENSIONS)
    assert all(found[name].moved_by_behaviour > 0 and found[name].certainty > 0.85 for name in DIMENSIONS)


def test_without_consent_nothing_is_counted():
    """The default consents do not include this purpose."""
    assert len(habits_of(batch(3, consent=[CONSENT_DEFAULT] * 3)).learner) == 0


def test_an_answer_is_the_start_and_behaviour_moves_it():
    """An answer stands alone without observations; contrary behaviour moves the value and says by how much."""
    nothing = personality(np.zeros(5), np.zeros(5), {"pace": 5})
    assert (nothing[1].value, nothing[1].answer, nothing[1].moved_by_behaviour) == (1.0, 1.0, 0.0)
    assert nothing[0].value == 0.5
    slow = habits_of(batch(60, expected_seconds=[100.0] * 60, time_spent_seconds=[400.0] * 60))
    moved = traits(slow, answers={"pace": 5})["pace"]
    assert moved.value == pytest.approx(0.25)
    assert moved.moved_by_behaviour == pytest.approx(-0.75)


EVENT = st.tuples(st.integers(0, 3), st.integers(0, 11), st.sampled_from([np.nan, 0.0, 0.5, 1.0]), st.integers(0, 23))


@settings(max_examples=300, deadline=None)
@given(st.lists(EVENT, max_size=30), st.integers(0, 30))
def test_any_split_gives_the_same_habits_within_bounds(events, cut):
    """Batches may be cut anywhere and joined in either order; every dimension stays in [0, 1]."""

    def of(rows):
        learner, kind, share, hour = zip(*rows, strict=True) if rows else ((), (), (), ())
        return habits_of(batch(len(rows), learner=learner, type=kind, completion_rate=share, local_hour=hour))

    whole, parts = of(events), joined(of(events[cut:]), of(events[:cut]))
    assert whole.learner.tolist() == parts.learner.tolist()
    np.testing.assert_allclose(whole.total, parts.total, rtol=1e-9)
    assert whole.count.tolist() == parts.count.tolist()
    for row in range(len(whole.learner)):
        assert all(0 <= trait.value <= 1 for trait in personality(whole.total[row], whole.count[row]))


@pytest.mark.parametrize("answers", [{"pace": 6}, {"charm": 3}])
def test_impossible_answers_are_refused(answers):
    """Answers are 1 to 5, for the documented dimensions."""
    with pytest.raises(ValueError, match="answers"):
        personality(np.zeros(5), np.zeros(5), answers)


def test_nothing_that_ranks_or_gates_knows_of_it():
    """Only its own fold, and what states, shows and exports the profile, have to do with habits."""
    root = Path(__file__).parents[3]
    folders = ("models", "projections", "streams", "api")
    knowing = {
        str(file.relative_to(root))
        for folder in folders
        for file in (root / folder).rglob("*.py")
        if "personality" in file.read_text(encoding="utf-8")
    }
    assert knowing == {
        "models/learner/personality.py",
        "projections/personality.py",
        "projections/profiles.py",
        "projections/reads/export.py",
        "projections/reads/profile.py",
        "projections/registry.py",
    }
