"""Is this message right, and what does it say? Decoders that return a Struct, or an `Invalid` that says why not.

Any bytes give one of the two and never an exception (a law test feeds arbitrary bytes). The way of a right message is
one C call and a handful of comparisons; all reasoning about errors happens after the decoder has refused.

Beyond the schema (documented exceptions of the JSON Schema files): at most 256 KB a record; UTF-8 throughout, also in
ignored fields; no U+0000 within context; feedback and description at most 16 KB in bytes; context at most 8 levels
deep; a time zone must exist; a time must exist in the calendar and not lie before 1990; a whole number is written
without a point or exponent. Duplicate member names: the last one counts.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Generic, TypeVar
from zoneinfo import available_timezones

import msgspec
from msgspec import inspect

from schemas.catalogue import ContentSet
from schemas.commands import Command
from schemas.event_time import EARLIEST, EARLIEST_MS, is_too_early
from schemas.fields import MAX_CONTEXT_DEPTH, MAX_RECORD_BYTES, MAX_TEXT_BYTES
from schemas.impressions import ImpressionServed
from schemas.interactions import Interaction
from schemas.invalid import Invalid, Reason
from schemas.refusal import NULL_VALUE, pointer_of, refusal, too_early, unknown_time_zone

__all__ = [
    "Invalid",
    "JsonDecoder",
    "Reason",
    "decode_command",
    "decode_content",
    "decode_impression",
    "decode_interaction",
]

T = TypeVar("T")

TOO_LARGE = Invalid(
    Reason.TOO_LARGE, "", f"The record is larger than {MAX_RECORD_BYTES} bytes. Send less in one record."
)

_INTERACTION_INFO = inspect.type_info(Interaction)
_decode_interaction = msgspec.json.Decoder(Interaction).decode


@cache
def time_zone_names() -> frozenset[str]:
    """Return the names of the IANA time zone database, without those that mean "whatever this machine has"."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


def decode_interaction(value: bytes | None) -> Interaction | Invalid:
    """Return the interaction in a record's value, or why there is none."""
    if value is None:
        return NULL_VALUE
    if len(value) > MAX_RECORD_BYTES:
        return TOO_LARGE
    try:
        interaction = _decode_interaction(value)
        if not value.isascii():
            value.decode()  # the decoder skips ignored fields without looking at their bytes
    except Exception as error:  # noqa: BLE001 - told apart in `refusal`, which raises again what it does not know
        return refusal(error, value, _INTERACTION_INFO)
    time = interaction.occurred_at
    if time is not None and (time < EARLIEST_MS if isinstance(time, int) else time < EARLIEST):
        return too_early("occurredAt")
    zone = interaction.timezone
    if zone is not None and zone not in time_zone_names():
        return unknown_time_zone("timezone")
    # A search for one byte is ten times faster than one for six: most records have no backslash at all.
    if b"\\" in value or interaction.feedback is not None or interaction.context is not None:
        return _text_refusal(interaction, value) or interaction
    return interaction


def _text_refusal(interaction: Interaction, value: bytes) -> Invalid | None:
    """Return the rule on texts that an interaction breaks and that its schema cannot state, if any."""
    context = interaction.context
    if context is not None and is_deeper_than(context, MAX_CONTEXT_DEPTH):
        detail = f"`context` must be at most {MAX_CONTEXT_DEPTH} levels deep."
        return Invalid(Reason.TOO_DEEP, "/context", detail)
    feedback = interaction.feedback
    if feedback is not None and is_too_long(feedback):
        return _too_long("feedback")
    return text_with_nul(interaction) if b"\\u0000" in value else None


def is_too_long(text: str) -> bool:
    """Return whether `text` has more than MAX_TEXT_BYTES bytes of UTF-8 (a character has at most four)."""
    return len(text) > MAX_TEXT_BYTES // 4 and len(text.encode()) > MAX_TEXT_BYTES


def _too_long(field: str) -> Invalid:
    return Invalid(Reason.OUT_OF_RANGE, f"/{field}", f"`{field}` must be at most {MAX_TEXT_BYTES} bytes of UTF-8.")


def is_deeper_than(value: object, levels: int) -> bool:
    """Return whether objects and lists are nested in `value` more than `levels` deep, counting itself."""
    layer = [value]
    for _ in range(levels):
        layer = [
            inner
            for outer in layer
            for inner in (outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list) else ())
            if isinstance(inner, dict | list)
        ]
        if not layer:
            return False
    return True


def text_with_nul(message: object) -> Invalid | None:
    """Return the refusal of a text in `message` that holds U+0000, which Postgres cannot store, if any does."""
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), msgspec.to_builtins(message))]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, str) and "\0" in value:
            detail = "Text must not hold the character U+0000."
            return Invalid(Reason.UNSTORABLE_TEXT, pointer_of(path), detail)
        # Names within `context` are the sender's own: a pointer does not repeat them.
        own = path == ("context",)
        if isinstance(value, dict):
            waiting.extend((path, name) for name in value)
            waiting.extend((path if own else (*path, name), inner) for name, inner in value.items())
        elif isinstance(value, list | tuple):
            waiting.extend((path if own else (*path, index), inner) for index, inner in enumerate(value))
    return None


class JsonDecoder(Generic[T]):
    """Decodes one message type (a Struct, or a tagged union of them) from JSON bytes. Safe to share."""

    def __init__(self, message: Any) -> None:
        self._info = inspect.type_info(message)
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(message)

    def decode(self, value: bytes | None) -> T | Invalid:
        """Return the message in `value`, or why there is none."""
        if value is None:
            return NULL_VALUE
        if len(value) > MAX_RECORD_BYTES:
            return TOO_LARGE
        try:
            message = self._decoder.decode(value)
            if not value.isascii():
                value.decode()
        except Exception as error:  # noqa: BLE001 - told apart in `refusal`, which raises again what it does not know
            return refusal(error, value, self._info)
        return _broken_rule(message, value) or message


def _broken_rule(message: object, value: bytes) -> Invalid | None:
    """Return the rule that a message of any type breaks and that its schema cannot state, if any."""
    for attribute, field in (("issued_at", "issuedAt"), ("served_at", "servedAt")):
        time = getattr(message, attribute, None)
        if time is not None and is_too_early(time):
            return too_early(field)
    zone = getattr(message, "timezone", None)
    if zone is not None and zone not in time_zone_names():
        return unknown_time_zone("timezone")
    description = getattr(message, "description", None)
    if description is not None and is_too_long(description):
        return _too_long("description")
    return text_with_nul(message) if b"\\u0000" in value else None


_COMMAND: JsonDecoder[Command] = JsonDecoder(Command)
_CONTENT: JsonDecoder[ContentSet] = JsonDecoder(ContentSet)
_IMPRESSION: JsonDecoder[ImpressionServed] = JsonDecoder(ImpressionServed)


def decode_command(value: bytes | None) -> Command | Invalid:
    """Return the command in a record's value, or why there is none."""
    return _COMMAND.decode(value)


def decode_content(value: bytes) -> ContentSet | Invalid:
    """Return the content in a record's value, or why there is none. (No value at all means withdrawn: the caller's.)"""
    return _CONTENT.decode(value)


def decode_impression(value: bytes | None) -> ImpressionServed | Invalid:
    """Return the served list in a record's value, or why there is none."""
    return _IMPRESSION.decode(value)
