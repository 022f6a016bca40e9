"""How does a bench run the product's own processes?  As a platform would: `personalize worker`, `personalize api`."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from personalize.bench.servers import PROJECT, Servers
from personalize.children import Child, spawn
from personalize.errors import EXIT_CRASHED, EXIT_FAILED, ProblemError

WORKER: Final = (sys.executable, "-m", "personalize.cli", "worker")
API: Final = (sys.executable, "-m", "personalize.cli", "api")
_STOP_SECONDS: Final = 15.0
_LOG_LINES: Final = 12


def module(name: str, *arguments: str) -> list[str]:
    """The command line of one of this package's own helper programs."""
    return [sys.executable, "-m", f"personalize.bench.{name}", *arguments]


def start(servers: Servers, name: str, command: Sequence[str], extra: Mapping[str, str] | None = None) -> Child:
    """Starts a process that writes its output to ``logs/{name}.log`` in the home of the servers."""
    return spawn(
        command,
        environment={**servers.environment(), **(extra or {})},
        log=servers.home / "logs" / f"{name}.log",
        working_directory=PROJECT,
    )


@contextmanager
def running(
    servers: Servers, name: str, command: Sequence[str], extra: Mapping[str, str] | None = None
) -> Iterator[Child]:
    """A process for as long as the block lasts.

    Raises:
        ProblemError: it had ended by itself when the block was done.
    """
    child = start(servers, name, command, extra)
    try:
        yield child
        ensure_alive(servers, name, child)
    finally:
        child.stop(grace_seconds=_STOP_SECONDS)


def ensure_alive(servers: Servers, name: str, child: Child) -> None:
    """Raises ProblemError with the end of its log when a process is gone."""
    code = child.exit_code()
    if code is not None:
        raise ProblemError(
            f"{name} ended with code {code}. The end of its log:\n{log_tail(servers.home, name)}", "read that log."
        )


def log_tail(home: Path, name: str) -> str:
    """The last lines that a process wrote."""
    try:
        lines = (home / "logs" / f"{name}.log").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(line[:400] for line in lines[-_LOG_LINES:])


def wait_until(ready: Callable[[], bool], seconds: float, what: str, alive: Callable[[], None] | None = None) -> None:
    """Asks again and again until ``ready`` says so.

    Raises:
        ProblemError: it did not within the time.
    """
    deadline = time.monotonic() + seconds
    while not ready():
        if alive:
            alive()
        if time.monotonic() > deadline:
            raise ProblemError(f"{what} took longer than {seconds:.0f} s.", "look at the logs; is the machine busy?")
        time.sleep(0.05)


class Supervised:
    """A process that is started again when it ends with one of the codes that ask for it, as a supervisor does."""

    RESTART: Final = (EXIT_FAILED, EXIT_CRASHED)
    _FIRST_PAUSE_SECONDS: Final = 0.1
    _LONGEST_PAUSE_SECONDS: Final = 2.0
    _STEADY_SECONDS: Final = 5.0

    def __init__(
        self, servers: Servers, name: str, command: Sequence[str], extra: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.exits: list[int] = []
        self._servers, self._command, self._extra = servers, command, extra
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self.child = self._make()
        self._thread = threading.Thread(target=self._watch, name=f"supervise-{name}", daemon=True)
        self._thread.start()

    def _make(self) -> Child:
        return start(self._servers, self.name, self._command, self._extra)

    def _watch(self) -> None:
        pause, since = self._FIRST_PAUSE_SECONDS, time.monotonic()
        while not self._ended.is_set():
            code = self.child.wait(0.1)
            if code is None:
                continue
            with self._lock:
                if self._ended.is_set():
                    return
                self.exits.append(code)
            # Killed by a signal counts as a crash of the machine: it is started again too.
            if code >= 0 and code not in self.RESTART:
                return
            if time.monotonic() - since > self._STEADY_SECONDS:
                pause = self._FIRST_PAUSE_SECONDS
            time.sleep(pause)
            pause = min(pause * 2, self._LONGEST_PAUSE_SECONDS)
            with self._lock:
                if self._ended.is_set():
                    return
                self.child, since = self._make(), time.monotonic()

    def alive(self) -> bool:
        """Whether the process runs right now."""
        return self.child.exit_code() is None

    def stop(self) -> int | None:
        """Ends it for good, cleanly; its exit code."""
        return self._end(signal.SIGTERM)

    def abandon(self) -> int | None:
        """Ends it for good with SIGKILL, as a machine does that fails."""
        return self._end(signal.SIGKILL)

    def _end(self, first: signal.Signals) -> int | None:
        with self._lock:
            self._ended.set()
        code = self.child.stop(first, _STOP_SECONDS)
        self._thread.join(5.0)
        return code
