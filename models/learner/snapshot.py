"""How is a state of arrays kept?  As bytes that restore bit for bit, without pickle and readable from any language.

Layout: 8 bytes magic, 4 bytes little-endian header length, header (JSON: format, kind, version, and name,
dtype and shape of each array), then the arrays, little-endian, C order, in header order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from models.learner.constants import FORMAT

MAGIC = b"LEARNER\n"
DTYPES = ("<f8", "<i8")


class SnapshotError(ValueError):
    """The bytes are not a snapshot of the wanted kind and format; the message says what was found."""


def pack(kind: str, version: int, arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The bytes of named float64 or int64 arrays; equal states give equal bytes."""
    columns = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    described = [{"name": n, "dtype": a.dtype.str, "shape": list(a.shape)} for n, a in columns.items()]
    header = orjson.dumps({"format": FORMAT, "kind": kind, "version": version, "arrays": described})
    return b"".join([MAGIC, len(header).to_bytes(4, "little"), header, *(a.tobytes() for a in columns.values())])


def unpack(kind: str, data: bytes) -> tuple[int, dict[str, NDArray[Any]]]:
    """Version and writable arrays of a snapshot of this kind.

    Raises:
        SnapshotError: other magic, kind or format, an unknown dtype, or bytes missing or left over.
    """
    if data[: len(MAGIC)] != MAGIC:
        raise SnapshotError("not a learner-model snapshot: the first bytes differ")
    start = len(MAGIC) + 4
    end = start + int.from_bytes(data[len(MAGIC) : start], "little")
    try:
        header = orjson.loads(data[start:end])
    except orjson.JSONDecodeError as error:
        raise SnapshotError("snapshot header is not JSON; the bytes are damaged") from error
    if header.get("kind") != kind or header.get("format") != FORMAT:
        found = f"{header.get('kind')!r} format {header.get('format')!r}"
        raise SnapshotError(f"snapshot is {found}, wanted {kind!r} format {FORMAT}; rebuild it from the log")
    arrays: dict[str, NDArray[Any]] = {}
    for entry in header["arrays"]:
        if entry["dtype"] not in DTYPES:
            raise SnapshotError(f"array {entry['name']!r} has dtype {entry['dtype']!r}, allowed: {', '.join(DTYPES)}")
        size = 8 * math.prod(entry["shape"])
        if end + size > len(data):
            raise SnapshotError(f"snapshot ends inside array {entry['name']!r}")
        arrays[entry["name"]] = np.frombuffer(data[end : end + size], entry["dtype"]).reshape(entry["shape"]).copy()
        end += size
    if end != len(data):
        raise SnapshotError(f"{len(data) - end} bytes left over after the last array")
    return int(header["version"]), arrays
