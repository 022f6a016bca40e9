"""How is the API served?  One uvicorn process on loopback, with guards against clients that never finish a request.

The API listens beyond loopback only if it can tell who is asking: without a key or web tokens it refuses to start.
"""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import json
import logging
import socket
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import Any

import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.app import create_asgi
from api.dependencies import ApiSettings, build
from api.edge import Edge
from api.one_write import OneWrite
from api.problems import CONTENT_TYPE, KINDS

HEAD_SECONDS = 10.0
"""A client has this long from connecting, or from its last answer, to the end of a request's headers."""
HEAD_BYTES = 64 * 1024
"""Bytes of a request line and headers at which the connection is closed; the application's own limits lie below."""
KEEP_ALIVE_SECONDS = 30
SHUTDOWN_SECONDS = 10
"""Requests under way are finished within this time after SIGTERM."""
BACKLOG = 1024
YOUNG_OBJECTS = 5_000
"""Objects that are made before the garbage collector looks at them."""
LOOPBACK_NAMES = frozenset({"localhost"})

_log = structlog.get_logger("api.server")


class NotLoopbackError(ValueError):
    """The API was told to listen where strangers could reach it, and could not tell them from others."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return host in LOOPBACK_NAMES or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_host(host: str, *, loopback_published: bool = False, credentials: bool = False) -> None:
    """Raises NotLoopbackError for an address that others can reach, while nothing tells who asks.

    Args:
        host: where to listen.
        loopback_published: the caller vouches that the port is reachable from this machine only, as in a container
            whose port is published on 127.0.0.1.
        credentials: there is an active API key, or web tokens are configured.
    """
    if not (credentials or loopback_published or is_loopback(host)):
        raise NotLoopbackError(f"HOST={host} is reachable from other machines, and nothing would tell who asks.")


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with a deadline and a size limit for the head of a request, and problems for bad HTTP."""

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the deadline of the first head."""
        super().connection_made(OneWrite(transport, self.loop))  # type: ignore[arg-type]
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def data_received(self, data: bytes) -> None:
        """Counts what belongs to a head."""
        if self._in_head:
            if self._head_timer is None:
                self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_is_late)
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self._refuse(431, "The request line and headers are too long.")

    def on_headers_complete(self) -> None:
        """Ends the head."""
        self._in_head = False
        self._cancel_head_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The next byte begins another head."""
        self._in_head = True
        self._head_bytes = 0
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the deadline."""
        self._cancel_head_timer()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answers what is not HTTP."""
        self._refuse(400, msg)

    def _head_is_late(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self._refuse(408, "The request's headers took too long.")

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, status: int, detail: str) -> None:
        kind, title = KINDS[status]
        body = json.dumps({"type": f"/problems/{kind}", "title": title, "status": status, "detail": detail}).encode()
        self.transport.write(
            STATUS_LINE[status]
            + f"content-type: {CONTENT_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
            + body
        )
        self.transport.close()


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.  Raises OSError when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host.strip("[]"), port))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def serve(
    settings: ApiSettings,
    *,
    host: str = "127.0.0.1",
    port: int = 3009,
    loopback_published: bool = False,
    credentials: bool = False,
    started: Callable[[str], None] | None = None,
) -> None:
    """Serves the API until SIGINT or SIGTERM, then finishes the requests under way.

    Args:
        settings: servers, secret and bounds.
        host: where to listen.
        port: 0 takes a free one.
        loopback_published: see ``check_host``.
        credentials: see ``check_host``.
        started: called with the base URL once connections are accepted.

    Raises:
        NotLoopbackError: ``host`` is reachable from elsewhere, and there are no credentials.
        OSError: the port is taken.
    """
    check_host(host, loopback_published=loopback_published, credentials=credentials)
    if not (loopback_published or is_loopback(host)):
        settings = replace(settings, access_required=True)
    # It logs every failed attempt to connect; the publisher says once that Kafka is away.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    listener = bind(host, port)
    url = f"http://{host}:{listener.getsockname()[1]}"
    try:
        hosts = settings.hosts | {host.lower()}
        _Server(_config(replace(settings, hosts=hosts)), lambda: _announce(url, started)).run(sockets=[listener])
    finally:
        listener.close()


def _announce(url: str, started: Callable[[str], None] | None) -> None:
    _spare_the_collector()
    _log.info("api_started", url=url)
    if started is not None:
        started(url)


def _config(settings: ApiSettings) -> uvicorn.Config:
    def application() -> Any:
        # Called by uvicorn inside its event loop, where the producer and the pool have to be made.
        return create_asgi(build(settings))

    return uvicorn.Config(
        application,
        factory=True,
        http=GuardedProtocol,
        ws="none",
        loop="auto",
        lifespan="on",
        log_config=None,
        access_log=False,  # a path holds the id of a learner
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )


def _spare_the_collector() -> None:
    """Has the garbage collector pass over what is there for good: looking at it all stops every request for 100 ms."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


class _Server(uvicorn.Server):
    """uvicorn's server that says when it accepts connections."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Asks for the end; unlike uvicorn, a stop that was asked for then ends the process with success."""
        super().handle_exit(sig, frame)
        self._captured_signals.clear()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends the streams, which would not end by themselves, then waits for the requests under way."""
        application = self.config.loaded_app
        if isinstance(application, Edge) and application.on_stop is not None:
            application.on_stop()
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts listening, then announces it."""
        await super().startup(sockets=sockets)
        if self.started:
            self._announce()
