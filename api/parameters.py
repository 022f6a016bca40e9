"""What does a request ask for?  Path segments, query parameters and preferences, strictly: what is not known is 400."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import parse_qsl, unquote_to_bytes

from api.problems import ProblemError, bad_parameter
from schemas.fields import MAX_ID_LENGTH

TOKEN = "token"  # noqa: S105 - a name, not a secret
"""The query parameter that may carry a consistency token; every read has it."""
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,9})\"?(?=$|[,;\s])", re.IGNORECASE)
_WHOLE = re.compile(r"[0-9]{1,9}\Z")


@lru_cache(maxsize=4_096)
def query(query_string: bytes, known: frozenset[str]) -> dict[str, str]:
    """The query parameters; an empty value counts as absent.  Callers must not change the answer.

    Raises:
        ProblemError: 400 for an unknown, repeated or undecodable parameter.
    """
    if not query_string:
        return {}
    try:
        pairs = parse_qsl(query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=20)
    except ValueError:
        raise bad_parameter("", "The query is not UTF-8 in percent encoding, or has too many parameters.") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            raise bad_parameter("", "Known here: " + ", ".join(sorted(known)) + ".")
        if name in found:
            raise bad_parameter(name, f"`{name}` may stand once.")
        if "\0" in value:
            raise bad_parameter(name, f"`{name}` must not hold the character U+0000.")
        found[name] = value
    return {name: value for name, value in found.items() if value}


def raw_parameter(query_string: bytes, name: str) -> str | None:
    """The first value of a parameter in a query that was not checked yet; None without one."""
    for key, value in parse_qsl(query_string.decode("latin-1"), keep_blank_values=True, errors="replace"):
        if key == name:
            return value
    return None


def whole_number(parameters: dict[str, str], name: str, usual: int, low: int, high: int) -> int:
    """A parameter that is a whole number from ``low`` to ``high``."""
    text = parameters.get(name)
    if text is None:
        return usual
    if not _WHOLE.match(text) or not low <= int(text) <= high:
        raise bad_parameter(name, f"`{name}` must be a whole number from {low} to {high}.")
    return int(text)


def one_of(parameters: dict[str, str], name: str, usual: str, values: Sequence[str]) -> str:
    """A parameter that is one of some words."""
    text = parameters.get(name, usual)
    if text not in values and text != usual:
        raise bad_parameter(name, f"`{name}` must be one of {', '.join(values)}.")
    return text


def text(parameters: dict[str, str], name: str, most_characters: int) -> str | None:
    """A parameter that is free text."""
    value = parameters.get(name)
    if value is not None and len(value) > most_characters:
        raise bad_parameter(name, f"`{name}` may have {most_characters} characters.")
    return value


def bad_cursor() -> ProblemError:
    """The problem of a cursor that was not made here."""
    return bad_parameter("cursor", "Send the cursor of the next page as an answer gave it, or none for the first.")


def identifier(segment: str | bytes, name: str) -> str:
    """An id from its percent-encoded path segment: any characters but U+0000, 1 to 128 of them.

    >>> identifier("a%2Fb", "userId")
    'a/b'
    """
    try:
        value = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise _bad_id(name) from None
    if not 1 <= len(value) <= MAX_ID_LENGTH or "\0" in value:
        raise _bad_id(name)
    return value


def _bad_id(name: str) -> ProblemError:
    return bad_parameter(name, f"`{name}` must be 1 to {MAX_ID_LENGTH} characters of UTF-8 in percent encoding.")


def wait_seconds(prefer: bytes | None, usual: float, most: float) -> float:
    """The seconds that ``Prefer: wait=N`` (RFC 7240) asks for, at most ``most``; what is not understood is ignored.

    >>> wait_seconds(b"respond-async, wait=5", 2.0, 10.0)
    5.0
    """
    if prefer is None:
        return usual
    found = _WAIT.search(prefer.decode("latin-1"))
    return min(float(found[1]), most) if found else usual
