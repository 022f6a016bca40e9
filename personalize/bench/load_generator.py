"""How fast does a server answer?  A load generator of our own: keep-alive sockets, uvloop, no parsing beyond the frame.

It speaks HTTP/1.1 and the Redis protocol, either as fast as answers come (closed loop) or at a fixed rate (open loop).
At a fixed rate latency counts from the moment a request was due, so that a stalled server cannot hide behind requests
that were not sent.  Runs as a process of its own and prints one JSON line, with the processor time it needed itself.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import resource
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import uvloop

from personalize.bench.report import percentile

NAME: Final = "personalize.bench.load_generator (asyncio sockets on uvloop, keep-alive, 1 process)"
_CONNECT_SECONDS: Final = 10.0
_DRAIN_SECONDS: Final = 5.0


def http_frame(data: bytearray) -> tuple[int, bool]:
    """Length of the first whole HTTP response in ``data`` (0: not whole yet) and whether its status is 200."""
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return 0, False
    headers = bytes(data[:head]).lower()
    at = headers.find(b"content-length:")
    if at < 0:
        raise ValueError("the server answers without Content-Length")
    end = head + 4 + int(headers[at + 15 :].split(b"\r\n", 1)[0])
    return (end if len(data) >= end else 0), headers[9:12] == b"200"


def redis_frame(data: bytearray) -> tuple[int, bool]:
    """The same for one RESP reply: a bulk string counts as good, a null or an error does not."""
    line = data.find(b"\r\n")
    if line < 0:
        return 0, False
    if data[:1] != b"$":
        return line + 2, data[:1] == b"+"
    length = int(data[1:line])
    if length < 0:
        return line + 2, False
    end = line + 2 + length + 2
    return (end if len(data) >= end else 0), True


@dataclass(slots=True)
class Tally:
    """What all connections saw together."""

    latencies_ms: list[float] = field(default_factory=list)
    bad: int = 0
    bytes: int = 0


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    def __init__(self, frame: Callable[[bytearray], tuple[int, bool]], tally: Tally) -> None:
        self._frame = frame
        self._tally = tally
        self._data = bytearray()
        self._transport: Any = None  # uvloop's class is not a subclass of asyncio.Transport
        self._since = 0.0
        self.idle: Callable[[Connection], None] = lambda _connection: None
        """Called when an answer is complete."""
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self._transport = transport

    def send(self, request: bytes, since: float) -> None:
        """Sends one request; ``since`` is when it was due."""
        self._since = since
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Counts a complete answer."""
        self._data += data
        length, good = self._frame(self._data)
        if length:
            self._tally.latencies_ms.append((time.perf_counter() - self._since) * 1000)
            self._tally.bad += not good
            self._tally.bytes += length
            del self._data[:length]
            self.idle(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the signature is asyncio's
        """Notes that the server hung up."""
        self.lost = True

    def close(self) -> None:
        """Hangs up."""
        if self._transport is not None:
            self._transport.close()


async def closed_loop(connections: list[Connection], requests: Iterator[bytes], seconds: float) -> float:
    """Every connection asks again as soon as it has its answer; the seconds it took."""
    begun = time.perf_counter()
    until = begun + seconds

    def next_request(connection: Connection) -> None:
        now = time.perf_counter()
        if now < until:
            connection.send(next(requests), now)

    for connection in connections:
        connection.idle = next_request
        next_request(connection)
    await asyncio.sleep(seconds)
    elapsed = time.perf_counter() - begun
    await asyncio.sleep(0.1)
    return elapsed


async def open_loop(connections: list[Connection], requests: Iterator[bytes], seconds: float, rate: float) -> float:
    """Requests are due at a fixed rate, whatever the answers do; the seconds until the last answer."""
    idle = deque(connections)
    due: deque[float] = deque()

    def dispatch() -> None:
        while due and idle:
            idle.popleft().send(next(requests), due.popleft())

    def answered(connection: Connection) -> None:
        idle.append(connection)
        dispatch()

    for connection in connections:
        connection.idle = answered
    begun = time.perf_counter()
    for number in range(round(seconds * rate)):
        at = begun + number / rate
        pause = at - time.perf_counter()
        if pause > 0:
            await asyncio.sleep(pause)
        due.append(at)
        dispatch()
    deadline = time.perf_counter() + _DRAIN_SECONDS
    while (due or len(idle) < len(connections)) and time.perf_counter() < deadline:  # noqa: ASYNC110  a bounded drain
        await asyncio.sleep(0.005)
    return time.perf_counter() - begun


async def run(arguments: argparse.Namespace, lines: list[str]) -> dict[str, float]:
    """One load of the requests in these lines; its figures."""
    is_redis = arguments.protocol == "redis"
    wire = [redis_request(line) if is_redis else http_request(arguments.host, line) for line in lines]
    tally = Tally()
    loop = asyncio.get_running_loop()
    connections = []
    for _ in range(arguments.connections):
        async with asyncio.timeout(_CONNECT_SECONDS):
            _, connection = await loop.create_connection(
                lambda: Connection(redis_frame if is_redis else http_frame, tally), arguments.host, arguments.port
            )
        connections.append(connection)
    if is_redis and arguments.password:
        await _authenticate(connections, arguments.password)
        tally.latencies_ms.clear()
    requests = itertools.cycle(wire)
    before = _own_seconds()
    if arguments.rate:
        elapsed = await open_loop(connections, requests, arguments.seconds, arguments.rate)
        asked = round(arguments.seconds * arguments.rate)
    else:
        elapsed = await closed_loop(connections, requests, arguments.seconds)
        asked = len(tally.latencies_ms)
    used = _own_seconds() - before
    lost = sum(connection.lost for connection in connections)
    for connection in connections:
        connection.close()
    answered = len(tally.latencies_ms)
    return {
        "requests": answered,
        "unanswered": asked - answered,
        "not_ok": tally.bad,
        "connections_lost": lost,
        "seconds": elapsed,
        "requests_per_second": answered / elapsed,
        "mean_response_bytes": tally.bytes / max(answered, 1),
        "p50_ms": percentile(tally.latencies_ms, 0.50),
        "p99_ms": percentile(tally.latencies_ms, 0.99),
        "max_ms": max(tally.latencies_ms, default=float("nan")),
        "generator_cores": used / elapsed,
    }


async def _authenticate(connections: list[Connection], password: str) -> None:
    for connection in connections:
        answered = asyncio.Event()
        connection.idle = lambda _connection, answered=answered: answered.set()  # type: ignore[misc]  # bound now
        connection.send(redis_request(f"AUTH {password}"), time.perf_counter())
        async with asyncio.timeout(_CONNECT_SECONDS):
            await answered.wait()


def http_request(host: str, line: str) -> bytes:
    """A keep-alive GET; ``line`` is the path, or the path, a tab, and header lines separated by tabs."""
    path, *headers = line.split("\t")
    return "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode()


def redis_request(line: str) -> bytes:
    """A command of words separated by spaces, in RESP."""
    words = line.split(" ")
    return b"".join([b"*%d\r\n" % len(words), *(b"$%d\r\n%b\r\n" % (len(w.encode()), w.encode()) for w in words)])


def _own_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """The program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--protocol", choices=("http", "redis"), default="http")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--requests", required=True, help="a file with one request a line, asked in turn")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=0.0, help="requests a second; 0: as fast as answers come")
    parser.add_argument("--password", default="")
    arguments = parser.parse_args()
    lines = Path(arguments.requests).read_text(encoding="utf-8").splitlines()
    print(json.dumps(uvloop.run(run(arguments, lines))), flush=True)


if __name__ == "__main__":
    main()
