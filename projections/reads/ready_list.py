"""In which form does a recommendation list lie ready in Redis?  One blob of JSON that is cut, never decoded.

The items stand behind each other as one JSON array without its closing bracket; ``ends[k]`` is where item k + 1 ends,
so the first k items are ``blob[:ends[k - 1]] + b"]"``: one copy, whatever the items hold.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

EXPLORATION = "exploration"
"""The arm of an explored item in impressions."""
MOST_ITEMS = 20
"""Items of a list kept in Redis, about 8 KB; a reader who wants more asks Postgres."""


class ReadyList(Struct, frozen=True, array_like=True, gc=False):
    """A list, ready to be served."""

    generated_at_ms: int
    as_of_ms: int
    """Event time that the list reflects [Unix ms]."""
    ends: tuple[int, ...]
    blob: bytes
    complete: bool = True
    """False when the list holds more items than are kept here."""
    slot_rank: int = 0
    """Rank at which exploration may place an item, from 1; 0: nowhere in this list."""
    explored: bool = False
    """Whether it did."""
    propensity: float = 1.0
    """Probability with which the item at that rank is shown there."""

    def body(self, limit: int) -> bytes:
        """The JSON array of the first ``limit`` items.

        >>> pack([b'{"a":1}', b'{"a":2}'], generated_at_ms=0, as_of_ms=0).body(1)
        b'[{"a":1}]'
        """
        count = min(limit, len(self.ends))
        return self.blob[: self.ends[count - 1]] + b"]" if count else b"[]"

    def holds(self, limit: int) -> bool:
        """Whether nothing is missing from an answer of ``limit`` items."""
        return self.complete or limit <= len(self.ends)


def pack(items: Sequence[bytes], *, generated_at_ms: int, as_of_ms: int, most: int | None = None) -> ReadyList:
    """A ready list of items that are JSON already, best first; with ``most``, the first so many of them."""
    kept = items[:most]
    ends: list[int] = []
    end = 0
    for item in kept:
        end += 1 + len(item)  # the bracket or comma before it
        ends.append(end)
    return ReadyList(
        generated_at_ms=generated_at_ms,
        as_of_ms=as_of_ms,
        ends=tuple(ends),
        blob=b"[" + b",".join(kept),
        complete=len(kept) == len(items),
    )


encode = msgspec.msgpack.Encoder().encode
"""The payload that goes to Redis."""
decode = msgspec.msgpack.Decoder(ReadyList).decode
"""The list in a payload; raises ``msgspec.DecodeError``."""
