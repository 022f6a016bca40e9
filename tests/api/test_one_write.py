"""A head and what follows it at once are one write; nothing is held back for longer, and the order stays."""

from __future__ import annotations

import asyncio

from api.one_write import OneWrite

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Written:
    """A connection that remembers what was written to it."""

    def __init__(self) -> None:
        self.calls: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.calls.append(data)

    def close(self) -> None:
        self.calls.append(b"closed")

    def is_closing(self) -> bool:
        return False

    get_extra_info = pause_reading = resume_reading = is_closing


def test_what_follows_at_once_goes_with_the_head() -> None:
    """Head and body, heads alone, bodies bit by bit, several responses, and the end of a connection."""

    async def main() -> None:
        written = Written()
        transport = OneWrite(written, asyncio.get_running_loop())  # type: ignore[arg-type]
        transport.write(HEAD)
        assert written.calls == []
        transport.write(b"{}")
        transport.write(b"more")
        transport.write(HEAD)
        transport.write(HEAD)
        assert written.calls == [HEAD + b"{}", b"more", HEAD + HEAD]
        transport.write(HEAD)
        await asyncio.sleep(0)
        assert written.calls[3:] == [HEAD]
        transport.write(HEAD)
        transport.close()
        await asyncio.sleep(0)
        assert written.calls[4:] == [HEAD, b"closed"]

    asyncio.run(main())
