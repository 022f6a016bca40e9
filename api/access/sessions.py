"""How does the page at ``/`` publish without a key in the browser?  By a session: short, signed, same origin only.

The token is ``base64url(msgpack([key id, expires at]) + HMAC-SHA-256)`` in a cookie that scripts cannot read and that
browsers send to this site only, from this site only.  It grants what its key grants now; "" for the key id stands for
an API that asks for no credentials, and is good only for as long as it does not.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec

COOKIE = "personalize_session"
SECONDS = 900
MOST_CHARACTERS = 256
_CONTEXT = b"page-session-1\0"

_decode = msgspec.msgpack.Decoder(tuple[str, int]).decode
_encode = msgspec.msgpack.Encoder().encode


class Sessions:
    """Makes and reads sessions with the secret that all API processes share."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), _CONTEXT, hashlib.sha256)

    def make(self, key_id: str, now: float) -> str:
        """The token of a session that begins now [Unix s]."""
        payload = _encode((key_id, int(now) + SECONDS))
        return urlsafe_b64encode(payload + hmac.digest(self._key, payload, "sha256")).rstrip(b"=").decode()

    def read(self, token: str, now: float) -> str | None:
        """The key id of a session that is good now; None for one that is not."""
        if len(token) > MOST_CHARACTERS or not token.isascii():
            return None
        try:
            data = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except (binascii.Error, ValueError):
            return None
        payload, signature = data[:-32], data[-32:]
        if not hmac.compare_digest(hmac.digest(self._key, payload, "sha256"), signature):
            return None
        try:
            key_id, expires_at = _decode(payload)
        except msgspec.DecodeError:
            return None
        return key_id if now < expires_at else None


def cookie_of(header: bytes) -> str | None:
    """The session's token in a Cookie header."""
    for part in header.split(b";"):
        name, _, value = part.strip().partition(b"=")
        if name == COOKIE.encode():
            return value.decode("latin-1")
    return None


def set_cookie(token: str, *, secure: bool) -> bytes:
    """The Set-Cookie header that begins a session."""
    attributes = f"{COOKIE}={token}; Path=/; Max-Age={SECONDS}; HttpOnly; SameSite=Strict"
    return (attributes + ("; Secure" if secure else "")).encode()
