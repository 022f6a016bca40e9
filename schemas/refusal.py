"""Which field was wrong, and why? Turns what the msgspec decoder raised into an `Invalid`. Only failures come here."""

from __future__ import annotations

import re

import msgspec
from msgspec import inspect

from schemas.expectation import expectation
from schemas.invalid import Invalid, Reason

# msgspec ends its messages with the path: "… - at `$.modules[0].title`", "… - at `key` in `$.purposes`".
# Only the suffix is trusted: the text before it may quote what was sent.
_WHERE = re.compile(r" - at (?:`key` in )?`\$([^`]*)`\Z")
_STEP = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d+)\]")
_MISSING = re.compile(r"\AObject missing required field `([A-Za-z0-9_]+)`")
_BOUND = re.compile(r"\AExpected `[a-z| ]+` (?:of length )?(?:>=|<=|>|<|multiple) ?")
_BYTE = re.compile(r"\(byte (\d+)\)\Z")

#: Members that say what kind of thing a message is: an unknown word there is an unknown type.
_TYPE_FIELDS = frozenset({"interactionType", "command", "type", "kind"})
#: Members that hold a time.
TIME_FIELDS = frozenset({"occurredAt", "issuedAt", "servedAt", "time"})

ONE_OBJECT = "Send one JSON object in UTF-8 a record, with nothing after it; NaN and Infinity are not JSON."

NULL_VALUE = Invalid(Reason.NULL_VALUE, "", "The record has no value. " + ONE_OBJECT)
NOT_UTF8 = Invalid(Reason.NOT_UTF8, "", "The record is not UTF-8. " + ONE_OBJECT)
TOO_DEEP = Invalid(Reason.TOO_DEEP, "", "The record is nested too deeply. Flatten it.")


class _Version(msgspec.Struct):
    """The one field that every version of every message has."""

    schemaVersion: int = 1  # noqa: N815 - the wire name, so that no rename table is needed


_VERSION = msgspec.json.Decoder(_Version)


def refusal(error: Exception, value: bytes, root: inspect.Type) -> Invalid:
    """Return why `value` is not a `root`, given what the decoder raised; unknown exceptions are raised again."""
    if isinstance(error, msgspec.ValidationError):
        return _newer_version(value) or _violation(str(error), root)
    if isinstance(error, UnicodeDecodeError):
        return NOT_UTF8
    if isinstance(error, msgspec.DecodeError):
        at = _BYTE.search(str(error))
        where = f" at byte {at[1]}" if at else ", or ends too early"
        return Invalid(Reason.NOT_JSON, "", f"The record is not JSON{where}. {ONE_OBJECT}")
    if isinstance(error, RecursionError):
        return TOO_DEEP
    raise error


def pointer_of(path: tuple[str | int, ...]) -> str:
    """Return the JSON Pointer of a path of member names and list indexes."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def refused(root: inspect.Type, reason: Reason, path: tuple[str | int, ...], detail: str | None = None) -> Invalid:
    """Return an `Invalid` whose detail names the field and what it must be (`detail` overrides the latter)."""
    name = f"`{path[-1]}`" if path and isinstance(path[-1], str) else f"Entry {path[-1]}" if path else "The message"
    return Invalid(reason, pointer_of(path), detail or f"{name} must be {expectation(root, path)}.")


def too_early(field: str) -> Invalid:
    """Return the refusal of a time before 1990 in the member `field`."""
    detail = f"`{field}` must not lie before 1990. Send an RFC 3339 time, or milliseconds (not seconds) since 1970."
    return Invalid(Reason.TIME_BEFORE_1990, f"/{field}", detail)


def unknown_time_zone(field: str) -> Invalid:
    """Return the refusal of a zone that the IANA database does not have in the member `field`."""
    detail = f"`{field}` must be a name of the IANA time zone database, such as Europe/Lisbon (not an offset)."
    return Invalid(Reason.UNKNOWN_TIMEZONE, f"/{field}", detail)


def _newer_version(value: bytes) -> Invalid | None:
    """Return the refusal of a version that is not known: whatever else looks wrong may be right in that version."""
    try:
        version = _VERSION.decode(value).schemaVersion
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if version == 1:
        return None
    detail = "`schemaVersion` must be 1. Upgrade the reader, or send version 1."
    return Invalid(Reason.UNKNOWN_VERSION, "/schemaVersion", detail)


def _violation(message: str, root: inspect.Type) -> Invalid:
    """Return the refusal of well-formed JSON that breaks a rule of the schema."""
    where = _WHERE.search(message)
    path = _path(where[1]) if where else ()
    missing = _MISSING.match(message)
    if missing:
        path = (*path, missing[1])
        return refused(root, Reason.MISSING_FIELD, path, f"`{missing[1]}` is required: {expectation(root, path)}.")
    reason = _reason(message, path)
    return too_early(str(path[-1])) if reason is Reason.TIME_BEFORE_1990 else refused(root, reason, path)


def _path(text: str) -> tuple[str | int, ...]:
    """Return the steps of msgspec's path text, up to the first member whose name it does not tell (`[...]`)."""
    known = text.partition("[...]")[0]
    return tuple(name or int(index) for name, index in _STEP.findall(known))


def _reason(message: str, path: tuple[str | int, ...]) -> Reason:
    """Return the reason code of a violation that is not a missing field."""
    name = path[-1] if path else ""
    if message.startswith(("Invalid enum value", "Invalid value")):
        return Reason.UNKNOWN_TYPE if name in _TYPE_FIELDS else Reason.UNKNOWN_VALUE
    if name in TIME_FIELDS and message.startswith("Expected `int` >="):
        return Reason.TIME_BEFORE_1990
    if _BOUND.match(message) or message.startswith(("Number out of range", "Integer value out of range")):
        return Reason.OUT_OF_RANGE
    if message.startswith("Expected `str` matching regex"):
        return Reason.BAD_FORMAT
    if message.startswith(("Invalid RFC3339", "Expected `datetime` with a timezone")):
        return Reason.NOT_A_TIME
    return Reason.WRONG_TYPE
