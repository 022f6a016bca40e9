"""How does an answer say how new it is?  The freshness headers of every read, and waiting for a presented token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from api.limits import Limits
from api.metrics import Metrics
from api.parameters import TOKEN, wait_seconds
from api.problems import Headers, ProblemError, bad_parameter
from api.tokens import InvalidTokenError, Positions, Tokens, merge
from api.waiting import Waiting
from projections.reads.freshness import Seen, moment, relevant

TOKEN_HEADER = b"x-consistency-token"
PREFER_HEADER = b"prefer"


@dataclass(frozen=True, slots=True)
class Awaited:
    """How waiting for a token ended."""

    presented: Positions
    """What the token named; {} without a token."""
    seconds_left: float
    stale: bool

    def marked(self, body: Any) -> Any:
        """A body with a member ``freshness``, which says itself if the answer is stale."""
        if not self.stale:
            return body
        return msgspec.structs.replace(body, freshness=msgspec.structs.replace(body.freshness, stale=True))


class Freshness:
    """Waits for tokens and writes the headers."""

    def __init__(self, tokens: Tokens, waiting: Waiting, limits: Limits, metrics: Metrics) -> None:
        self._tokens = tokens
        self._waiting = waiting
        self._limits = limits
        self._metrics = metrics

    def presented(self, headers: dict[bytes, bytes], parameters: dict[str, str]) -> Positions:
        """The positions that a request's token (header or query) names; raises the problem of a bad token."""
        given = [text for text in (headers.get(TOKEN_HEADER, b"").decode("latin-1"), parameters.get(TOKEN, "")) if text]
        try:
            return merge(self._tokens.read(text) for text in given)
        except InvalidTokenError:
            raise invalid_token() from None

    def wait_seconds(self, headers: dict[bytes, bytes]) -> float:
        """How long the request is ready to wait."""
        return wait_seconds(headers.get(PREFER_HEADER), self._limits.usual_wait_seconds, self._limits.wait_seconds)

    @staticmethod
    def is_patient(headers: dict[bytes, bytes]) -> bool:
        """Whether the request says itself how long it is ready to wait."""
        return PREFER_HEADER in headers

    async def wait(self, headers: dict[bytes, bytes], parameters: dict[str, str], part: int | None) -> Awaited:
        """Waits until the read models have passed the request's token, as far as it concerns ``part`` (None: all)."""
        presented = self.presented(headers, parameters)
        if not presented:
            return Awaited(presented, 0.0, stale=False)
        seconds = self.wait_seconds(headers)
        patient = self.is_patient(headers)
        left = await self._waiting.for_positions(relevant(presented, part), seconds, patient=patient)
        if left is None:
            self._metrics.stale.inc()
        return Awaited(presented, left or 0.0, stale=left is None)

    def token(self, *parts: Positions) -> str:
        """The token of everything that these positions name."""
        return self._tokens.make(merge(parts))

    def headers(self, what: Seen, awaited: Awaited, now_ms: int) -> Headers:
        """The headers of an answer that reflects ``what``."""
        headers: Headers = [(b"cache-control", b"private, no-cache")]
        if what.as_of_ms:
            headers.append((b"x-as-of", timestamp(what.as_of_ms)))
        if what.moved_at_ms:
            headers.append((b"x-data-age-ms", b"%d" % max(0, now_ms - what.moved_at_ms)))
        if what.positions:
            headers.append((b"x-position", position_text(what.positions)))
        token = self.token(what.positions, awaited.presented)
        if token:
            headers.append((TOKEN_HEADER, token.encode()))
        if awaited.stale:
            headers.append((b"x-stale", b"true"))
        return headers


def timestamp(at_ms: int) -> bytes:
    """RFC 3339 in UTC with milliseconds."""
    return moment(at_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()


def position_text(positions: Positions) -> bytes:
    """``topic/partition@offset``, several separated by commas."""
    return ",".join(f"{topic}/{part}@{offset}" for (topic, part), offset in sorted(positions.items())).encode()


def invalid_token() -> ProblemError:
    """The problem of a token that was not made here."""
    return bad_parameter(
        "X-Consistency-Token", "Send a token exactly as an answer of this API gave it, or none to read what there is."
    )
