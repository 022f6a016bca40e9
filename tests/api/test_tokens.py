"""Consistency tokens: what goes in comes out, and nothing else can be made."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.tokens import InvalidTokenError, Tokens, merge

TOKENS = Tokens("a secret of 32 bytes for the test")
positions = st.dictionaries(
    st.tuples(st.sampled_from(["interactions", "learner-commands", "catalogue"]), st.integers(0, 15)),
    st.integers(0, 2**63 - 1),
    min_size=1,
    max_size=40,
)


@given(positions)
@settings(max_examples=200)
def test_a_token_names_the_positions_it_was_made_of(given_positions: dict[tuple[str, int], int]) -> None:
    """Reading a token gives back its positions, and the token is safe in a URL and a header."""
    token = TOKENS.make(given_positions)
    assert TOKENS.read(token) == given_positions
    assert token.replace("-", "").replace("_", "").isalnum()


@given(st.text(max_size=200))
@settings(max_examples=300)
def test_what_was_not_made_here_is_refused(text: str) -> None:
    """Any other text is refused by one exception."""
    with pytest.raises(InvalidTokenError):
        TOKENS.read(text)


@given(positions, st.integers(0, 10_000), st.integers(1, 255))
@settings(max_examples=200)
def test_a_changed_token_is_refused(given_positions: dict[tuple[str, int], int], place: int, change: int) -> None:
    """Changing any character of a token makes it worthless."""
    token = TOKENS.make(given_positions)
    at = place % len(token)
    other = "A" if token[at] != "A" else "B"
    changed = token[:at] + other + token[at + 1 :]
    try:
        # Base64 has spare bits in its last character: a change of these alone is no change.
        assert at == len(token) - 1
        assert TOKENS.read(changed) == given_positions
    except (InvalidTokenError, AssertionError):
        with pytest.raises(InvalidTokenError):
            TOKENS.read(changed)


def test_another_secret_makes_other_tokens() -> None:
    """A token of one secret is refused under another."""
    with pytest.raises(InvalidTokenError):
        Tokens("another secret of 32 bytes, indeed").read(TOKENS.make({("interactions", 0): 1}))


def test_no_positions_make_no_token() -> None:
    """There is nothing to wait for in an empty token, so there is none."""
    assert TOKENS.make({}) == ""


@given(positions, positions, positions)
@settings(max_examples=200)
def test_merging_is_a_maximum(
    a: dict[tuple[str, int], int], b: dict[tuple[str, int], int], c: dict[tuple[str, int], int]
) -> None:
    """Merging is commutative, associative and idempotent, and never goes back."""
    assert merge([a, b]) == merge([b, a])
    assert merge([merge([a, b]), c]) == merge([a, merge([b, c])])
    assert merge([a, a]) == a
    assert all(merge([a, b])[partition] >= offset for partition, offset in a.items())
