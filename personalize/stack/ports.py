"""Which loopback ports do the embedded servers get?  The ones they had before, if still free, else new free ones."""

from __future__ import annotations

import socket
from typing import Final

from personalize.errors import StackError

LOOPBACK: Final = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether nothing listens on this loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # The servers set this too; without it a port in TIME_WAIT would look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def answers(port: int) -> bool:
    """Whether somebody takes connections on this loopback port; unlike `is_free` it never holds the port itself."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=0.2).close()
    except OSError:
        return False
    return True


def choose(fixed: int, remembered: int | None, taken: set[int], variable: str) -> int:
    """The port for a server: the fixed one, else the remembered one if free, else any free one.

    Raises:
        StackError: a fixed port is in use.
    """
    if fixed:
        if fixed in taken or not is_free(fixed):
            raise StackError(
                f"Port {fixed} ({variable}) is in use.",
                f"stop what listens there, or unset {variable} for a free port.",
            )
        return fixed
    if remembered and remembered not in taken and is_free(remembered):
        return remembered
    # Probes are kept open until one suits, so that the system does not offer the same one twice.
    probes: list[socket.socket] = []
    try:
        while True:
            probe = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            probes.append(probe)
            probe.bind((LOOPBACK, 0))
            port = int(probe.getsockname()[1])
            if port not in taken:
                return port
    finally:
        for probe in probes:
            probe.close()
