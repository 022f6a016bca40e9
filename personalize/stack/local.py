"""How do the three embedded servers start, keep running, and stop together?

`LocalStack` owns them: it holds the lock of its home, ends what an earlier owner left over, picks ports, starts all
three side by side and waits until each answers.  The detached supervisor, tests and benchmarks all use it; the servers
are children of the process that uses it and die with it.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from personalize.children import Child, Identity, spawn
from personalize.errors import StackError
from personalize.settings import Settings
from personalize.stack import jars, ports
from personalize.stack.endpoints import Endpoints
from personalize.stack.kafka import KafkaServer
from personalize.stack.places import cache_folder
from personalize.stack.postgres import PostgresServer
from personalize.stack.redis import RedisServer
from personalize.stack.server import Launch, Server
from personalize.stack.state import ServerState, StackState, StateFile, make_home, passwords

_POLL_SECONDS: Final = 0.03
_LOG_LIMIT_BYTES: Final = 20 * 1024 * 1024
_MAX_RESTART_DELAY_SECONDS: Final = 30.0
_STEADY_SECONDS: Final = 60.0
_PORT_VARIABLES: Final = {"kafka": "KAFKA_PORT", "postgres": "POSTGRES_PORT", "redis": "EMBEDDED_REDIS_PORT"}


class _Running:
    """A started server: its process, how to end it, and when it may be restarted."""

    def __init__(self, child: Child, launch: Launch) -> None:
        self.child = child
        self.launch = launch
        self.since = time.monotonic()


def servers_of(home: Path, settings: Settings) -> tuple[KafkaServer, PostgresServer, RedisServer]:
    """The servers of a home, whether they run or not."""
    secrets = passwords(home)
    return (
        KafkaServer(home, cache_folder(settings, home)),
        PostgresServer(home, secrets["postgres"], settings.postgres_user),
        RedisServer(home, secrets["redis"]),
    )


class LocalStack:
    """The three servers of one home."""

    def __init__(self, home: Path, settings: Settings, *, owner: str = "") -> None:
        self._owner = owner  # a part of this process's command line
        self.home = make_home(home)
        self._settings = settings
        self.kafka, postgres, redis = servers_of(self.home, settings)
        servers: tuple[Server, ...] = (self.kafka, postgres, redis)
        self._servers = {server.name: server for server in servers}
        self._running: dict[str, _Running] = {}
        self._failures: dict[str, int] = {}
        self._retry_at: dict[str, float] = {}
        self._file = StateFile(self.home)
        self._state = StackState()
        self._lock: IO[str] | None = None

    # -- all three -----------------------------------------------------------------------------------------------

    def start(self) -> Endpoints:
        """Starts all three and waits until each answers.

        Raises:
            StackError: the home is in use, jars are missing, a port is taken, or a server does not come up.
        """
        lacking = jars.missing(self.kafka.cache)
        if lacking:
            raise StackError(f"{len(lacking)} Kafka jars are not in {self.kafka.cache}.", "personalize up")
        self._acquire()
        try:
            self._state.ports = self._file.read().ports
            end_left_overs(self.home)
            (self.home / "logs").mkdir(mode=0o700, exist_ok=True)
            self._choose_ports()
            self._state.supervisor = Identity.of(os.getpid(), self._owner)
            for name in self._servers:
                self._state.servers[name] = ServerState(phase="preparing")
            self._file.write(self._state)
            with ThreadPoolExecutor(len(self._servers)) as pool:
                for outcome in [pool.submit(self.start_server, name) for name in self._servers]:
                    outcome.result()
            self._note(lambda state: setattr(state, "ready", True))
        except BaseException as error:
            problem = str(error)
            self._note(lambda state: setattr(state, "problem", problem))
            self.stop()
            raise
        return self.endpoints()

    def stop(self) -> None:
        """Stops all three cleanly within a bounded time and gives the home free."""
        self._note(lambda state: setattr(state, "ready", False))
        with ThreadPoolExecutor(len(self._servers)) as pool:
            list(pool.map(self.stop_server, list(self._running)))
        self._note(lambda state: setattr(state, "supervisor", None))
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def endpoints(self) -> Endpoints:
        """Where clients find the servers."""
        return endpoints_of(self.home, self._state)

    def keep_running(self) -> None:
        """Starts again what has ended by itself, with growing pauses; call it now and then."""
        now = time.monotonic()
        for name, running in list(self._running.items()):
            code = running.child.exit_code()
            if code is None:
                continue
            if name not in self._retry_at:
                steady = now - running.since > _STEADY_SECONDS
                self._failures[name] = 1 if steady else self._failures.get(name, 0) + 1
                delay = min(0.25 * 2.0 ** self._failures[name], _MAX_RESTART_DELAY_SECONDS)
                self._retry_at[name] = now + delay
                self._server_note(
                    name, phase="failed", problem=f"ended with code {code}; starting again in {delay:.1f} s"
                )
            elif now >= self._retry_at[name]:
                del self._retry_at[name]
                self._restart(name)

    def _restart(self, name: str) -> None:
        restarts = self._state.servers[name].restarts + 1
        try:
            self.start_server(name)
        except StackError as error:
            self._server_note(name, phase="failed", problem=str(error))
        self._server_note(name, restarts=restarts)

    # -- one of them ---------------------------------------------------------------------------------------------

    def start_server(self, name: str) -> None:
        """Starts one server and waits until it answers.

        Raises:
            StackError: it ended, or did not answer in time; with the end of its log.
        """
        server = self._servers[name]
        begun = time.monotonic()
        self._server_note(name, phase="preparing", problem=None)
        try:
            server.prepare()
            log = self._log(name)
            launch = server.launch(self._state.ports)
            child = spawn(
                launch.command,
                environment=launch.environment,
                log=log,
                working_directory=Path("/"),
                user=launch.user,
                death_signal=launch.death_signal,
            )
            self._running[name] = _Running(child, launch)
            self._server_note(name, phase="starting", identity=Identity.of(child.pid, launch.marker))
            self._await(server, child, begun)
        except StackError as error:
            self._server_note(name, phase="failed", problem=str(error))
            raise
        self._server_note(name, phase="ready", seconds_to_ready=round(time.monotonic() - begun, 2))

    def _await(self, server: Server, child: Child, begun: float) -> None:
        while not server.answers(self._state.ports):
            code = child.exit_code()
            waited = time.monotonic() - begun
            if code is None and waited < server.ready_seconds:
                time.sleep(_POLL_SECONDS)
                continue
            what = f"did not answer within {waited:.0f} s" if code is None else f"ended with code {code} while starting"
            log = self._log(server.name)
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-6:]
            tail = "\n".join(line[:300] for line in lines)
            raise StackError(f"{server.name} {what}. The end of its log:\n{tail}\n", f"read {log}; personalize doctor")

    def stop_server(self, name: str) -> None:
        """Stops one server cleanly."""
        running = self._running.pop(name, None)
        self._retry_at.pop(name, None)
        if running is None:
            return
        running.child.stop(running.launch.stop_signal, running.launch.stop_seconds)
        self._server_note(name, phase="stopped", identity=None)

    def kill_server(self, name: str) -> None:
        """Ends one server with SIGKILL, as a crash would; it stays down until `start_server`."""
        running = self._running.pop(name, None)
        if running is not None:
            running.child.stop(signal.SIGKILL, 10.0)
            self._server_note(name, phase="stopped", identity=None)

    def data_folder(self, name: str) -> Path | None:
        """Where a server keeps its data; None for Redis, which keeps none."""
        return self._servers[name].data_folder()

    def pid(self, name: str) -> int:
        """The process id of a running server.

        Raises:
            KeyError: it does not run.
        """
        return self._running[name].child.pid

    # -- inside --------------------------------------------------------------------------------------------------

    def _acquire(self) -> None:
        lock = (self.home / "supervisor.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise StackError(f"The stack of {self.home} is already running.", "personalize status") from None
        self._lock = lock

    def _choose_ports(self) -> None:
        fixed = {
            "kafka": self._settings.kafka_port,
            "postgres": self._settings.postgres_port,
            "redis": self._settings.embedded_redis_port,
        }
        remembered, chosen = self._state.ports, dict[str, int]()
        for server in self._servers.values():
            for name in server.port_names:
                port = ports.choose(
                    fixed.get(name, 0), remembered.get(name), set(chosen.values()), _PORT_VARIABLES.get(name, "")
                )
                chosen[name] = port
        self._state.ports = chosen

    def _log(self, name: str) -> Path:
        path = self.home / "logs" / f"{name}.log"
        if path.is_file() and path.stat().st_size > _LOG_LIMIT_BYTES and name not in self._running:
            path.replace(path.with_suffix(".log.1"))
        return path

    def _note(self, change: Callable[[StackState], None]) -> None:
        self._file.update(self._state, change)

    def _server_note(self, name: str, **values: object) -> None:
        def change(state: StackState) -> None:
            server = state.servers.setdefault(name, ServerState())
            for field_name, value in values.items():
                setattr(server, field_name, value)

        self._note(change)


def endpoints_of(home: Path, state: StackState) -> Endpoints:
    """Where clients find the servers of a home, with the passwords of that home."""
    secrets = passwords(home)
    postgres = PostgresServer.url(secrets["postgres"], state.ports["postgres"])
    return Endpoints(
        kafka=f"{ports.LOOPBACK}:{state.ports['kafka']}",
        database_url=postgres,
        redis_host=ports.LOOPBACK,
        redis_port=state.ports["redis"],
        redis_password=secrets["redis"],
    )


def end_left_overs(home: Path) -> list[str]:
    """Ends servers of this home whose owner is gone; their names.  The caller holds the home's lock."""
    ended = []
    for name, server in StateFile(home).read().servers.items():
        # SIGQUIT makes Postgres leave at once and clean up; the other two take it as SIGTERM or are killed.
        first = signal.SIGQUIT if name == "postgres" else signal.SIGTERM
        if server.identity is not None and server.identity.end(first, grace_seconds=10.0):
            ended.append(name)
    return ended


@contextmanager
def embedded(home: Path, settings: Settings | None = None) -> Iterator[Endpoints]:
    """Runs the three servers as children of this process for as long as the block lasts; the data stay in `home`.

    Raises:
        StackError: see `LocalStack.start`.
    """
    settings = settings or Settings.load()
    home = make_home(home)
    jars.ensure(cache_folder(settings, home), settings.maven_repository)
    stack = LocalStack(home, settings)
    endpoints = stack.start()
    try:
        yield endpoints
    finally:
        stack.stop()
