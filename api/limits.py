"""How much may one request ask for?  Every bound of the API, and the guards that hold requests to them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from api.problems import ProblemError, problem
from schemas.fields import MAX_LINE_BYTES

Receive = Callable[[], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The bounds, each with its unit."""

    body_bytes: int = 16 * 1024 * 1024
    line_bytes: int = MAX_LINE_BYTES
    items: int = 50_000
    """Items in one body, array or lines."""
    body_seconds: float = 10.0
    """From the headers to the end of the body."""
    header_bytes: int = 32 * 1024
    headers: int = 100
    url_bytes: int = 8 * 1024
    requests_in_flight: int = 1_000
    wait_seconds: float = 10.0
    """Longest that ``Prefer: wait=N`` is granted."""
    usual_wait_seconds: float = 2.0
    """What a command or a read with a token waits when it does not say."""
    stream_seconds: float = 900.0
    """A stream of events ends after this time and is resumed, maybe elsewhere, by whoever still may."""
    answer_seconds: float = 0.65
    """Postgres has this long to answer, and Kafka to acknowledge; then the request is refused (503).

    A request may wait for Redis twice before (its rate, then a list or its idempotency key): within a second together.
    """
    errors: int = 100
    """Refused items that one answer describes."""


def check_url_and_headers(limits: Limits, scope: Any) -> None:
    """Raises the problem of a request whose line or headers are too long."""
    if len(scope["raw_path"]) + len(scope["query_string"]) > limits.url_bytes:
        raise problem(414, f"Path and query may have {limits.url_bytes} bytes.")
    headers = scope["headers"]
    if len(headers) > limits.headers or sum(len(name) + len(value) for name, value in headers) > limits.header_bytes:
        raise problem(431, f"At most {limits.headers} headers of {limits.header_bytes} bytes together.")


def bounded_body(limits: Limits, content_length: bytes | None, receive: Receive) -> Receive:
    """``receive`` that ends a body which is too long (413) or too slow (408) by raising the problem."""
    if content_length is not None and content_length.isdigit() and int(content_length) > limits.body_bytes:
        raise _too_large(limits)
    deadline = asyncio.get_running_loop().time() + limits.body_seconds
    received = 0

    async def bounded() -> Any:
        nonlocal received
        try:
            async with asyncio.timeout_at(deadline if received >= 0 else None):
                message = await receive()
        except TimeoutError:
            raise problem(
                408,
                f"The body has to arrive within {limits.body_seconds:g} s of the headers.",
                headers=[(b"connection", b"close")],
            ) from None
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            if received > limits.body_bytes:
                raise _too_large(limits)
            if not message.get("more_body", False):
                received = -1  # the body is complete: what comes next is the disconnect, which has no deadline
        return message

    return bounded


def _too_large(limits: Limits) -> ProblemError:
    return problem(
        413,
        f"A body may have {limits.body_bytes} bytes. Send it in parts.",
        # The rest of the body is not read; the connection cannot serve another request.
        headers=[(b"connection", b"close")],
    )
