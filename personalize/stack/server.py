"""What is one server of the local stack?  Something to prepare, launch on a port, and ask whether it answers."""

from __future__ import annotations

import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from personalize.children import User
from personalize.stack.ports import LOOPBACK

# Servers get this environment and nothing of the caller's.
ENVIRONMENT: Final[Mapping[str, str]] = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How one server process is started, recognised and ended."""

    command: tuple[str, ...]
    marker: str  # a part of its command line that no other process has
    stop_signal: signal.Signals
    death_signal: signal.Signals
    stop_seconds: float  # within which a clean stop must be done
    user: User | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: dict(ENVIRONMENT))


class Server(Protocol):
    """One of kafka, postgres, redis."""

    @property
    def name(self) -> str:
        """kafka, postgres or redis."""

    @property
    def port_names(self) -> tuple[str, ...]:
        """The ports it needs; the first is the one that clients use."""

    @property
    def ready_seconds(self) -> float:
        """Within which it must answer."""

    def prepare(self) -> None:
        """Makes its data folder if there is none yet, and clears locks that a killed server left."""

    def launch(self, ports: Mapping[str, int]) -> Launch:
        """Writes its configuration for these ports and says how to start it."""

    def answers(self, ports: Mapping[str, int]) -> bool:
        """Whether a client is served now."""

    def data_folder(self) -> Path | None:
        """Where its data is, if it keeps any."""


def connect(port: int, timeout_seconds: float = 5.0) -> socket.socket:
    """A TCP connection to a loopback port.

    Raises:
        OSError: nobody listens there.
    """
    return socket.create_connection((LOOPBACK, port), timeout=timeout_seconds)
