"""The doors to Redis and to the read side of Postgres: newest wins, absence is no failure, answers in time."""

from __future__ import annotations

import asyncio
import doctest
import json
from collections.abc import Iterator

import pytest
import redis as redis_library
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from personalize.stack import Endpoints
from projections.reads import ready_list
from projections.stores import redis as redis_store
from projections.stores.postgres_pool import ReadPool, Unavailable
from projections.stores.redis import Mirror, Reader, RedisAddress, Versioned, decode, encode

ON_SERVERS = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def address(stack: Endpoints) -> RedisAddress:
    """A Redis database of this module's own."""
    return RedisAddress(host=stack.redis_host, port=stack.redis_port, password=stack.redis_password, database=7)


@pytest.fixture(scope="module")
def client(address: RedisAddress) -> Iterator[redis_library.Redis]:
    """A plain client of it."""
    with redis_library.Redis(
        host=address.host, port=address.port, password=address.password, db=address.database
    ) as made:
        yield made


def test_examples() -> None:
    """The examples in the docstrings hold."""
    assert doctest.testmod(redis_store).failed == 0
    assert doctest.testmod(ready_list).failed == 0


@given(st.integers(0, 2**63 - 1), st.binary(max_size=50))
def test_values_survive_their_stored_form(version: int, payload: bytes) -> None:
    """Decoding undoes encoding; the empty payload, a tombstone, reads as nothing."""
    value = Versioned(version, payload)
    assert decode(encode(value)) == (value if payload else None)


@given(st.lists(st.tuples(st.integers(0, 2**63 - 1), st.booleans()), min_size=1, max_size=8))
@ON_SERVERS
def test_the_newest_version_wins_in_any_order(
    address: RedisAddress, client: redis_library.Redis, writes: list[tuple[int, bool]]
) -> None:
    """Whatever the order of writers (worker or refill), the value of the highest version stays."""
    client.delete(b"law")
    mirror = Mirror(address)

    async def refill(version: int) -> None:
        reader = Reader(address)
        await reader.put(b"law", Versioned(version, b"%d" % version))
        await reader.close()

    for version, by_worker in writes:
        if by_worker:
            mirror.put(b"law", version, b"%d" % version)
            assert mirror.flush()
        else:
            asyncio.run(refill(version))
    mirror.close()
    newest = max(version for version, _ in writes)
    stored = client.get(b"law")
    assert isinstance(stored, bytes)
    assert decode(stored) == Versioned(newest, b"%d" % newest)
    assert 0 < client.ttl(b"law") <= redis_store.TIME_TO_LIVE_SECONDS


def test_a_tombstone_keeps_late_writers_away(address: RedisAddress, client: redis_library.Redis) -> None:
    """After `forget` an older value cannot come back, and readers find nothing."""
    mirror = Mirror(address)
    mirror.put(b"gone", 5, b"value")
    mirror.forget(b"gone", 6)
    assert mirror.flush()

    async def late() -> Versioned | None:
        reader = Reader(address)
        await reader.put(b"gone", Versioned(5, b"value"))
        found = await reader.get(b"gone")
        await reader.close()
        return found

    assert asyncio.run(late()) is None
    assert client.get(b"gone") == b"%016x" % 6
    mirror.close()


def test_sorted_sets_are_mirrored(address: RedisAddress, client: redis_library.Redis) -> None:
    """Scores only grow with `gt`, and ranks can be cut."""
    client.delete("ranks")
    mirror = Mirror(address)
    mirror.zadd("ranks", {1: 5.0, 2: 7.0, 3: 1.0}, gt=True)
    mirror.zadd("ranks", {1: 4.0}, gt=True)
    mirror.zremrangebyrank("ranks", 0, 0)
    assert mirror.flush()
    assert client.zrange("ranks", 0, -1, withscores=True) == [(b"1", 5.0), (b"2", 7.0)]
    mirror.close()


