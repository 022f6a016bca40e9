"""How does the recommender's state survive a kill?  Its arrays as chunks in Postgres, moved with its offsets.

An array is cut into chunks of 1 MiB; a chunk whose digest is the one stored is not written again.  Chunks, header and
offset rows change in one transaction, so what is loaded is always the state of exactly those offsets.  Chunks are plain
bytes compressed with zlib and the header is msgpack: nothing that is read can run.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, LiteralString, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from projections.poll import TopicPartition
from projections.recommender.evaluation import Sums
from projections.recommender.progress import Range
from projections.stores.postgres import Connection

FORMAT = 1
CHUNK_BYTES = 1 << 20
DIGEST_BYTES = 16
COMPRESSION = 1

SELECT_HEADER: LiteralString = "SELECT format, step, header FROM recommender_snapshot"
SELECT_CHUNKS: LiteralString = "SELECT name, ordinal, digest, body FROM recommender_chunk ORDER BY name, ordinal"
SELECT_DIGESTS: LiteralString = "SELECT name, ordinal, digest FROM recommender_chunk"
UPSERT_CHUNK: LiteralString = """
INSERT INTO recommender_chunk (name, ordinal, digest, body) VALUES (%(name)s, %(ordinal)s, %(digest)s, %(body)s)
ON CONFLICT (name, ordinal) DO UPDATE SET digest = excluded.digest, body = excluded.body
"""
DELETE_CHUNKS: LiteralString = """
DELETE FROM recommender_chunk
USING unnest(%(names)s::text[], %(ordinals)s::int[]) AS gone (name, ordinal)
WHERE recommender_chunk.name = gone.name AND recommender_chunk.ordinal = gone.ordinal
"""
UPSERT_HEADER: LiteralString = """
INSERT INTO recommender_snapshot (format, step, header) VALUES (%(format)s, %(step)s, %(header)s)
ON CONFLICT (only_row) DO UPDATE SET
    format = excluded.format, step = excluded.step, header = excluded.header, taken_at = now()
"""

ChunkName = tuple[str, int]
_header = msgspec.msgpack.Decoder(dict[str, tuple[str, list[int]]]).decode


class SnapshotError(Exception):
    """The stored snapshot cannot be used; the message says why and what to do."""

    exit_code = 78


class Loaded(NamedTuple):
    """A snapshot that was read."""

    arrays: dict[str, NDArray[Any]]
    step: int


@dataclass(slots=True)
class Owned:
    """What belongs to the partitions that we own."""

    stored: dict[TopicPartition, int] = field(default_factory=dict)
    """Offsets of the snapshot in the database."""
    epochs: dict[TopicPartition, int] = field(default_factory=dict)
    digests: dict[ChunkName, bytes] = field(default_factory=dict)
    ranges: list[Range] = field(default_factory=list)
    sums: list[Sums] = field(default_factory=list)


@dataclass(slots=True)
class Snapshot:
    """Copies of everything that goes to the database together."""

    arrays: dict[str, NDArray[Any]]
    step: int
    cursors: dict[TopicPartition, int]
    ranges: list[Range]
    sums: list[Sums]
    watermark_ms: int
    owned: Owned
    copy_seconds: float = 0.0


@dataclass(slots=True)
class Packed:
    """A snapshot ready to be written: only what has changed is in ``bodies``."""

    step: int
    header: bytes
    digests: dict[ChunkName, bytes]
    bodies: dict[ChunkName, bytes] = field(default_factory=dict)
    plain_bytes: int = 0

    @property
    def written_bytes(self) -> int:
        """Bytes that go to the database."""
        return sum(map(len, self.bodies.values()))


def copied(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The arrays as they are now, for packing in another thread while the originals go on changing."""
    return {name: np.array(values, order="C", copy=True) for name, values in arrays.items()}


def pack(arrays: Mapping[str, NDArray[Any]], step: int, stored: Mapping[ChunkName, bytes]) -> Packed:
    """Cuts, digests and compresses what differs from the chunks that are ``stored`` (digests by name)."""
    header = {name: [values.dtype.str, list(values.shape)] for name, values in sorted(arrays.items())}
    packed = Packed(step, msgspec.msgpack.encode(header), {})
    for name, values in arrays.items():
        plain = np.ascontiguousarray(values).reshape(-1).view(np.uint8).data
        packed.plain_bytes += len(plain)
        for ordinal, start in enumerate(range(0, len(plain), CHUNK_BYTES)):
            piece = plain[start : start + CHUNK_BYTES]
            digest = hashlib.blake2b(piece, digest_size=DIGEST_BYTES).digest()
            packed.digests[name, ordinal] = digest
            if stored.get((name, ordinal)) != digest:
                packed.bodies[name, ordinal] = zlib.compress(piece, COMPRESSION)
    return packed


def write(connection: Connection, packed: Packed, stored: Mapping[ChunkName, bytes]) -> None:
    """Replaces the stored snapshot, inside the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.executemany(
            UPSERT_CHUNK,
            [
                {"name": name, "ordinal": ordinal, "digest": packed.digests[name, ordinal], "body": body}
                for (name, ordinal), body in packed.bodies.items()
            ],
        )
    gone = [chunk for chunk in stored if chunk not in packed.digests]
    if gone:
        connection.execute(DELETE_CHUNKS, {"names": [name for name, _ in gone], "ordinals": [at for _, at in gone]})
    connection.execute(UPSERT_HEADER, {"format": FORMAT, "step": packed.step, "header": packed.header})


def stored_digests(connection: Connection) -> dict[ChunkName, bytes]:
    """The digest of every stored chunk."""
    return {(name, ordinal): bytes(digest) for name, ordinal, digest in connection.execute(SELECT_DIGESTS).fetchall()}


def load(connection: Connection) -> Loaded | None:
    """The stored snapshot; None before the first.

    Raises:
        SnapshotError: it was written in another format, or a chunk is missing or damaged.
    """
    row = connection.execute(SELECT_HEADER).fetchone()
    if row is None:
        return None
    if row[0] != FORMAT:
        raise SnapshotError(
            f"the recommender's snapshot has format {row[0]}, this program reads {FORMAT}: "
            "run `personalize recommender reset` to fold the log anew"
        )
    shapes = _header(bytes(row[2]))
    plain: dict[str, bytearray] = {name: bytearray() for name in shapes}
    for name, ordinal, digest, body in connection.execute(SELECT_CHUNKS).fetchall():
        piece = zlib.decompress(body)
        if hashlib.blake2b(piece, digest_size=DIGEST_BYTES).digest() != bytes(digest) or name not in plain:
            raise _damaged(name, ordinal)
        plain[name] += piece
    arrays = {}
    for name, (dtype, shape) in shapes.items():
        if len(plain[name]) != np.dtype(dtype).itemsize * int(np.prod(shape, dtype=np.int64)):
            raise _damaged(name, -1)
        arrays[name] = np.frombuffer(plain[name], np.dtype(dtype)).reshape(shape)
    return Loaded(arrays, row[1])


def clear(connection: Connection) -> None:
    """Removes the snapshot, inside the caller's transaction."""
    for statement in ("DELETE FROM recommender_snapshot", "DELETE FROM recommender_chunk"):
        connection.execute(statement)


def _damaged(name: str, ordinal: int) -> SnapshotError:
    return SnapshotError(
        f"chunk {name}/{ordinal} of the recommender's snapshot is damaged: restore the database, or run "
        "`personalize recommender reset` to fold the log anew"
    )
