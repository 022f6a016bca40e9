"""The load generator counts what the server answered, and cannot be fooled by a stalled server."""

from __future__ import annotations

import argparse
import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personalize.bench.load_generator import http_frame, http_request, redis_frame, redis_request, run
from personalize.bench.read import limited_by_load_generator

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello"


@given(st.integers(0, len(ANSWER)))
def test_http_frame_waits_for_the_whole_answer(cut):
    """A partial answer is no answer; a whole one is exactly as long as it is, whatever follows."""
    assert http_frame(bytearray(ANSWER[:cut]))[0] == (len(ANSWER) if cut == len(ANSWER) else 0)
    assert http_frame(bytearray(ANSWER + ANSWER[:cut])) == (len(ANSWER), True)


def test_other_statuses_are_not_good():
    """A 503 is counted as not good."""
    assert http_frame(bytearray(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n")) == (38, False)


def test_redis_frames():
    """A bulk string is good, a null and an error are not, a partial one is not there yet."""
    assert redis_frame(bytearray(b"$3\r\nabc\r\n")) == (9, True)
    assert redis_frame(bytearray(b"$3\r\nab")) == (0, True)
    assert redis_frame(bytearray(b"$-1\r\n")) == (5, False)
    assert redis_frame(bytearray(b"-ERR no\r\n")) == (9, False)
    assert redis_request("GET ü") == b"*2\r\n$3\r\nGET\r\n$2\r\n\xc3\xbc\r\n"


def test_http_request_carries_headers():
    """Tab-separated header lines go into the request."""
    assert http_request("h", "/p\tA: b") == b"GET /p HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n"


async def _against(handler, **options) -> dict[str, float]:
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    arguments = argparse.Namespace(
        protocol="http", host="127.0.0.1", port=port, connections=2, seconds=0.5, rate=0.0, password=""
    )
    vars(arguments).update(options)
    async with server:
        return await run(arguments, ["/a", "/b"])


def test_closed_loop_counts_every_answer():
    """Requests and answers agree with what the server served."""
    served = itertools.count()

    async def handler(reader, writer):
        while await reader.readuntil(b"\r\n\r\n"):
            next(served)
            writer.write(ANSWER)

    found = asyncio.run(_against(_quiet(handler)))
    assert found["requests"] == next(served) > 0
    assert (found["unanswered"], found["not_ok"], found["connections_lost"]) == (0, 0, 0)
    assert found["mean_response_bytes"] == len(ANSWER)


def test_open_loop_counts_from_when_a_request_was_due():
    """A server that sleeps once delays all requests that were due meanwhile, not only the one it kept waiting."""
    slept = []

    async def handler(reader, writer):
        while await reader.readuntil(b"\r\n\r\n"):
            if not slept:
                slept.append(True)
                await asyncio.sleep(0.3)
            writer.write(ANSWER)

    found = asyncio.run(_against(_quiet(handler), connections=1, rate=100.0))
    assert found["requests"] == 50
    # Half of the requests were due during the stall; the median one waited too.
    assert found["p50_ms"] > 20
    assert found["max_ms"] >= 300


def test_hung_up_connections_are_counted():
    """A server that closes the connection is seen."""

    async def handler(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    found = asyncio.run(_against(_quiet(handler)))
    assert found["connections_lost"] == 2
    assert found["requests"] == 0


def _quiet(handler):
    async def run_quietly(reader, writer):
        try:
            await handler(reader, writer)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    return run_quietly


@pytest.mark.parametrize("data", [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"])
def test_answers_without_length_are_named(data):
    """An answer without Content-Length is refused loudly instead of being misread."""
    with pytest.raises(ValueError, match="Content-Length"):
        http_frame(bytearray(data))


def test_a_busy_load_generator_is_named_not_a_failure():
    """Rates taken by a generator without time to spare are reported, and said to be lower bounds."""
    cores = {"load_generator_cores": 0.3, "load_generator_cores_at_redis_get": 0.97, "requests_per_second": 1.0}
    assert limited_by_load_generator(cores) == "at_redis_get"
    assert limited_by_load_generator({"load_generator_cores": 0.95}) == "api"
    assert limited_by_load_generator({"load_generator_cores": 0.5}) == "nothing"
