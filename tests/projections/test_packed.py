"""Do packed columns come back as the values that Postgres holds?"""

from __future__ import annotations

import numpy as np
import pytest

from projections.stores.packed import EndToEnd, decode_array, packed_columns
from projections.stores.postgres import connect, encode_array


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        (np.int16, [0, -1, 32767]),
        (np.int32, [0, -1, 2**31 - 1]),
        (np.int64, [0, -1, 2**63 - 1, -(2**63)]),
        (np.float32, [0.0, 1.5, -np.inf, np.nan]),
        (np.float64, [0.1, -1e308, np.inf, np.nan]),
    ],
)
def test_what_is_sent_comes_back(dtype: type, values: list[float]) -> None:
    """Decoding is the inverse of encoding, infinities and NaN included."""
    column = np.array(values, dtype)
    back = decode_array(encode_array(column), np.dtype(dtype))
    assert back.dtype == column.dtype
    np.testing.assert_array_equal(back, column)


def test_times_come_back_as_unix_milliseconds() -> None:
    """A timestamptz column is int64 milliseconds since 1970, before 2000 and after."""
    times = np.array([631_152_000_001, 946_684_800_000, 1_790_000_000_123], "datetime64[ms]")
    assert decode_array(encode_array(times), np.dtype("datetime64[ms]")).tolist() == times.astype(np.int64).tolist()


def test_rows_and_lists_come_back_as_columns_and_matrices(module_database_url: str) -> None:
    """Aggregates of a real query: scalars as a column, lists of one length as a matrix, no rows as nothing."""
    query = """
        SELECT array_send(array_agg(n)), array_send(array_agg(ARRAY[n, n * n])), array_send(array_agg(to_timestamp(n)))
        FROM generate_series(1, %(most)s::bigint) AS n
    """
    dtypes = (np.int64, np.int64, "datetime64[ms]")
    with connect(module_database_url) as connection:
        keys, matrix, times = packed_columns(connection, query, {"most": 3}, dtypes)
        nothing = packed_columns(connection, query, {"most": 0}, dtypes)
    assert keys.tolist() == [1, 2, 3]
    assert matrix.tolist() == [[1, 1], [2, 4], [3, 9]]
    assert times.tolist() == [1000, 2000, 3000]
    assert [len(column) for column in nothing] == [0, 0, 0]


def test_lists_of_various_lengths_come_back_end_to_end(module_database_url: str) -> None:
    """Lists joined in SQL are one column, with their lengths beside it; no rows are nothing."""
    query = """
        SELECT array_send(array_agg(cardinality(list))), string_agg(substr(array_send(list), 21), '')
        FROM (SELECT array_agg(m::smallint) AS list
              FROM generate_series(1, %(most)s::int) AS n, generate_series(1, n) AS m GROUP BY n ORDER BY n) AS lists
    """
    with connect(module_database_url) as connection:
        lengths, joined = packed_columns(connection, query, {"most": 3}, (np.int32, EndToEnd(np.int16)))
        nothing = packed_columns(connection, query, {"most": 0}, (np.int32, EndToEnd(np.int16)))
    assert lengths.tolist() == [1, 2, 3]
    assert joined.tolist() == [1, 1, 2, 1, 2, 3]
    assert [len(column) for column in nothing] == [0, 0]
