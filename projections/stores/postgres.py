"""How does the code talk to Postgres?  Connections, their limits, which failures pass, and NumPy arrays as parameters.

A NumPy array is a query parameter like any other: it travels as one binary Postgres array (no Python object an
element).  ``int16/32/64``, ``float32/64``, ``bool`` and ``datetime64[ms]`` become ``int2[] … timestamptz[]``.
List columns (one list a row) travel as Arrow does it: one flat array and offsets, sliced in the statement.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any, LiteralString, TypeVar, cast

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import pq
from psycopg.abc import Buffer, PyFormat
from psycopg.adapt import Dumper

Connection = psycopg.Connection[tuple[Any, ...]]
AnyConnection = TypeVar("AnyConnection", bound=Connection)

# A stopped process inside a transaction must not hold its row locks for ever: the new owner's claim waits for them.
SESSION_OPTIONS = (
    "-c idle_in_transaction_session_timeout=5000 -c lock_timeout=10000 -c statement_timeout=30000 -c timezone=UTC"
)
CONNECT_TIMEOUT_SECONDS = 5

TRANSIENT: tuple[type[Exception], ...] = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    # Not an OperationalError, though it is only the server ending a session that slept too long.
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.QueryCanceled,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
)
"""Failures that a retry in place can heal."""

# dtype -> (array oid, element oid, one element behind its size in bytes).  Not by its name: str(dtype) takes 10 us.
_ARRAY_TYPES: dict[np.dtype[Any], tuple[int, int, np.dtype[Any]]] = {
    np.dtype(name): (array, element, np.dtype([("size", ">i4"), ("value", wire)]))
    for name, array, element, wire in (
        ("int16", 1005, 21, ">i2"),
        ("int32", 1007, 23, ">i4"),
        ("int64", 1016, 20, ">i8"),
        ("float32", 1021, 700, ">f4"),
        ("float64", 1022, 701, ">f8"),
        ("bool", 1000, 16, "?"),
        ("datetime64[ms]", 1185, 1184, ">i8"),
    )
}
_POSTGRES_EPOCH_MS = 946_684_800_000
_ARRAY_HEADER = struct.Struct(">5i").pack
"""Dimensions, whether there are NULLs, element oid, length, lower bound."""
_SIZE = struct.Struct(">i").pack
_NULL = _SIZE(-1)


def array_oid(values: NDArray[Any]) -> int:
    """The type that an array travels as; raises TypeError for an unknown dtype or shape."""
    kind = _ARRAY_TYPES.get(values.dtype)
    if kind is None or values.ndim != 1:
        raise TypeError(f"no Postgres array for dtype {values.dtype} with {values.ndim} dimensions")
    return kind[0]


def encode_array(values: NDArray[Any]) -> bytes:
    """A one-dimensional array in Postgres' binary array format; raises TypeError as `array_oid` does."""
    array_oid(values)
    _, element_oid, wire = _ARRAY_TYPES[values.dtype]
    if values.dtype.kind == "M":
        values = (values.view(np.int64) - _POSTGRES_EPOCH_MS) * 1000
    if len(values) == 0:
        return _ARRAY_HEADER(0, 0, element_oid, 0, 0)[:12]
    body = np.empty(len(values), wire)
    body["size"] = wire.itemsize - 4
    body["value"] = values
    return _ARRAY_HEADER(1, 0, element_oid, len(values), 1) + body.tobytes()


def encode_strings(values: Sequence[str | bytes | None]) -> tuple[int, bytes] | None:
    """(array oid, bytes) of texts or of byte strings, None among them allowed; None for anything else.

    An empty array, or one of None only, has no element that tells its type, so it is left to psycopg as well.
    """
    kinds = set(map(type, values)) - {type(None)}
    if kinds == {str}:
        array, element = 1009, 25
        raw = [None if value is None else value.encode() for value in cast("Sequence[str | None]", values)]
    elif kinds == {bytes}:
        array, element = 1001, 17
        raw = list(cast("Sequence[bytes | None]", values))
    else:
        return None
    parts = [_ARRAY_HEADER(1, int(None in raw), element, len(raw), 1)]
    for one in raw:
        if one is None:
            parts.append(_NULL)
        else:
            parts += (_SIZE(len(one)), one)
    return array, b"".join(parts)


class _ArrayDumper(Dumper):
    format = pq.Format.BINARY

    def __init__(self, cls: type, context: Any = None, oid: int = 0) -> None:
        super().__init__(cls, context)
        if oid:
            self.oid = oid

    def get_key(self, obj: Any, format: PyFormat) -> Any:  # noqa: A002, ARG002 - the base class names it so
        return (self.cls, obj.dtype)

    def upgrade(self, obj: Any, format: PyFormat) -> Dumper:  # noqa: A002, ARG002
        return _ArrayDumper(self.cls, None, array_oid(obj))

    def dump(self, obj: Any) -> Buffer | None:
        return encode_array(obj)


def register_arrays(connection: Any) -> None:
    """Lets ``connection`` (sync or async) take NumPy arrays as parameters."""
    connection.adapters.register_dumper(np.ndarray, _ArrayDumper)


def connect(database_url: str, *, autocommit: bool = False, name: str = "personalize") -> Connection:
    """A connection with the session limits above, NumPy parameters and prepared statements."""
    return connect_as(psycopg.Connection[tuple[Any, ...]], database_url, autocommit=autocommit, name=name)


def connect_as(kind: type[AnyConnection], database_url: str, *, autocommit: bool, name: str) -> AnyConnection:
    """The same as a subclass of psycopg's connection."""
    connection = kind.connect(
        database_url,
        autocommit=autocommit,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        options=SESSION_OPTIONS,
        application_name=name,
        prepare_threshold=2,
    )
    register_arrays(connection)
    return connection


def columns(
    connection: Connection, query: LiteralString, parameters: Any, dtypes: Sequence[Any]
) -> tuple[NDArray[Any], ...]:
    """The rows of a query as one array a column; NULL becomes NaN in float columns.

    Args:
        connection: where to ask.
        query: the SELECT, with psycopg's named parameters.
        parameters: its parameters.
        dtypes: the dtype of each column (``object`` for lists and text).
    """
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(query, parameters).fetchall()
    if not rows:
        return tuple(np.empty(0, dtype) for dtype in dtypes)
    return tuple(_column(values, dtype) for values, dtype in zip(zip(*rows, strict=True), dtypes, strict=True))


def _column(values: tuple[Any, ...], dtype: Any) -> NDArray[Any]:
    if dtype is object:
        boxed = np.empty(len(values), object)
        boxed[:] = values
        return boxed
    return np.array(values, dtype)


def flatten(lists: Iterable[NDArray[Any]], dtype: Any) -> tuple[NDArray[Any], NDArray[np.int32], NDArray[np.int32]]:
    """One list a row as (flat, first, last): row i is SQL's 1-based, inclusive ``flat[first[i]:last[i]]``."""
    parts = [np.asarray(part, dtype) for part in lists]
    ends = np.cumsum([len(part) for part in parts], dtype=np.int32)
    firsts = np.concatenate(([0], ends[:-1])).astype(np.int32) + np.int32(1)
    flat = np.concatenate(parts) if parts else np.empty(0, dtype)
    return flat, firsts, ends


__all__ = [
    "TRANSIENT",
    "Connection",
    "array_oid",
    "columns",
    "connect",
    "connect_as",
    "encode_array",
    "encode_strings",
    "flatten",
    "register_arrays",
]
