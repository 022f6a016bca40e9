"""Is this web token (JWT) good, and whose is it?  Checked against the identity service's public keys, nothing else.

Only signatures that need a private key count (RS256, ES256, EdDSA), each with a key of its own type, so that neither
``none`` nor a public key used as a password can sign.  Issuer, audience, expiry and subject are required.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt

from api.access.callers import OF_LEARNERS, Caller, Scope, scopes_of
from api.access.key_sets import ALGORITHMS, KeySet
from api.remembered import Remembered
from schemas.fields import MAX_ID_LENGTH

MOST_CHARACTERS = 8_192
REMEMBERED_SECONDS = 60.0
"""A checked token is not checked again for so long; checking takes about 100 µs."""
MOST_REMEMBERED = 10_000
LATEST_EXPIRY = 100_000_000_000
"""[Unix s]; what claims to be good in a thousand years is no expiry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebTokenSettings:
    """Which web tokens are accepted."""

    issuer: str
    audience: str
    key_source: str
    """Public keys: the address (https) or path of a JWKS document, or a PEM public key or the path of one."""
    leeway_seconds: float = 30.0
    """Clocks may differ by so much."""


class WebTokens:
    """Checks web tokens.

    Args:
        settings: issuer, audience, leeway.
        keys: the identity service's keys.
        pseudonym: a keyed hash of an id, for the audit log.
        now: Unix seconds.
    """

    def __init__(
        self,
        settings: WebTokenSettings,
        keys: KeySet,
        pseudonym: Callable[[str], str],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._pseudonym = pseudonym
        self._now = now
        self._remembered: Remembered[tuple[float, Caller]] = Remembered(MOST_REMEMBERED)

    def remembered(self, token: str) -> Caller | None:
        """The caller of a token that was checked a moment ago and is good still."""
        found = self._remembered.get(_digest(token))
        return found[1] if found is not None and found[0] > self._now() else None

    async def check(self, token: str) -> Caller | None:
        """The caller of a token; None for a token that is not good.

        Raises:
            KeySetAwayError: the keys cannot be had, so nobody can tell.
        """
        caller = self.remembered(token)
        if caller is not None:
            return caller
        claims = await self._claims(token)
        caller = self._caller(claims) if claims is not None else None
        if caller is not None:
            until = min(caller.expires_at, self._now() + REMEMBERED_SECONDS)
            self._remembered.put(_digest(token), (until, caller))
        return caller

    async def _claims(self, token: str) -> dict[str, Any] | None:
        if len(token) > MOST_CHARACTERS:
            return None
        try:
            header = jwt.get_unverified_header(token)
        except jwt.InvalidTokenError:
            return None
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in ALGORITHMS or not isinstance(kid, str | None):
            return None
        key = await self._keys.find(kid)
        if key is None or key.algorithm != algorithm:
            return None
        try:
            return jwt.decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                audience=self._settings.audience,
                issuer=self._settings.issuer,
                leeway=self._settings.leeway_seconds,
                options={"require": ["exp", "sub", "iss", "aud"]},
            )
        except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError):
            return None

    def _caller(self, claims: dict[str, Any]) -> Caller | None:
        subject = claims["sub"]
        if not isinstance(subject, str) or not 1 <= len(subject) <= MAX_ID_LENGTH or "\0" in subject:
            return None
        expires_at = int(claims["exp"])
        if expires_at > LATEST_EXPIRY:
            return None
        words = claims.get("scope", claims.get("scp", ()))
        granted = scopes_of(words.split() if isinstance(words, str) else words)
        admin = Scope.ADMIN in granted
        return Caller(
            name=f"{'admin' if admin else 'learner'}:{self._pseudonym(subject)}",
            scopes=granted if admin else OF_LEARNERS,
            subject=None if admin else subject,
            expires_at=expires_at + self._settings.leeway_seconds,
        )


def _digest(token: str) -> bytes:
    # Tokens are not kept: memory may end in a core file.
    return hashlib.sha256(token.encode("latin-1", "replace")).digest()
