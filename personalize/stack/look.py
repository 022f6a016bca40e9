"""What runs where right now?  Asked of the processes and ports themselves, not of what was once written down."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from personalize.settings import Settings
from personalize.stack.local import servers_of
from personalize.stack.server import Server
from personalize.stack.state import StateFile


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSeen:
    """One server as it is now."""

    name: str
    phase: str  # ready | starting | failed | stopped
    answers: bool
    port: int | None
    pid: int | None
    uptime_seconds: float | None
    memory_bytes: int | None
    restarts: int
    data_folder: str | None
    data_bytes: int | None
    log: str
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StackSeen:
    """The stack of one home as it is now."""

    home: str
    running: bool
    supervisor_pid: int | None
    servers: list[ServerSeen]


def look(settings: Settings, home: Path) -> StackSeen:
    """The state of the local stack; starts and changes nothing."""
    home = home.absolute()
    if not (home / "stack.json").is_file():
        return StackSeen(home=str(home), running=False, supervisor_pid=None, servers=[])
    state = StateFile(home).read()
    supervisor = state.supervisor.process() if state.supervisor else None
    servers = []
    all_servers: tuple[Server, ...] = servers_of(home, settings)
    for server in all_servers:
        seen = state.servers.get(server.name)
        process = seen.identity.process() if seen and seen.identity else None
        data = server.data_folder()
        servers.append(
            ServerSeen(
                name=server.name,
                phase=seen.phase if seen and process else "stopped",
                answers=process is not None and server.answers(state.ports),
                port=state.ports.get(server.name),
                pid=process.pid if process else None,
                uptime_seconds=round(time.time() - process.create_time(), 1) if process else None,
                memory_bytes=_memory(process),
                restarts=seen.restarts if seen else 0,
                data_folder=str(data) if data else None,
                data_bytes=_size(data) if data else None,
                log=str(home / "logs" / f"{server.name}.log"),
                problem=seen.problem if seen else None,
            )
        )
    return StackSeen(
        home=str(home),
        running=supervisor is not None and state.ready and all(server.answers for server in servers),
        supervisor_pid=supervisor.pid if supervisor else None,
        servers=servers,
    )


def _memory(process: psutil.Process | None) -> int | None:
    """Resident bytes of a server with its children; pages that they share count once each."""
    if process is None:
        return None
    total = 0
    for each in (process, *process.children(recursive=True)):
        try:
            total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def _size(folder: Path) -> int | None:
    """Bytes on disk (Kafka's index files are sparse: their length says little); None if it may not be read."""
    try:
        return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*"))
    except OSError:
        return None
