"""Web tokens: only what the identity service signed, for this API, now, for a subject."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from access_kit import AUDIENCE, ISSUER, Identity, pem
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from api.access.callers import EVERYTHING, OF_LEARNERS, Caller
from api.access.key_sets import KeySet, KeySetAwayError, UnusableKeyError, VerificationKey, from_jwks, from_pem, source
from api.access.web_tokens import WebTokens, WebTokenSettings


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    """An identity service."""
    return Identity(tmp_path_factory.mktemp("identity"))


def checker(identity: Identity, **more: Any) -> WebTokens:
    """Checks tokens against the identity service's file."""
    settings = WebTokenSettings(issuer=ISSUER, audience=AUDIENCE, key_source=str(identity.file), leeway_seconds=5)
    return WebTokens(settings, KeySet(source(settings.key_source)), lambda text: f"hash-of-{len(text)}", **more)


def caller(identity: Identity, token: str) -> Caller | None:
    """Who a token speaks for."""
    return asyncio.run(checker(identity).check(token))


@pytest.mark.parametrize(("algorithm", "kid"), [("RS256", "r"), ("ES256", "e"), ("EdDSA", "d")])
def test_good_tokens(identity: Identity, algorithm: str, kid: str) -> None:
    """A token of each algorithm speaks for its subject alone; its name in the log is a hash."""
    found = caller(identity, identity.token("u-1", kid=kid, algorithm=algorithm))
    assert found is not None
    assert (found.subject, found.scopes, found.name) == ("u-1", OF_LEARNERS, "learner:hash-of-3")
    assert found.reaches("u-1")
    assert not found.reaches("u-2")


@pytest.mark.parametrize("scope", ["admin", "openid admin", ["admin"]])
def test_administrators(identity: Identity, scope: Any) -> None:
    """The scope `admin` reaches everybody."""
    found = caller(identity, identity.token("boss", scope=scope))
    assert found is not None
    assert (found.subject, found.scopes) == (None, EVERYTHING)


@pytest.mark.parametrize("scope", ["administrator", {"admin": True}, 7, ["openid", 3], "catalogue:write"])
def test_other_scopes_grant_nothing_more(identity: Identity, scope: Any) -> None:
    """Whatever else a scope claim holds, the token is a learner's."""
    found = caller(identity, identity.token("u-1", scope=scope))
    assert found is not None
    assert (found.subject, found.scopes) == ("u-1", OF_LEARNERS)


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1_000_000_000},
        {"exp": None},
        {"exp": "soon"},
        {"exp": 10**400},
        {"nbf": 4_000_000_000},
        {"iss": "https://else.example"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 129},
        {"sub": "a\0b"},
    ],
)
def test_claims_that_are_refused(identity: Identity, claims: dict[str, Any]) -> None:
    """Expired, not yet good, for others, or for nobody."""
    assert caller(identity, identity.token(**claims)) is None


def test_leeway(identity: Identity) -> None:
    """Clocks may differ a little."""
    assert caller(identity, identity.token(exp=int(time.time()) - 2)) is not None


