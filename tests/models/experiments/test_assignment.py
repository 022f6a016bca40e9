"""Does every learner get the variation that GrowthBook's SDKs would give?"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.experiments.assignment import fnv1a, in_namespace, share, variation


@pytest.mark.parametrize(
    ("seed", "identifier", "version", "place"),
    [
        ("my-exp", "u-1", 2, 0.8268),
        ("my-exp", "u-2", 2, 0.5775),
        ("adaptive_path_v1", "learner-42", 2, 0.2258),
        ("my-exp", "u-1", 1, 0.186),
    ],
)
def test_vectors_of_the_sdk(seed: str, identifier: str, version: int, place: float) -> None:
    """Places that GrowthBook's SDK computes."""
    assert share(seed, identifier, version) == place


def test_the_hash_is_fnv1a() -> None:
    """Published vectors of FNV-1a, 32 bits; characters beyond 16 bits count as two units."""
    assert fnv1a("a") == 0xE40C292C
    assert fnv1a("foobar") == 0xBF9CF968
    assert fnv1a("🔥") == fnv1a("\ud83d\udd25")


@given(st.text(max_size=30), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_coverage_moves_nobody(identifier: str, one: float, other: float) -> None:
    """Whoever takes part at both coverages is in the same variation."""
    place = share("e", identifier)
    found = {variation(place, [0.2, 0.3, 0.5], coverage) for coverage in (one, other)} - {None}
    assert len(found) <= 1
    assert variation(place, [0.2, 0.3, 0.5], 1.0) is not None


def test_halves_are_halves_and_experiments_independent() -> None:
    """20,000 learners in two experiments: four equal quarters, within chance; namespaces part them."""
    learners = [f"learner-{n}" for n in range(20_000)]
    first, second = ([variation(share(seed, each), [0.5, 0.5], 1.0) for each in learners] for seed in ("a", "b"))
    quarters = np.bincount(np.array(first) * 2 + np.array(second), minlength=4)
    assert np.abs(quarters - 5_000).max() < 250
    inside = [in_namespace(each, "ns", 0.0, 0.5) for each in learners]
    assert not any(in_namespace(each, "ns", 0.5, 1.0) for each, taken in zip(learners, inside, strict=True) if taken)
    assert abs(sum(inside) - 10_000) < 350
