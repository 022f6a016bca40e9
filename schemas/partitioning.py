r"""Which partition does a key belong to? Kafka's Java partitioner: murmur2 of the key, sign bit cut off, modulo count.

    partition = (murmur2(key) & 0x7fffffff) mod count

Java, Kafka Streams and aiokafka producers use it by default; librdkafka (kcat, confluent-kafka) only when told
`partitioner=murmur2_random`. A record elsewhere would give one learner two owners.

Source: MurmurHash2 by Austin Appleby (32 bit, little endian words), with the seed 0x9747b28c of Apache Kafka.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF
_POSITIVE = 0x7FFFFFFF
#: Longer keys than this are hashed one by one; a row of the vectorised path is as wide as its longest key.
_WIDEST_BYTES = 512


def murmur2(key: bytes) -> int:
    """Return the 32-bit murmur2 hash of `key` as an unsigned integer."""
    length = len(key)
    whole = length & ~3
    h = _SEED ^ length
    for at in range(0, whole, 4):
        k = int.from_bytes(key[at : at + 4], "little") * _M & _MASK
        k = (k ^ (k >> 24)) * _M & _MASK
        h = (h * _M & _MASK) ^ k
    if whole != length:
        h = (h ^ int.from_bytes(key[whole:], "little")) * _M & _MASK
    h = (h ^ (h >> 13)) * _M & _MASK
    return h ^ (h >> 15)


@lru_cache(maxsize=65_536)
def partition_of(key: bytes, count: int) -> int:
    """Return the partition, 0 to `count` - 1, of a key. The newest 65,536 distinct keys are remembered."""
    return (murmur2(key) & _POSITIVE) % count


def partitions_of(keys: Sequence[bytes], count: int) -> NDArray[np.int32]:
    """Return the partition of each key, (n,) int32: the fast way for the distinct keys of a poll.

    Equal to `partition_of` entry by entry (a law test). O(n · longest key) in vectorised steps of four bytes.
    """
    if not keys:
        return np.empty(0, np.int32)
    lengths = np.fromiter(map(len, keys), np.int64, len(keys))
    longest = int(lengths.max())
    if longest > _WIDEST_BYTES:
        return np.fromiter(((murmur2(key) & _POSITIVE) % count for key in keys), np.int32, len(keys))
    width = max(4, -(-longest // 4) * 4)
    # NumPy pads with zero bytes; a key's own trailing zero bytes are restored by its length.
    words = np.array(keys, dtype=f"S{width}").view("<u4").reshape(len(keys), width // 4)
    return ((_murmur2_rows(words, lengths) & _POSITIVE) % count).astype(np.int32)


def _murmur2_rows(words: NDArray[np.uint32], lengths: NDArray[np.int64]) -> NDArray[np.uint32]:
    """Return murmur2 of each row: (n, w) zero-padded little-endian words and (n,) lengths [byte] -> (n,) uint32."""
    m = np.uint32(_M)  # uint32 arithmetic wraps at 2^32, as the hash wants
    h = np.uint32(_SEED) ^ lengths.astype(np.uint32)
    whole, tail = lengths // 4, lengths % 4
    for column in range(words.shape[1]):
        word = words[:, column]
        k = word * m
        k = (k ^ (k >> np.uint32(24))) * m
        # A row takes this word whole, as its tail of one to three bytes, or not at all.
        h = np.where(column < whole, (h * m) ^ k, np.where((column == whole) & (tail > 0), (h ^ word) * m, h))
    h = (h ^ (h >> np.uint32(13))) * m
    return h ^ (h >> np.uint32(15))
