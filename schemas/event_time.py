"""When did it happen? Event times as they are sent: an RFC 3339 text with a zone, or whole milliseconds since 1970.

The Kafka record timestamp is publish time; the times here are what the producer says about the fact itself.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from msgspec import Meta

from schemas.fields import END_OF_TEXT

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: Nothing in a learning platform happened earlier: an older time is a clock that was never set (1970) or seconds
#: sent as milliseconds, and would drag every decayed sum and streak along.
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
EARLIEST_MS = 631_152_000_000
#: 9999-12-31T23:59:59.999Z, the last instant that a `datetime` (and RFC 3339) can name.
LATEST_MS = 253_402_300_799_999

#: What RFC 3339 allows and the decoder takes; the calendar itself (30 February) is checked by the decoder only.
RFC3339_PATTERN = (
    r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?"
    r"([Zz]|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])" + END_OF_TEXT
)

#: A time on the wire. Either spelling decodes without a parse in Python.
EventTime = (
    Annotated[datetime, Meta(tz=True, extra_json_schema={"pattern": RFC3339_PATTERN})]
    | Annotated[int, Meta(ge=EARLIEST_MS, le=LATEST_MS)]
)


def epoch_ms(time: datetime | int) -> int:
    """Return `time` as whole milliseconds since 1970-01-01T00:00:00Z, sub-millisecond digits cut off towards the past.

    >>> epoch_ms(datetime(2024, 5, 1, 12, 34, 56, 789999, tzinfo=UTC))
    1714566896789
    """
    if isinstance(time, int):
        return time
    # Exact integer arithmetic; `timestamp()` is a float and loses milliseconds in far years.
    since = time - EPOCH
    return since.days * 86_400_000 + since.seconds * 1_000 + since.microseconds // 1_000


def is_too_early(time: datetime | int) -> bool:
    """Return whether `time` lies before 1990-01-01T00:00:00Z."""
    return time < EARLIEST_MS if isinstance(time, int) else time < EARLIEST