def test_forged_signatures(identity: Identity, tmp_path: Path) -> None:
    """No signature, a stranger's, a password made of the public key, another key's algorithm: none is good."""
    stranger = Identity(tmp_path)
    claims = {"sub": "u", "iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 300}
    public = pem(identity.ec)

    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    def by_hand(header: dict[str, Any], signature: bytes = b"") -> str:
        signed = f"{part(header)}.{part(claims)}"
        return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"

    confused = f"{part({'alg': 'HS256', 'kid': 'e'})}.{part(claims)}"
    digest = hmac.digest(public, confused.encode(), hashlib.sha256)
    good = identity.token()
    tokens = [
        stranger.token(),
        by_hand({"alg": "none"}),
        by_hand({"alg": "None", "kid": "e"}),
        by_hand({"alg": "ES256", "kid": "e"}),
        confused + "." + base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        jwt.encode(claims, identity.rsa, algorithm="RS256", headers={"kid": "e"}),
        jwt.encode(claims, identity.rsa, algorithm="PS256", headers={"kid": "r"}),
        jwt.encode(claims, identity.ec, algorithm="ES256", headers={"kid": "unknown"}),
        jwt.encode(claims, identity.ec, algorithm="ES256"),  # no kid, several keys
        good[:-6] + "AAAAAA",
        good.rpartition(".")[0],
        good.replace(".", ""),
        "a.b.c",
        "..",
        "é.é.é",
        good + "x" * 9_000,
    ]
    assert [token for token in tokens if caller(identity, token) is not None] == []
    assert caller(identity, good) is not None


def test_a_checked_token_ends_on_time(identity: Identity) -> None:
    """A remembered token is good no longer than it says."""
    now = time.time()
    clock = [now]
    tokens = checker(identity, now=lambda: clock[0])
    token = identity.token(exp=int(now) + 20)
    assert asyncio.run(tokens.check(token)) is not None
    assert tokens.remembered(token) is not None
    clock[0] = now + 26
    assert tokens.remembered(token) is None


def test_new_keys_are_found_and_made_up_ones_cost_one_question(identity: Identity) -> None:
    """An unknown key id leads to one reading; the next only after a while.  A key goes with its set."""
    key = from_pem(pem(identity.ec))
    sets = [[VerificationKey("one", key.algorithm, key.key)]]
    read: list[int] = []
    clock = [1000.0]

    def reading() -> list[VerificationKey]:
        read.append(1)
        return sets[-1]

    async def main() -> None:
        keys = KeySet(reading, clock=lambda: clock[0])
        assert await keys.find("one") is not None
        clock[0] += 11
        for n in range(50):
            assert await keys.find(f"made-up-{n}") is None
        assert len(read) == 2
        sets.append([VerificationKey("two", key.algorithm, key.key)])
        clock[0] += 11
        assert await keys.find("two") is not None
        assert await keys.find("one") is None
        assert len(read) == 3

    asyncio.run(main())


def test_without_the_identity_service_nobody_is_let_in(identity: Identity) -> None:
    """Keys that cannot be read are an outage, not a yes; known ones last an hour."""
    key = from_pem(pem(identity.ec))
    away = [True]
    clock = [1000.0]

    def reading() -> list[VerificationKey]:
        if away[0]:
            raise OSError
        return [VerificationKey("k", key.algorithm, key.key)]

    async def main() -> None:
        keys = KeySet(reading, clock=lambda: clock[0])
        with pytest.raises(KeySetAwayError):
            await keys.find("k")
        away[0] = False
        clock[0] += 2
        assert await keys.find("k") is not None
        away[0] = True
        clock[0] += 3_000
        assert await keys.find("k") is not None
        clock[0] += 700
        with pytest.raises(KeySetAwayError):
            await keys.find("k")

    asyncio.run(main())


def test_sources(identity: Identity, tmp_path: Path) -> None:
    """A JWKS file, a PEM file and PEM text are read; weak, private, symmetric and foreign things are not keys."""
    assert [key.algorithm for key in source(str(identity.file))()] == ["RS256", "ES256", "EdDSA"]
    file = tmp_path / "key.pem"
    file.write_bytes(pem(identity.ed))
    assert source(str(file))()[0].algorithm == "EdDSA"
    assert source(pem(identity.rsa).decode().replace("\n", "\\n"))()[0].algorithm == "RS256"
    for address in ("http://users.example/jwks", "ftp://users.example/jwks", "file:///etc/passwd"):
        with pytest.raises(UnusableKeyError):
            source(address)
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    with pytest.raises(UnusableKeyError):
        from_pem(pem(weak))
    entries = [
        RSAAlgorithm.to_jwk(identity.rsa, as_dict=True),
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": "EC", "crv": "P-256", "x": "?", "y": "?"},
        3,
    ]
    for document in ({"keys": entries}, {"keys": {}}, {}, [], 7):
        with pytest.raises(UnusableKeyError):
            from_jwks(json.dumps(document).encode())
