"""How are other programs started, recognised later, and stopped within a bounded time?

Every child dies with this process (see `launch_child`).  The kernel ties a child to the *thread* that started it, so
all children are started by one thread that lives as long as the process.
"""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

_LAUNCHER: Final = Path(__file__).with_name("launch_child.py")
# psutil derives the start time from the boot time, which moves with clock corrections.
_START_TOLERANCE_SECONDS: Final = 2.0
_POLL_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that cannot be mistaken for a later one with the same pid."""

    pid: int
    started_seconds: float
    marker: str  # a part of its command line

    @classmethod
    def of(cls, pid: int, marker: str) -> Identity:
        """The identity of a running process.

        Raises:
            psutil.NoSuchProcess: it is gone.
        """
        return cls(pid, psutil.Process(pid).create_time(), marker)

    def process(self) -> psutil.Process | None:
        """The live process, or None when it is gone, a zombie, or its pid belongs to something else by now."""
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            if abs(process.create_time() - self.started_seconds) > _START_TOLERANCE_SECONDS:
                return None
            return process if self.marker in " ".join(process.cmdline()) else None
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return None

    def end(self, first: signal.Signals, grace_seconds: float) -> bool:
        """Sends `first`, waits, then kills; False if there was nothing to end."""
        process = self.process()
        if process is None:
            return False
        children = _descendants(process)
        _signal_quietly(process, first)
        if not _gone(process, grace_seconds):
            _signal_quietly(process, signal.SIGKILL)
            _gone(process, 5.0)
        for child in children:  # a killed parent could not end them itself
            if not _gone(child, 2.0):
                _signal_quietly(child, signal.SIGKILL)
        return True


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _signal_quietly(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def _gone(process: psutil.Process, within_seconds: float) -> bool:
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        try:
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(_POLL_SECONDS)
    return False


class Child:
    """A running program that this process started."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.pid = process.pid

    def exit_code(self) -> int | None:
        """Its exit code (negative: the signal that ended it), or None while it runs."""
        return self._process.poll()

    def send(self, number: signal.Signals) -> None:
        """Sends a signal; nothing happens if it has ended."""
        if self._process.poll() is None:
            self._process.send_signal(number)

    def wait(self, timeout_seconds: float) -> int | None:
        """Its exit code, or None if it still runs after the timeout."""
        try:
            return self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self, first: signal.Signals = signal.SIGTERM, grace_seconds: float = 10.0) -> int | None:
        """Asks, waits, then kills; its exit code."""
        self.send(first)
        code = self.wait(grace_seconds)
        if code is None:
            self.send(signal.SIGKILL)
            code = self.wait(5.0)
        return code


@dataclass(frozen=True, slots=True)
class User:
    """Whom a child runs as."""

    uid: int
    gid: int


class _Spawner:
    """The one thread that starts children; it ends only with the process."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[tuple[Future[subprocess.Popen[bytes]], Sequence[str], dict[str, object]]]
        self._work = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self, command: Sequence[str], options: dict[str, object]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="child-spawner", daemon=True)
                self._thread.start()
        future: Future[subprocess.Popen[bytes]] = Future()
        self._work.put((future, command, options))
        return future.result()

    def _run(self) -> None:
        while True:
            future, command, options = self._work.get()
            try:
                future.set_result(subprocess.Popen(command, **options))  # type: ignore[call-overload]
            except BaseException as error:  # noqa: BLE001  handed to the caller's thread
                future.set_exception(error)


_spawner = _Spawner()


def spawn(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str],
    log: Path | None = None,
    working_directory: Path | None = None,
    user: User | None = None,
    nice: int = 0,
    death_signal: signal.Signals = signal.SIGTERM,
) -> Child:
    """Starts a program that gets `death_signal` when this process ends, however it ends.

    Args:
        command: absolute path of the program, then its arguments.
        environment: its whole environment.
        log: file its output is appended to; None keeps this process's own output.
        working_directory: None keeps this process's own.
        user: whom to run it as (only root may say so).
        nice: added to its niceness.
        death_signal: what the kernel sends it when this process is gone (Linux).

    Raises:
        OSError: the program or the log file cannot be opened.
    """
    import os

    keep = "-1"
    uid, gid = (str(user.uid), str(user.gid)) if user else (keep, keep)
    words = [sys.executable, "-I", "-S", str(_LAUNCHER), str(int(death_signal)), str(os.getpid()), uid, gid, str(nice)]
    words += ["--", *map(str, command)]
    options: dict[str, object] = {
        "env": dict(environment),
        "cwd": working_directory,
        "stdin": subprocess.DEVNULL,
        # Its own group: Ctrl-C reaches this process only, which then stops its children in order.
        "start_new_session": True,
    }
    if log is None:
        return Child(_spawner.start(words, options))
    with log.open("ab") as output:
        return Child(_spawner.start(words, {**options, "stdout": output, "stderr": subprocess.STDOUT}))
