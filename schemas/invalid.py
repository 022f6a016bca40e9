"""Why was a message refused? `Invalid`, a value with a reason code, the field, and the fix in plain words.

`detail` is written from the schema alone. It never repeats what was sent: details travel to logs, dead-letter headers
and answers, and a sent value may be personal.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Reason(StrEnum):
    """Why a message was refused; the words are stable, so that dashboards and alerts can count them."""

    NULL_VALUE = "null-value"
    TOO_LARGE = "too-large"
    NOT_UTF8 = "not-utf8"
    NOT_JSON = "not-json"
    TOO_DEEP = "too-deep"
    WRONG_TYPE = "wrong-type"
    MISSING_FIELD = "missing-field"
    OUT_OF_RANGE = "out-of-range"
    BAD_FORMAT = "bad-format"
    UNSTORABLE_TEXT = "unstorable-text"
    UNKNOWN_TYPE = "unknown-type"
    UNKNOWN_VALUE = "unknown-value"
    UNKNOWN_VERSION = "unknown-version"
    UNKNOWN_TIMEZONE = "unknown-timezone"
    NOT_A_TIME = "not-a-time"
    TIME_BEFORE_1990 = "time-before-1990"


class Invalid(Struct, frozen=True, rename="camel", gc=False):
    """A refused message: why, where, and what to send instead.

    `pointer` is a JSON Pointer (RFC 6901) to the field; "" is the whole message; for a missing field, where it belongs.
    """

    reason_code: Reason
    pointer: str
    detail: str
