"""How do thousands of rows enter or leave by COPY without a Python object a row?  As one structured array.

Postgres' binary COPY format with fields of fixed width and no NULLs: each row is its count of fields, then each field's
size and big-endian value (PostgreSQL documentation, COPY, "Binary Format").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_HEADER = b"PGCOPY\n\xff\r\n\0" + b"\0" * 8
_TRAILER = b"\xff\xff"


class RowFormat:
    """The rows of one COPY: names and wire types (big-endian NumPy dtypes) of its columns."""

    def __init__(self, fields: Sequence[tuple[str, str]]) -> None:
        self.names = [name for name, _ in fields]
        wire: list[tuple[str, str]] = [("field_count", ">i2")]
        for name, kind in fields:
            wire += [(f"{name}_length", ">i4"), (name, kind)]
        self._wire = np.dtype(wire)
        empty = np.zeros(1, self._wire)
        empty["field_count"] = len(fields)
        for name, kind in fields:
            empty[f"{name}_length"] = np.dtype(kind).itemsize
        self._empty_row = empty.tobytes()

    def encode(self, count: int, columns: Mapping[str, Any]) -> bytes:
        """The rows as COPY ... FROM STDIN (FORMAT BINARY) takes them; a column is an array (count,) or one value."""
        rows = np.frombuffer(bytearray(self._empty_row * count), self._wire)
        for name in self.names:
            rows[name] = columns[name]
        return _HEADER + rows.tobytes() + _TRAILER

    def decode(self, data: bytes) -> dict[str, NDArray[Any]]:
        """The columns of COPY ... TO STDOUT (FORMAT BINARY), in the machine's byte order."""
        body = data[len(_HEADER) :]
        rows: NDArray[Any] = np.frombuffer(body[: len(body) // self._wire.itemsize * self._wire.itemsize], self._wire)
        return {name: rows[name].astype(rows[name].dtype.newbyteorder("=")) for name in self.names}
