"""How can any POST be sent again?  Under an ``Idempotency-Key``: what was answered once is answered again, for a day.

Only success is kept: a request that failed may be tried again under its key.  Without Redis nothing is kept; commands
are then still carried out once, because their id follows from the key, and events because of their ``eventId``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from api.access.rules import caller_of
from api.problems import Answer, bad_parameter, problem
from projections.stores.redis_bookkeeping import Bookkeeping
from schemas.notifications import stable_id

_KEY = re.compile(rb"[!-~]{1,128}\Z")
HEADER = b"idempotency-key"
REPLAYED = (b"idempotency-replayed", b"true")
KEPT_SECONDS = 86_400
IN_FLIGHT_SECONDS = 60
"""A key whose request never ended (its process died) may be used again after this time."""
_DIGEST_BYTES = 32

T = TypeVar("T")

_decode = msgspec.msgpack.Decoder(tuple[int, list[tuple[bytes, bytes]], bytes]).decode
_encode = msgspec.msgpack.Encoder().encode


def repeatable(headers: dict[bytes, bytes], *what: str) -> str | None:
    """The id of a command that is sent again under its ``Idempotency-Key``; None without one."""
    given = headers.get(HEADER)
    if given is None:
        return None
    return stable_id("command", *what, key_of(given))


def key_of(given: bytes) -> str:
    """The key in an ``Idempotency-Key`` header: 1 to 128 visible ASCII characters; raises the problem of another."""
    if not _KEY.match(given):
        raise bad_parameter("Idempotency-Key", "Send 1 to 128 visible ASCII characters, such as a UUID.")
    return given.decode("ascii")


class Idempotency:
    """Remembers answers.

    Args:
        bookkeeping: where processes remember together; None: nothing is remembered.
    """

    def __init__(self, bookkeeping: Bookkeeping | None) -> None:
        self._bookkeeping = bookkeeping

    async def once(
        self, scope: Any, headers: dict[bytes, bytes], body: bytes, serve: Callable[[], Awaitable[T]]
    ) -> Answer | T:
        """What ``serve`` answers, or what it answered when the key was used before.

        Raises:
            ProblemError: 422 for a key that was used for something else, 409 while that request is under way.
        """
        name = key_of(headers[HEADER])
        if self._bookkeeping is None:
            return await serve()
        key = _digest(caller_of(scope).name.encode(), scope["method"].encode(), scope["raw_path"], name.encode()).hex()
        fingerprint = _digest(scope["query_string"], headers.get(b"content-type", b""), body)
        stored = await self._bookkeeping.begin(key, fingerprint, IN_FLIGHT_SECONDS)
        if stored:
            return _again(stored, fingerprint)
        done = False
        try:
            answer = await serve()
            if isinstance(answer, Answer) and _is_final(answer):
                done = True
                kept = fingerprint + _encode((answer.status, answer.headers, answer.body))
                await self._bookkeeping.finish(key, kept, KEPT_SECONDS)
            return answer
        finally:
            if not done and stored is not None:
                await self._bookkeeping.abandon(key)


def _again(stored: bytes, fingerprint: bytes) -> Answer:
    if stored[:_DIGEST_BYTES] != fingerprint:
        raise problem(
            422,
            "This Idempotency-Key was used with another body. Use a new key for a new request.",
            kind="idempotency-key-reused",
            title="Idempotency key reused",
        )
    if len(stored) == _DIGEST_BYTES:
        raise problem(
            409,
            "The request with this Idempotency-Key is under way. Ask again in a moment.",
            kind="in-flight",
            title="Request under way",
            headers=[(b"retry-after", b"1")],
        )
    status, headers, body = _decode(stored[_DIGEST_BYTES:])
    return Answer(status, [*headers, REPLAYED], body)


def _is_final(answer: Answer) -> bool:
    """Whether an answer is a success; a command without a verdict yet is asked again, under its own id."""
    pending = answer.status == 202 and any(name == b"location" for name, _ in answer.headers)
    return 200 <= answer.status < 300 and not pending


def _digest(*parts: bytes) -> bytes:
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "big") + part)
    return found.digest()
