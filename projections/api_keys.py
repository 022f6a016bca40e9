"""Which API keys are there, and what may each do?  The table ``api_key``: hashes of secrets, never a secret.

A secret is ``personalize_<key id>_<256 random bits>``.  Because it is random, one SHA-256 is as good as a slow hash:
there is nothing to guess.  A key that expired or was revoked stays as a row, so that a deployment that ever had keys
never becomes open again by losing the last one.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import LiteralString, NamedTuple

from projections.stores.postgres import Connection

PREFIX = "personalize"
ID_CHARACTERS = 12
_SECRET = re.compile(rf"{PREFIX}_([a-z2-7]{{{ID_CHARACTERS}}})_[A-Za-z0-9_-]{{43}}\Z")

ACTIVE: LiteralString = """
SELECT key_id, secret_hash, scopes, requests_per_minute, expires_at FROM api_key
WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
"""
EVER: LiteralString = "SELECT EXISTS (SELECT FROM api_key)"
COUNT_ACTIVE: LiteralString = """
SELECT count(*) FROM api_key WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
"""
INSERT: LiteralString = """
INSERT INTO api_key (key_id, name, secret_hash, scopes, requests_per_minute, expires_at)
VALUES (%(key_id)s, %(name)s, %(secret_hash)s, %(scopes)s, %(requests_per_minute)s, %(expires_at)s)
"""
LIST: LiteralString = """
SELECT key_id, name, scopes, requests_per_minute, created_at, expires_at, revoked_at, replaced_by,
       CASE WHEN revoked_at IS NOT NULL THEN 'revoked' WHEN expires_at <= now() THEN 'expired' ELSE 'active' END
FROM api_key ORDER BY created_at DESC, key_id
"""
REVOKE: LiteralString = """
UPDATE api_key SET revoked_at = coalesce(revoked_at, now()) WHERE key_id = %(key_id)s RETURNING key_id
"""
TO_ROTATE: LiteralString = """
SELECT name, scopes, requests_per_minute, expires_at FROM api_key
WHERE key_id = %(key_id)s AND revoked_at IS NULL AND replaced_by IS NULL
      AND (expires_at IS NULL OR expires_at > now()) FOR UPDATE
"""
REPLACE: LiteralString = """
UPDATE api_key SET replaced_by = %(successor)s,
                   expires_at = least(expires_at, now() + make_interval(secs => %(overlap_seconds)s))
WHERE key_id = %(key_id)s RETURNING expires_at
"""


class NewKey(NamedTuple):
    """A key that was just made."""

    key_id: str
    secret: str
    """Shown once; nobody can show it again."""


class ListedKey(NamedTuple):
    """A key as it is listed."""

    key_id: str
    name: str
    scopes: list[str]
    requests_per_minute: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    replaced_by: str | None
    state: str
    """active, expired or revoked."""


class Rotated(NamedTuple):
    """A rotation: the successor, and when its predecessor ends."""

    successor: NewKey
    old_expires_at: datetime


def key_id_of(secret: str) -> str | None:
    """The key id that stands in a secret; None for what is no secret of ours."""
    found = _SECRET.match(secret)
    return found[1] if found else None


def hash_of(secret: str) -> bytes:
    """What the table holds of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def mint() -> NewKey:
    """A new id and secret, from the system's source of randomness."""
    key_id = base64.b32encode(secrets.token_bytes(8)).decode().lower()[:ID_CHARACTERS]
    return NewKey(key_id, f"{PREFIX}_{key_id}_{secrets.token_urlsafe(32)}")


def create(
    connection: Connection,
    name: str,
    scopes: Sequence[str],
    *,
    expires_at: datetime | None = None,
    requests_per_minute: int | None = None,
) -> NewKey:
    """Makes a key; what is returned is the only place where its secret ever stands."""
    made = mint()
    connection.execute(
        INSERT,
        {
            "key_id": made.key_id,
            "name": name,
            "secret_hash": hash_of(made.secret),
            "scopes": sorted(scopes),
            "requests_per_minute": requests_per_minute,
            "expires_at": expires_at,
        },
    )
    return made


def listed(connection: Connection) -> list[ListedKey]:
    """Every key there ever was, newest first."""
    return [ListedKey(*row) for row in connection.execute(LIST).fetchall()]


def revoke(connection: Connection, key_id: str) -> bool:
    """Ends a key now; False when there is none of this id.  Ending it again changes nothing."""
    return connection.execute(REVOKE, {"key_id": key_id}).fetchone() is not None


def rotate(connection: Connection, key_id: str, overlap_seconds: float) -> Rotated | None:
    """Makes a successor with the same rights; the old key is good for a while longer, so that clients can change over.

    None when there is no active key of this id, or it has a successor already.
    """
    with connection.transaction():
        old = connection.execute(TO_ROTATE, {"key_id": key_id}).fetchone()
        if old is None:
            return None
        name, scopes, requests_per_minute, expires_at = old
        made = create(connection, name, scopes, expires_at=expires_at, requests_per_minute=requests_per_minute)
        ends = connection.execute(
            REPLACE, {"key_id": key_id, "successor": made.key_id, "overlap_seconds": overlap_seconds}
        ).fetchone()
        assert ends is not None
        return Rotated(made, ends[0])


def active_count(connection: Connection) -> int:
    """How many keys are good now."""
    row = connection.execute(COUNT_ACTIVE).fetchone()
    return int(row[0]) if row else 0
