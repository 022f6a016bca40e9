"""How do thousands of rows come back without a Python object a cell?  As one binary Postgres array a column.

A query of this kind selects one row of ``array_send(array_agg(column))``: Postgres packs each column into its own
array, and NumPy reads the array's bytes in place.  Columns must be NOT NULL; an aggregate over no rows is an empty
column.  A list column whose lists have one fixed length becomes a matrix; lists of various lengths are sent end to end
by ``string_agg(substr(array_send(column), 21), '')``, which leaves out the 20 bytes before each list's elements (asked
for as `EndToEnd`; no list may be empty).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, LiteralString, NamedTuple

import numpy as np
import psycopg
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


Answer = psycopg.Cursor[tuple[Any, ...]]
"""Of a `projections.stores.burst.WriterConnection`, its own kind, which is read alike."""


class EndToEnd(NamedTuple):
    """The lists of a column, joined to one."""

    dtype: Any
    """Of the elements."""


def ask(connection: Connection, query: LiteralString, parameters: Any) -> Answer:
    """Sends a query whose answer ``packed_answer`` reads; in a burst this does not wait."""
    return connection.execute(query, parameters, binary=True)


def packed_columns(
    connection: Connection, query: LiteralString, parameters: Any, dtypes: Sequence[Any]
) -> tuple[NDArray[Any], ...]:
    """The rows that ``query`` packs, one array a column; ``datetime64[ms]`` columns come as int64 Unix milliseconds.

    Args:
        connection: where to ask.
        query: a SELECT of one row of ``array_send(array_agg(...))`` values.
        parameters: its parameters.
        dtypes: the dtype of each column, or `EndToEnd` of it.
    """
    return packed_answer(ask(connection, query, parameters), dtypes)


def packed_answer(answer: Answer, dtypes: Sequence[Any]) -> tuple[NDArray[Any], ...]:
    """The columns that a query packed, as `packed_columns` gives them; waits for them if need be."""
    row = answer.fetchone()
    answer.close()
    assert row is not None
    return tuple(
        _elements(value or b"", np.dtype(dtype.dtype), 0)
        if isinstance(dtype, EndToEnd)
        else decode_array(value, np.dtype(dtype))
        for value, dtype in zip(row, dtypes, strict=True)
    )


def decode_array(value: bytes | None, dtype: np.dtype[Any]) -> NDArray[Any]:
    """An array of Postgres' binary format without NULLs, of one or two dimensions; None is the empty array."""
    dimensions = 0 if value is None else int.from_bytes(value[:4], "big")
    if value is None or dimensions == 0:
        return np.empty(0, np.int64 if dtype.kind == "M" else dtype)
    shape = np.frombuffer(value, ">i4", 2 * dimensions, 12)[::2]
    return _elements(value, dtype, 12 + 8 * dimensions).reshape(shape)


def _elements(value: bytes, dtype: np.dtype[Any], offset: int) -> NDArray[Any]:
    elements = np.frombuffer(value, np.dtype([("length", ">i4"), ("value", _WIRE[dtype])]), offset=offset)["value"]
    if dtype.kind == "M":
        return elements.astype(np.int64) // 1000 + _POSTGRES_EPOCH_MS
    return elements.astype(dtype)
