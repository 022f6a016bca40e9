"""Who sent this request?  Credentials in its headers become a caller, in microseconds for whoever was seen before."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from api.access.audit import Audit
from api.access.callers import ANYBODY, NOBODY, Caller, forbidden, unauthorized
from api.access.key_sets import KeySetAwayError
from api.access.keys import Keys
from api.access.rate_limits import RateLimits
from api.access.rules import deny
from api.access.sessions import Sessions, cookie_of
from api.access.web_tokens import WebTokens
from api.problems import unavailable
from projections.api_keys import PREFIX

SESSION_PATH = b"/api/session"
READS = frozenset({"GET", "HEAD"})
_BEARER = b"bearer "


class Access:
    """Finds callers.

    Args:
        keys: the API keys.
        web_tokens: checks web tokens; None: there are none.
        sessions: sessions of the page.
        audit: what is written down.
        limits: how often callers may ask.
        required: credentials are asked for even if there never was a key, as beyond loopback.
        origins: other sites whose pages may call (CORS).
        answer_seconds: how long a request waits for the keys at start.
        now: Unix seconds.
    """

    def __init__(
        self,
        keys: Keys,
        web_tokens: WebTokens | None,
        sessions: Sessions,
        audit: Audit,
        limits: RateLimits,
        *,
        required: bool = False,
        origins: frozenset[str] = frozenset(),
        answer_seconds: float = 0.65,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.keys = keys
        self.web_tokens = web_tokens
        self.sessions = sessions
        self.audit = audit
        self.limits = limits
        self.origins = frozenset(origin.encode() for origin in origins)
        self._required = required or web_tokens is not None
        self._answer_seconds = answer_seconds
        self._now = now

    async def open(self) -> None:
        """Starts reading keys and writing the audit log."""
        await self.keys.open()
        await self.audit.open()

    async def close(self) -> None:
        """Ends both, the audit log after what it was told."""
        await self.keys.close()
        await self.audit.close()

    @property
    def is_open(self) -> bool:
        """Whether no credentials are asked for: nothing demands them, and it is certain that no key was ever made."""
        return not self._required and self.keys.known and not self.keys.ever

    async def caller(self, scope: Any, headers: dict[bytes, bytes]) -> Caller:
        """The caller of a request; raises the problem of bad credentials (401), or that nobody can tell now (503)."""
        if not self._required and not self.keys.known and not await self.keys.wait_until_known(self._answer_seconds):
            raise unavailable("Postgres, which holds the API keys,")
        if self.is_open:
            return ANYBODY
        credentials = _credentials(headers)
        if credentials is None:
            return await self._of_session(scope, headers)
        if credentials.startswith(PREFIX):
            return await self._of_key(scope, credentials)
        return await self._of_web_token(scope, credentials)

    def check_origin(self, scope: Any, headers: dict[bytes, bytes]) -> None:
        """Raises the problem (403) of a change that a page of another site, or one without a session, asks for.

        Programs send no Origin.  Browsers do, whatever page is open in them: an API on loopback that asks for no
        credentials would otherwise obey any site its user visits.
        """
        origin = headers.get(b"origin")
        if origin is None or scope["method"] in READS or origin in self.origins:
            return
        host = headers.get(b"host", b"").lower()
        if origin.lower() not in {b"http://" + host, b"https://" + host}:
            raise deny(
                scope,
                "foreign-origin",
                forbidden("Pages of this origin may not change anything here; CORS_ORIGINS lists those that may."),
            )
        if self.is_open and scope["raw_path"] != SESSION_PATH and self._session_key(headers) != "":
            raise deny(
                scope, "no-session", forbidden("A page needs a session to change anything: POST /api/session first.")
            )

    async def _of_key(self, scope: Any, secret: str) -> Caller:
        if not self.keys.known and not await self.keys.wait_until_known(self._answer_seconds):
            raise unavailable("Postgres, which holds the API keys,")
        caller = self.keys.find(secret)
        if caller is None:
            raise _bad(scope, "key", "This API key is not good: unknown, expired or revoked.")
        return caller

    async def _of_web_token(self, scope: Any, token: str) -> Caller:
        if self.web_tokens is None:
            raise _bad(scope, "key", "These credentials are no API key, and web tokens are not configured here.")
        try:
            caller = self.web_tokens.remembered(token) or await self.web_tokens.check(token)
        except KeySetAwayError:
            raise unavailable("The identity service, which has the keys of web tokens,") from None
        if caller is None:
            raise _bad(scope, "web-token", "This web token is not good: signature, issuer, audience, time or subject.")
        return caller

    async def _of_session(self, scope: Any, headers: dict[bytes, bytes]) -> Caller:
        key_id = self._session_key(headers)
        if not key_id:
            return NOBODY
        if not self.keys.known and not await self.keys.wait_until_known(self._answer_seconds):
            raise unavailable("Postgres, which holds the API keys,")
        # A change that carries only a cookie has to say which page it comes from; `check_origin` has looked at it.
        if scope["method"] not in READS and b"origin" not in headers:
            return NOBODY
        return self.keys.by_id(key_id) or NOBODY

    def _session_key(self, headers: dict[bytes, bytes]) -> str | None:
        token = cookie_of(headers.get(b"cookie", b""))
        return self.sessions.read(token, self._now()) if token else None


def _credentials(headers: dict[bytes, bytes]) -> str | None:
    authorization = headers.get(b"authorization")
    if authorization is not None and authorization[:7].lower() == _BEARER:
        return authorization[7:].strip().decode("latin-1")
    key = headers.get(b"x-api-key")
    return key.decode("latin-1") if key is not None else None


def _bad(scope: Any, reason: str, detail: str) -> Exception:
    return deny(scope, f"bad-{reason}", unauthorized(detail, b'Bearer error="invalid_token"'))
