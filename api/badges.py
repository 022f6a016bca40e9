"""What does a learner take along?  Unlocked achievements as Open Badges 3.0 credentials, signed with the issuer's key.

A credential is a W3C Verifiable Credential (data model 2.0) secured as a JWT (VC-JOSE: the payload is the credential,
header ``typ`` is ``vc+jwt``) with Ed25519 (``EdDSA``).  The learner stands in it as a salted hash of the platform's id:
who knows the id can check it, nobody can read it out.
"""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from projections.reads.recognition import Held

CONTEXT: Final = (
    "https://www.w3.org/ns/credentials/v2",
    "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
)
MEDIA_TYPE: Final = "application/vc+jwt"
ISSUER_PATH: Final = "/api/badges/issuer"
KEYS_PATH: Final = "/api/badges/keys"


class BadKeyError(ValueError):
    """The file does not hold an Ed25519 private key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadgeIssuer:
    """Who issues credentials."""

    key: Ed25519PrivateKey
    name: str = "Personalize"
    """Shown to whoever checks a credential."""
    base_url: str = "http://127.0.0.1:3009"
    """Where the issuer's profile and keys are found."""

    @property
    def id(self) -> str:
        """The issuer's URL."""
        return self.base_url.rstrip("/") + ISSUER_PATH

    @property
    def key_id(self) -> str:
        """Thumbprint of the public key (RFC 7638)."""
        canonical = f'{{"crv":"Ed25519","kty":"OKP","x":"{self._x()}"}}'
        return _base64url(hashlib.sha256(canonical.encode()).digest())

    def profile(self) -> dict[str, Any]:
        """The issuer as Open Badges 3.0 describes one."""
        return {"id": self.id, "type": ["Profile"], "name": self.name, "url": self.base_url}

    def keys(self) -> dict[str, Any]:
        """The public key as a JSON Web Key Set (RFC 8037)."""
        public = {"kty": "OKP", "crv": "Ed25519", "x": self._x(), "kid": self.key_id, "use": "sig", "alg": "EdDSA"}
        return {"keys": [public]}

    def signed(self, held: Held, user_id: str, salt: str) -> str:
        """The credential of an achievement as a compact JWT."""
        payload = credential(self, held, user_id, salt)
        claims = {
            **payload,
            "iss": self.id,
            "jti": payload["id"],
            "nbf": int(held.unlocked_at.timestamp()),
        }
        return jwt.encode(claims, self.key, "EdDSA", headers={"typ": "vc+jwt", "kid": self.key_id})

    def _x(self) -> str:
        raw = self.key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return _base64url(raw)


def credential(issuer: BadgeIssuer, held: Held, user_id: str, salt: str) -> dict[str, Any]:
    """The unsigned credential: an AchievementCredential of Open Badges 3.0."""
    rule = held.rule
    step = rule.tiers[held.tier - 1]
    within = f", in {held.period}" if held.period else ""
    return {
        "@context": list(CONTEXT),
        "id": f"urn:uuid:{held.unlock_id}",
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "issuer": issuer.profile(),
        "name": step.title or rule.title,
        "validFrom": held.unlocked_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "credentialSubject": {
            "type": ["AchievementSubject"],
            "identifier": [
                {
                    "type": "IdentityObject",
                    "hashed": True,
                    "identityHash": identity_hash(user_id, salt),
                    "identityType": "systemId",
                    "salt": salt,
                }
            ],
            "achievement": {
                "id": f"{issuer.id}#{rule.id}/{held.tier}",
                "type": ["Achievement"],
                "name": step.title or rule.title,
                "description": rule.description,
                "criteria": {"narrative": f"{rule.description} Tier {held.tier}: {step.gte:g}{within}."},
            },
        },
    }


def identity_hash(user_id: str, salt: str) -> str:
    """A learner's id as a credential names it: SHA-256 of the id with the salt behind it."""
    return "sha256$" + hashlib.sha256((user_id + salt).encode()).hexdigest()


def new_salt() -> str:
    """128 random bits in hexadecimal."""
    return os.urandom(16).hex()


def load_key(path: Path) -> Ed25519PrivateKey:
    """The issuer's key from its file, which is made, readable by its owner alone, when there is none.

    Raises:
        BadKeyError: the file holds something else.
        OSError: it can be neither read nor made.
    """
    if not path.exists():
        _make_key(path)
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise BadKeyError(f"{path} holds no unencrypted PEM private key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise BadKeyError(f"{path} holds a key of another kind than Ed25519")
    return key


def _make_key(path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    # Written aside and linked: of two processes that start together one makes the key, and both read the same.
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink()


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
