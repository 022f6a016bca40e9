"""Does no cell, and no total less the others, tell of fewer than five learners?"""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.suppression import too_few, withheld


@given(st.lists(st.integers(0, 30), max_size=12))
def test_what_is_withheld_is_a_sum_over_enough(learners: list[int]) -> None:
    """Every small cell is hidden; together the hidden ones hold five learners, unless nothing else is there to hide."""
    counts = np.array(learners, np.int64)
    hidden = withheld(counts)
    assert not (too_few(counts) & ~hidden).any()
    assert not hidden[counts == 0].any()
    if hidden.any() and (counts >= 5).any():
        assert counts[hidden].max() >= 5
        assert hidden.sum() >= 2
        assert hidden.sum() == too_few(counts).sum() + 1
    if not too_few(counts).any():
        assert not hidden.any()
