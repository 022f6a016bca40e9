"""What the tests of access share: an identity service with keys of its own, and callers of every kind."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER = "https://users.example"
AUDIENCE = "personalize"


class Identity:
    """Signs web tokens; its public keys stand in a JWKS file."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "jwks.json"
        self.rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())
        self.ed = ed25519.Ed25519PrivateKey.generate()
        self.publish({"r": self.rsa, "e": self.ec, "d": self.ed})

    def publish(self, keys: dict[str, Any]) -> None:
        """Writes the public keys."""
        self.file.write_text(json.dumps({"keys": [jwk(key, kid) for kid, key in keys.items()]}))

    def token(
        self, sub: str = "u-self", *, kid: str | None = "e", algorithm: str = "ES256", key: Any = None, **claims: Any
    ) -> str:
        """A token with good claims, unless they are given otherwise (None: left out)."""
        said = {"sub": sub, "iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 300, **claims}
        headers = {"kid": kid} if kid is not None else {}
        return jwt.encode(
            {name: value for name, value in said.items() if value is not None},
            key if key is not None else {"ES256": self.ec, "RS256": self.rsa, "EdDSA": self.ed}[algorithm],
            algorithm=algorithm,
            headers=headers,
        )


def jwk(key: Any, kid: str) -> dict[str, Any]:
    """The public half of a key, as JWKS says it."""
    to_jwk: Callable[..., dict[str, Any]] = (
        RSAAlgorithm.to_jwk
        if isinstance(key, rsa.RSAPrivateKey)
        else ECAlgorithm.to_jwk
        if isinstance(key, ec.EllipticCurvePrivateKey)
        else OKPAlgorithm.to_jwk
    )
    return {**to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"}


def pem(key: Any) -> bytes:
    """The public half of a key, as PEM says it."""
    return bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def bearer(credentials: str) -> dict[str, str]:
    """The headers of a request with these credentials."""
    return {"authorization": f"Bearer {credentials}"}
