"""How does a short response leave in one piece?  Its head waits for its body, for this turn of the event loop at most.

uvicorn writes head and body apart, and each write is a call of the kernel that wakes the client: half of what a ready
list costs.  A body that comes bit by bit waits for nothing: the head leaves with the next turn.
"""

from __future__ import annotations

import asyncio
from typing import Any


class OneWrite:
    """A transport that joins the head of a response with what follows at once; else it is the given one.

    Args:
        transport: the connection.
        loop: its event loop.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._call_soon = loop.call_soon
        self._head = b""
        self.is_closing = transport.is_closing
        self.get_extra_info = transport.get_extra_info
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading

    def __getattr__(self, name: str) -> Any:
        """All that is not about writing."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Sends bytes, in order; a head of a response a little later."""
        if self._head:
            data, self._head = self._head + data, b""
            self._transport.write(data)
        elif data.startswith(b"HTTP/1.1 ") and data.endswith(b"\r\n\r\n"):
            self._head = data
            self._call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Sends what waits, then ends the connection."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            data, self._head = self._head, b""
            self._transport.write(data)
