"""Parameters are strict: what is not known, repeated or out of range is a 400 that names it."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import parameters
from api.parameters import identifier, one_of, query, text, wait_seconds, whole_number
from api.problems import ProblemError

KNOWN = frozenset({"limit", "topic"})


def test_examples() -> None:
    """The examples in the docstrings hold."""
    assert doctest.testmod(parameters).failed == 0


@pytest.mark.parametrize(
    "wrong",
    [b"page=1", b"limit=1&limit=2", b"limit=%ff", b"topic=a%00b", b"&".join(b"topic=%d" % n for n in range(30))],
)
def test_a_query_that_is_not_understood_is_refused(wrong: bytes) -> None:
    """Unknown, repeated, undecodable and far too many parameters are 400."""
    with pytest.raises(ProblemError) as refused:
        query(wrong, KNOWN)
    assert refused.value.problem.status == 400


def test_an_empty_value_is_no_value() -> None:
    """`limit=` asks for nothing in particular."""
    assert query(b"limit=&topic=a+b", KNOWN) == {"topic": "a b"}


@pytest.mark.parametrize("value", ["0", "101", "-1", "1.0", "x", "１", "9" * 20])
def test_a_number_out_of_range_is_refused(value: str) -> None:
    """Only ASCII whole numbers within the bounds are taken."""
    with pytest.raises(ProblemError) as refused:
        whole_number({"limit": value}, "limit", 10, 1, 100)
    assert refused.value.problem.errors[0].parameter == "limit"


def test_words_and_texts_are_bounded() -> None:
    """A word that is not in the list and a text that is too long are refused; absent ones have their usual value."""
    assert one_of({}, "window", "24h", ("1h", "24h")) == "24h"
    assert text({}, "topic", 5) is None
    with pytest.raises(ProblemError):
        one_of({"window": "2h"}, "window", "24h", ("1h", "24h"))
    with pytest.raises(ProblemError):
        text({"topic": "abcdef"}, "topic", 5)


@given(st.text(min_size=1, max_size=128))
def test_an_id_may_hold_any_character(user_id: str) -> None:
    """Every text of 1 to 128 characters without U+0000 survives percent encoding as an id."""
    from urllib.parse import quote

    if "\0" in user_id or any(0xD800 <= ord(character) < 0xE000 for character in user_id):
        return
    assert identifier(quote(user_id, safe=""), "userId") == user_id


@pytest.mark.parametrize("wrong", ["", "%00", "%ff", "a" * 129, "%C3"])
def test_what_is_no_id_is_refused(wrong: str) -> None:
    """Empty, too long, undecodable ids and ids with U+0000 are 400."""
    with pytest.raises(ProblemError):
        identifier(wrong, "userId")


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (None, 2.0),
        (b"wait=0", 0.0),
        (b"wait=100", 10.0),
        (b"return=minimal; wait=3", 3.0),
        (b'WAIT = "4"', 4.0),
        (b"await=5", 2.0),
        (b"wait=x", 2.0),
        (b"wait=-1", 2.0),
        (b"wait=1e3", 2.0),
    ],
)
def test_preferences(prefer: bytes | None, seconds: float) -> None:
    """`wait=N` is granted up to the limit; a preference that is not understood is ignored (RFC 7240)."""
    assert wait_seconds(prefer, 2.0, 10.0) == seconds
