"""How do thousands of rows come back without a Python object a cell?  As one binary Postgres array a column.

A query of this kind selects one row of ``array_send(array_agg(column))``: Postgres packs each column into its own
array, and NumPy reads the array's bytes in place.  Columns must be NOT NULL; an aggregate over no rows is an empty
column.  A list column whose lists have one fixed length becomes a matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString

import numpy as np
from numpy.typing import NDArray

from projections.stores.postgres import Connection

_POSTGRES_EPOCH_MS = 946_684_800_000

# dtype asked for -> the element as Postgres sends it
_WIRE = {
    np.dtype(np.int16): ">i2",
    np.dtype(np.int32): ">i4",
    np.dtype(np.int64): ">i8",
    np.dtype(np.float32): ">f4",
    np.dtype(np.float64): ">f8",
    np.dtype("datetime64[ms]"): ">i8",
}


def packed_columns(
    connection: Connection, query: LiteralString, parameters: Any, dtypes: Sequence[Any]
) -> tuple[NDArray[Any], ...]:
    """The rows that ``query`` packs, one array a column; ``datetime64[ms]`` columns come as int64 Unix milliseconds.

    Args:
        connection: where to ask.
        query: a SELECT of one row of ``array_send(array_agg(...))`` values.
        parameters: its parameters.
        dtypes: the dtype of each column.
    """
    with connection.cursor(binary=True) as cursor:
        row = cursor.execute(query, parameters).fetchone()
    assert row is not None
    return tuple(decode_array(value, np.dtype(dtype)) for value, dtype in zip(row, dtypes, strict=True))


def decode_array(value: bytes | None, dtype: np.dtype[Any]) -> NDArray[Any]:
    """An array of Postgres' binary format without NULLs, of one or two dimensions; None is the empty array."""
    wire = _WIRE[dtype]
    dimensions = 0 if value is None else int.from_bytes(value[:4], "big")
    if value is None or dimensions == 0:
        return np.empty(0, np.int64 if dtype.kind == "M" else dtype)
    shape = np.frombuffer(value, ">i4", 2 * dimensions, 12)[::2]
    elements = np.frombuffer(value, np.dtype([("length", ">i4"), ("value", wire)]), offset=12 + 8 * dimensions)
    if dtype.kind == "M":
        return elements["value"].astype(np.int64).reshape(shape) // 1000 + _POSTGRES_EPOCH_MS
    return elements["value"].astype(dtype).reshape(shape)
