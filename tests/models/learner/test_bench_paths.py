"""Is the simulated class fair and repeatable, and does its interval say what it should?"""

from __future__ import annotations

import numpy as np
import pytest

from personalize.bench.paths import ADAPTIVE, AUTHOR, main, saved_percent
from personalize.bench.simulated_class import ATTEMPTS_MAX, MODULES, TRUE_MASTERY, attempts_to_mastery, world


def test_the_same_seed_gives_the_same_class_and_attempts():
    """Path, class, luck and teaching are determined by the seed, and teaching changes nothing of the world."""
    one, other = world(6, 3), world(6, 3)
    told = []
    first = attempts_to_mastery(one, ADAPTIVE, 2.0, told.append)
    assert first.tolist() == attempts_to_mastery(other, ADAPTIVE, 2.0).tolist()
    assert one.ability.tolist() == other.ability.tolist()
    assert sum(told) == 6
    assert world(6, 4).ability.tolist() != one.ability.tolist()


def test_nobody_masters_a_path_without_an_attempt_at_each_unknown_module():
    """Each module that was not truly mastered at first takes at least one attempt."""
    people = world(6, 3)
    unknown = (1 / (1 + np.exp(-people.ability)) < TRUE_MASTERY).sum(1)
    for way in (AUTHOR, ADAPTIVE):
        needed = attempts_to_mastery(people, way, 2.0)
        assert (needed >= unknown).all()
        assert (needed <= ATTEMPTS_MAX).all()
    assert (unknown > MODULES / 2).all()


def test_the_adaptive_way_needs_fewer_attempts():
    """Over a small class, adaptive order and difficulty reach mastery with fewer attempts on average."""
    people = world(25, 11)
    author, adaptive = (attempts_to_mastery(people, way, 4.0) for way in (AUTHOR, ADAPTIVE))
    assert adaptive.mean() < author.mean()


def test_the_interval_contains_the_saving_and_no_saving_is_zero():
    """Equal arms save nothing; half the attempts are 50 % with an interval around it."""
    author = np.arange(100, 200)
    assert saved_percent(author, author, 1) == (0.0, 0.0, 0.0)
    rng = np.random.default_rng(0)
    saved, low, high = saved_percent(author, author // 2 + rng.integers(-5, 6, 100), 1)
    assert low < saved < high
    assert saved == pytest.approx(50, abs=1)


def test_a_class_of_one_is_refused(capsys):
    """An interval needs at least two learners."""
    with pytest.raises(SystemExit):
        main(["--learners", "1"])
    assert "at least 2" in capsys.readouterr().err
