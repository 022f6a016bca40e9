"""What does the local stack remember between two commands?  Ports, processes and passwords.

`stack.json` (ports, processes) and `secrets.json` (passwords) are readable by their owner only and are replaced in one
step, so that a reader never sees half a file.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from personalize.children import Identity
from personalize.errors import StackError

FORMAT: Final = 1
PASSWORDS: Final = ("postgres", "redis", "token")


@dataclass(slots=True)
class ServerState:
    """One server as last seen by the supervisor."""

    phase: str = "stopped"  # stopped | preparing | starting | ready | failed
    identity: Identity | None = None
    seconds_to_ready: float | None = None
    restarts: int = 0
    problem: str | None = None


@dataclass(slots=True)
class StackState:
    """The content of stack.json."""

    ports: dict[str, int] = field(default_factory=dict)
    servers: dict[str, ServerState] = field(default_factory=dict)
    supervisor: Identity | None = None
    ready: bool = False
    problem: str | None = None


def make_home(home: Path) -> Path:
    """The stack's folder, made if missing, as an absolute path."""
    home = home.absolute()
    if not home.is_dir():
        # Root's Postgres runs as somebody else, who must be able to pass through, not to look around.
        home.mkdir(parents=True, mode=0o711 if os.geteuid() == 0 else 0o700)
    if not os.access(home, os.W_OK):
        raise StackError(f"{home} is not writable by this user.", "set PERSONALIZE_HOME to a folder of your own.")
    return home


class StateFile:
    """stack.json of one home; written by the supervisor alone, read by anyone."""

    def __init__(self, home: Path) -> None:
        self.path = home / "stack.json"
        self._lock = threading.Lock()

    def read(self) -> StackState:
        """The last state written; an empty one without a file or when it is from another format."""
        try:
            raw = json.loads(self.path.read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return StackState()
        if raw.get("format") != FORMAT:
            return StackState()
        return StackState(
            ports={str(name): int(port) for name, port in raw["ports"].items()},
            servers={name: _server(value) for name, value in raw["servers"].items()},
            supervisor=_identity(raw["supervisor"]),
            ready=bool(raw["ready"]),
            problem=raw["problem"],
        )

    def write(self, state: StackState) -> None:
        """Replaces the file."""
        with self._lock:
            write_private(self.path, json.dumps({"format": FORMAT, **asdict(state)}, indent=1))

    def update(self, state: StackState, change: Callable[[StackState], None]) -> None:
        """Changes a state shared by threads and writes it."""
        with self._lock:
            change(state)
            write_private(self.path, json.dumps({"format": FORMAT, **asdict(state)}, indent=1))


def _identity(raw: dict[str, Any] | None) -> Identity | None:
    return None if raw is None else Identity(int(raw["pid"]), float(raw["started_seconds"]), str(raw["marker"]))


def _server(raw: dict[str, Any]) -> ServerState:
    return ServerState(
        phase=raw["phase"],
        identity=_identity(raw["identity"]),
        seconds_to_ready=raw["seconds_to_ready"],
        restarts=raw["restarts"],
        problem=raw["problem"],
    )


def write_private(path: Path, text: str) -> None:
    """Puts a file in place in one step, readable by its owner only."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    scratch.replace(path)


def passwords(home: Path) -> dict[str, str]:
    """The generated passwords of this home, made on first use.

    Raises:
        StackError: the file is unreadable.
    """
    path = home / "secrets.json"
    if not path.exists():
        scratch = home / f".secrets.{os.getpid()}.{threading.get_ident()}"
        write_private(scratch, json.dumps({name: secrets.token_hex(24) for name in PASSWORDS}))
        try:
            os.link(scratch, path)  # fails if another process was first: its passwords then hold
        except FileExistsError:
            pass
        finally:
            scratch.unlink()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {name: str(found[name]) for name in PASSWORDS}
    except (OSError, json.JSONDecodeError, KeyError) as error:
        raise StackError(
            f"{path} cannot be read ({type(error).__name__}).",
            f"`personalize down`, move {home} away, and `personalize up` for a new one.",
        ) from error
