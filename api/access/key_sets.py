"""Which public keys does the identity service sign with?  From a JWKS address or file, or one PEM key; asked seldom."""

from __future__ import annotations

import asyncio
import ipaddress
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import msgspec
import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA"})
FRESH_SECONDS = 300.0
"""Keys are read again after this time."""
MOST_STALE_SECONDS = 3_600.0
"""Keys that could not be read again for so long are not trusted."""
UNKNOWN_KEY_SECONDS = 10.0
"""A key id nobody knows leads to a question at most this often, whoever makes ids up."""
ANSWER_SECONDS = 2.0
MOST_BYTES = 256 * 1024
LEAST_RSA_BITS = 2_048

_log = structlog.get_logger("api.access")


class KeySetAwayError(Exception):
    """The keys of the identity service cannot be had."""


class UnusableKeyError(ValueError):
    """What was given as a public key is none that can be used; says why."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key, and the one algorithm it may verify."""

    kid: str | None
    algorithm: str
    key: Any


class KeySet:
    """Public keys by their id.

    Args:
        read: reads the keys; called in a thread, may raise OSError or UnusableKeyError.
        clock: seconds, monotonic.
    """

    def __init__(self, read: Callable[[], list[VerificationKey]], clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._keys: list[VerificationKey] = []
        self._read_at: float | None = None
        self._tried_at = -1e9
        self._reading = asyncio.Lock()

    async def find(self, kid: str | None) -> VerificationKey | None:
        """The key of this id; without an id the only key there is.  None when nobody knows it.

        Raises:
            KeySetAwayError: the keys could not be read, or not for an hour.
        """
        if self._age() > FRESH_SECONDS:
            await self._refresh()
        found = self._choose(kid)
        if found is None and self._keys:
            await self._refresh()
            found = self._choose(kid)
        if self._age() > MOST_STALE_SECONDS:
            raise KeySetAwayError
        return found

    def _age(self) -> float:
        return float("inf") if self._read_at is None else self._clock() - self._read_at

    def _choose(self, kid: str | None) -> VerificationKey | None:
        if kid is None:
            return self._keys[0] if len(self._keys) == 1 else None
        only_unnamed = len(self._keys) == 1 and self._keys[0].kid is None  # a PEM key has no id
        return self._keys[0] if only_unnamed else next((key for key in self._keys if key.kid == kid), None)

    async def _refresh(self) -> None:
        async with self._reading:  # one asks, the others take its answer
            pause = UNKNOWN_KEY_SECONDS if self._read_at is not None else 1.0
            if self._clock() - self._tried_at < pause:
                return
            self._tried_at = self._clock()
            try:
                keys = await asyncio.to_thread(self._read)
            except (OSError, ValueError) as error:
                _log.warning("key_set_cannot_be_read", error=type(error).__name__)
                return
            self._keys, self._read_at = keys, self._clock()


def source(text: str) -> Callable[[], list[VerificationKey]]:
    """How to read the keys of a setting: a JWKS address, the path of a JWKS or PEM file, or PEM text.

    Raises:
        UnusableKeyError: the address is neither https nor on this machine.
    """
    if text.lstrip().startswith("-----BEGIN"):
        keys = [from_pem(text.replace("\\n", "\n").encode())]
        return lambda: keys
    if "://" in text:
        check_address(text)
        return lambda: from_jwks(_fetch(text))
    return lambda: _from_file(Path(text))


def check_address(address: str) -> None:
    """Raises UnusableKeyError for an address whose answer somebody on the way could forge."""
    parts = urlsplit(address)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname and _is_loopback(parts.hostname):
        return
    raise UnusableKeyError("an https address (http only on this machine)")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Keys come from where they were said to be."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follows nothing; urllib then raises the redirect as an error."""
        return


def _fetch(address: str) -> bytes:
    opener = urllib.request.build_opener(_NoRedirect)
    with opener.open(address, timeout=ANSWER_SECONDS) as response:
        body: bytes = response.read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        raise UnusableKeyError("the key set is too long")
    return body


def _from_file(path: Path) -> list[VerificationKey]:
    text = path.read_bytes()
    return [from_pem(text)] if text.lstrip().startswith(b"-----BEGIN") else from_jwks(text)


def from_pem(text: bytes) -> VerificationKey:
    """The key of a PEM public key; raises UnusableKeyError."""
    try:
        key = serialization.load_pem_public_key(text)
    except ValueError:
        raise UnusableKeyError("a PEM public key (-----BEGIN PUBLIC KEY-----)") from None
    algorithm = _algorithm(key)
    if algorithm is None:
        raise UnusableKeyError("an RSA key of 2,048 bits or more, a P-256 key or an Ed25519 key")
    return VerificationKey(None, algorithm, key)


def from_jwks(document: bytes) -> list[VerificationKey]:
    """The usable keys of a JWKS document; raises UnusableKeyError when it has none."""
    try:
        entries = msgspec.json.decode(document, type=dict[str, Any]).get("keys")
    except msgspec.DecodeError:
        entries = None
    found = [_from_jwk(entry) for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    keys = [key for key in found if key is not None]
    if not keys:
        raise UnusableKeyError("a JWKS document with at least one public RS256, ES256 or EdDSA key")
    return keys


def _from_jwk(entry: dict[str, Any]) -> VerificationKey | None:
    if entry.get("use", "sig") != "sig" or entry.get("kty") == "oct":
        return None
    try:
        key = jwt.PyJWK(entry).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    algorithm = _algorithm(key)
    if algorithm is None or entry.get("alg", algorithm) != algorithm:
        return None
    kid = entry.get("kid")
    return VerificationKey(kid if isinstance(kid, str) else None, algorithm, key)


def _algorithm(key: Any) -> str | None:
    """The algorithm of a public key; None for private ones (which do not belong here), weak and unknown ones."""
    if isinstance(key, rsa.RSAPublicKey):
        return "RS256" if key.key_size >= LEAST_RSA_BITS else None
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "ES256" if isinstance(key.curve, ec.SECP256R1) else None
    return "EdDSA" if isinstance(key, ed25519.Ed25519PublicKey) else None
