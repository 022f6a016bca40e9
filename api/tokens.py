"""What has this client seen?  Consistency tokens: positions in the log that a read has to have passed, signed.

A token is ``base64url(msgpack([[topic, partition, next_offset], …]) + HMAC-SHA-256 cut to 96 bits)`` without padding.
It is signed so that nobody can make a read wait for positions that never existed; it is no secret and grants nothing.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping

import msgspec

TopicPartition = tuple[str, int]
Positions = Mapping[TopicPartition, int]
"""The offset behind the last record seen, for each partition."""

SIGNATURE_BYTES = 12
MOST_POSITIONS = 64
"""Positions one token may hold; four topics of 16 partitions."""
MOST_CHARACTERS = 4_096
_CONTEXT = b"consistency-token-1\0"

_decode = msgspec.msgpack.Decoder(list[tuple[str, int, int]]).decode
_encode = msgspec.msgpack.Encoder().encode


class InvalidTokenError(ValueError):
    """A token that was not made here, or with another secret."""


class Tokens:
    """Makes and reads tokens with one secret, which all API processes share."""

    def __init__(self, secret: str) -> None:
        # The secret also keys the hash of ids in logs: one derived key a use.
        self._key = hmac.digest(secret.encode(), _CONTEXT, hashlib.sha256)

    def make(self, positions: Positions) -> str:
        """The token of these positions; "" when there are none."""
        if not positions:
            return ""
        entries = [(topic, part, offset) for (topic, part), offset in sorted(positions.items())]
        payload = _encode(entries[:MOST_POSITIONS])
        signature = hmac.digest(self._key, payload, "sha256")[:SIGNATURE_BYTES]
        return urlsafe_b64encode(payload + signature).rstrip(b"=").decode()

    def read(self, token: str) -> dict[TopicPartition, int]:
        """The positions of a token; raises InvalidTokenError."""
        if len(token) > MOST_CHARACTERS or not token.isascii():
            raise InvalidTokenError
        try:
            data = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except (binascii.Error, ValueError):
            raise InvalidTokenError from None
        payload, signature = data[:-SIGNATURE_BYTES], data[-SIGNATURE_BYTES:]
        if not hmac.compare_digest(hmac.digest(self._key, payload, "sha256")[:SIGNATURE_BYTES], signature):
            raise InvalidTokenError
        try:
            return {(topic, part): offset for topic, part, offset in _decode(payload)}
        except msgspec.DecodeError:
            raise InvalidTokenError from None


def merge(parts: Iterable[Positions]) -> dict[TopicPartition, int]:
    """The positions that are behind all of the given ones: the largest offset of each partition."""
    merged: dict[TopicPartition, int] = {}
    for positions in parts:
        for partition, offset in positions.items():
            if offset > merged.get(partition, -1):
                merged[partition] = offset
    return merged