def test_concurrent_reads_share_a_question(address: RedisAddress, client: redis_library.Redis) -> None:
    """Reads of one turn of the event loop travel in one MGET, and each gets its own value."""
    for number in range(300):
        client.set(b"shared:%d" % number, encode(Versioned(number, b"v%d" % number)))
    before = (
        client.info("commandstats")["cmdstat_mget"]["calls"] if "cmdstat_mget" in client.info("commandstats") else 0
    )

    async def read() -> list[Versioned | None]:
        reader = Reader(address)
        found = await asyncio.gather(*(reader.get(b"shared:%d" % (number % 310)) for number in range(620)))
        await reader.close()
        return list(found)

    found = asyncio.run(read())
    assert found[:300] == [Versioned(number, b"v%d" % number) for number in range(300)]
    assert found[300:310] == [None] * 10
    assert found[310:] == found[:310]
    assert client.info("commandstats")["cmdstat_mget"]["calls"] - before == 2


def test_a_cancelled_reader_does_not_spoil_the_others(address: RedisAddress, client: redis_library.Redis) -> None:
    """When one of several readers of a key gives up, the others still get their answer."""
    client.set(b"kept", encode(Versioned(1, b"v")))

    async def read() -> Versioned | None:
        reader = Reader(address)
        hasty = asyncio.create_task(reader.get(b"kept"))
        patient = asyncio.create_task(reader.get(b"kept"))
        await asyncio.sleep(0)
        hasty.cancel()
        found = await patient
        await reader.close()
        return found

    assert asyncio.run(read()) == Versioned(1, b"v")


def test_an_absent_redis_is_no_failure() -> None:
    """Without a server writes are dropped and reads find nothing; failures are counted, not raised."""
    nowhere = RedisAddress(host="127.0.0.1", port=1)
    mirror = Mirror(nowhere)
    mirror.put(b"a", 1, b"x")
    assert not mirror.flush()
    mirror.put(b"a", 2, b"x")
    assert not mirror.flush()
    assert mirror.failures == 1, "the second write came while Redis was left alone"
    mirror.close()

    async def read() -> tuple[Versioned | None, bool]:
        reader = Reader(nowhere)
        await reader.put(b"a", Versioned(1, b"x"))
        answer = await reader.get(b"a"), await reader.answers()
        await reader.close()
        return answer

    assert asyncio.run(read()) == (None, False)


@given(
    st.lists(st.dictionaries(st.text(max_size=5), st.integers(), max_size=3), max_size=12),
    st.integers(0, 12),
    st.integers(1, 15),
)
@settings(max_examples=200)
def test_a_ready_list_is_cut_to_any_length(items: list[dict[str, int]], most: int, limit: int) -> None:
    """The first k items of a ready list are the JSON of the first k items, as far as they were kept."""
    packed = [json.dumps(item).encode() for item in items]
    ready = ready_list.decode(ready_list.encode(ready_list.pack(packed, generated_at_ms=1, as_of_ms=2, most=most)))
    assert json.loads(ready.body(limit)) == items[: min(most, limit)]
    assert ready.holds(limit) == (len(items) <= most or limit <= min(most, len(items)))


def test_a_snapshot_sees_one_moment(module_database_url: str) -> None:
    """The statements of a snapshot see the same state, and none of them can write."""

    async def read() -> tuple[bool, str]:
        pool = ReadPool(module_database_url)
        await pool.open()
        [first], [second] = await pool.snapshot(
            [("SELECT pg_current_snapshot()::text", None), ("SELECT pg_current_snapshot()::text", None)]
        )
        try:
            await pool.rows("INSERT INTO content_types (name) VALUES ('x')")
            refusal = ""
        except Exception as error:  # the kind of the server's refusal is the point
            refusal = type(error).__name__
        await pool.close()
        return first == second, refusal

    assert asyncio.run(read()) == (True, "ReadOnlySqlTransaction")


def test_an_absent_postgres_is_one_exception() -> None:
    """Without a server every question ends in Unavailable."""

    async def ask() -> None:
        pool = ReadPool("postgresql://nobody@127.0.0.1:1/nothing")
        await pool.open()
        for _ in range(3):
            with pytest.raises(Unavailable):
                await pool.rows("SELECT 1")
        assert not await pool.answers()
        await pool.close()

    asyncio.run(ask())
