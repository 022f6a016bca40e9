"""Is the preference for formats soft, learnt from behaviour, and free of order?"""

from __future__ import annotations

from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.learner.format_preference import FormatRecord, completion_of, format_preference

FORMATS = ["video", "audio", "quiz", "text"]
FACTS = st.lists(
    st.builds(completion_of, st.sampled_from(FORMATS), st.sampled_from([0.0, 0.25, 0.5, 1.0])), max_size=30
)


def record(*facts):
    return reduce(FormatRecord.merged, facts, FormatRecord())


def test_nothing_known_is_no_preference():
    """Without declaration and behaviour every format stands at one half."""
    assert format_preference(FormatRecord(), FORMATS).tolist() == [0.5] * 4


def test_a_declared_style_is_only_the_start():
    """The declared style lifts its formats a little; thirty contrary completions turn that round."""
    assert format_preference(FormatRecord(), FORMATS, "VISUAL").tolist() == pytest.approx([0.6, 0.5, 0.5, 0.5])
    lived = record(*[completion_of("video", 0.1)] * 30, *[completion_of("quiz", 1.0)] * 30)
    video, _, quiz, _ = format_preference(lived, FORMATS, "VISUAL")
    assert video < 0.5 < quiz


def test_who_completes_everything_prefers_nothing():
    """A preference is relative to the learner's own mean, so diligence alone makes none."""
    lived = record(*[completion_of(name, 1.0) for name in FORMATS for _ in range(10)])
    assert format_preference(lived, FORMATS).tolist() == pytest.approx([0.5] * 4)


@settings(max_examples=300)
@given(FACTS, st.data())
def test_preferences_are_bounded_and_free_of_order_and_grouping(facts, data):
    """Any permutation and any split of the completions gives the same preferences, within [0, 1]."""
    shuffled = data.draw(st.permutations(facts))
    cut = data.draw(st.integers(0, len(facts)))
    one = format_preference(record(*facts), FORMATS, "AUDITORY")
    other = format_preference(record(*shuffled[:cut]).merged(record(*shuffled[cut:])), FORMATS, "AUDITORY")
    assert one.tolist() == pytest.approx(other.tolist(), rel=1e-9)
    assert ((one >= 0) & (one <= 1)).all()


@pytest.mark.parametrize(
    "call", [lambda: format_preference(FormatRecord(), [], "TASTE"), lambda: completion_of("video", 2)]
)
def test_impossible_declarations_and_shares_are_refused(call):
    """An unknown style and a completion above 1 are named."""
    with pytest.raises(ValueError, match="must be"):
        call()
