"""What stands in a request's body?  One JSON object, an array, or lines of them, cut into items, none decoded."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from api.limits import Limits
from api.problems import problem
from schemas.invalid import Invalid, Reason
from schemas.receipts import RejectedItem

JSON = frozenset({b"application/json"})
LINES = frozenset({b"application/x-ndjson", b"application/ndjson", b"application/jsonl"})
_BLANK = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a body."""

    value: bytes
    index: int | None = None
    """Place in an array from 0; 0 for a single object."""
    line: int | None = None
    """Line of NDJSON, from 1."""
    pointer: str = ""
    """JSON Pointer to the item within the body."""

    def rejected(self, invalid: Invalid) -> RejectedItem:
        """The outcome of an item that was refused."""
        return RejectedItem(
            reason_code=invalid.reason_code,
            pointer=invalid.pointer,
            detail=invalid.detail,
            index=self.index,
            line=self.line,
        )


def check_media_type(headers: dict[bytes, bytes], *, lines: bool) -> bool:
    """Whether the body is NDJSON; raises the problem of a body that is not JSON (415)."""
    kinds = JSON | LINES if lines else JSON
    kind, _, parameters = headers.get(b"content-type", b"").partition(b";")
    name = kind.strip().lower()
    charset = parameters.strip().lower().removeprefix(b"charset=").strip(b'"')
    if name not in kinds or charset not in {b"", b"utf-8"}:
        wanted = b", ".join(sorted(kinds))
        raise problem(415, f"Send Content-Type: {wanted.decode()}, in UTF-8.", headers=[(b"accept-post", wanted)])
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise problem(415, "Send the body without Content-Encoding.")
    return name in LINES


def split(body: bytes, *, lines: bool, limits: Limits) -> list[Item]:
    """The items of a body, in order; raises the problem of one that is no JSON at all or holds too many."""
    if lines:
        items = [
            Item(line, line=number) for number, line in enumerate(body.split(b"\n"), start=1) if line.strip(_BLANK)
        ]
    elif body.lstrip(_BLANK)[:1] == b"[":
        try:
            items = [Item(bytes(raw), index=index, pointer=f"/{index}") for index, raw in enumerate(_array(body))]
        except (msgspec.DecodeError, RecursionError):
            raise not_json() from None
    else:
        items = [Item(body, index=0)]
    if len(items) > limits.items:
        raise problem(413, f"A body may hold {limits.items} items. Send it in parts.", kind="too-many-items")
    return items


_array = msgspec.json.Decoder(list[msgspec.Raw]).decode


def too_long_line(item: Item, limits: Limits) -> Invalid | None:
    """The refusal of a line that is too long."""
    if item.line is None or len(item.value) <= limits.line_bytes:
        return None
    return Invalid(Reason.TOO_LARGE, "", f"A line may have {limits.line_bytes} bytes.")


def not_json() -> Exception:
    """The problem of a body that is not JSON."""
    return problem(400, "The body is not JSON in UTF-8.", kind="not-json", title="Body is not JSON")
