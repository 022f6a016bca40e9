"""Who keeps the embedded servers running after `personalize up` has returned?  One detached process, this module.

`up` and `down` are what the commands call.  The supervisor holds the home's lock while it lives; its servers die with
it, and it starts a server again that ended by itself.
"""

from __future__ import annotations

import fcntl
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from personalize.children import Child, spawn
from personalize.errors import ProblemError, StackError
from personalize.settings import Settings, process_environment
from personalize.stack import jars
from personalize.stack.endpoints import Endpoints
from personalize.stack.local import LocalStack, end_left_overs, endpoints_of
from personalize.stack.places import cache_folder
from personalize.stack.state import StackState, StateFile, make_home

MODULE: Final = "personalize.stack.supervisor"
_TICK_SECONDS: Final = 0.2
_START_SECONDS: Final = 240.0
_STOP_SECONDS: Final = 60.0
_TRAIN_AFTER_SECONDS: Final = 30.0

Report = Callable[[StackState], None]
"""Called with the state each time that it may have changed."""


@dataclass(frozen=True, slots=True)
class Up:
    """What `up` did."""

    endpoints: Endpoints
    already_running: bool
    seconds: float


def up(settings: Settings, home: Path, report: Report | None = None, fetched: jars.Progress | None = None) -> Up:
    """Starts the supervisor of a home unless it runs, and waits until all three servers answer.

    Two calls at the same time are safe: the second one waits and finds the stack running.

    Raises:
        StackError: a server does not come up, or jars cannot be had.
    """
    home = make_home(home)
    begun = time.monotonic()
    with _only_one(home):
        file = StateFile(home)
        state = file.read()
        if _lives(state) and state.ready:
            return Up(endpoints_of(home, state), already_running=True, seconds=time.monotonic() - begun)
        if _lives(state):  # an `up` was interrupted while it waited
            _refuse_a_strangers(home, state)
            assert state.supervisor is not None
            state.supervisor.end(signal.SIGTERM, _STOP_SECONDS)
        jars.ensure(cache_folder(settings, home), settings.maven_repository, fetched)
        (home / "logs").mkdir(mode=0o700, exist_ok=True)
        begun = time.monotonic()
        state = _start_detached(home, file, report)
    return Up(endpoints_of(home, state), already_running=False, seconds=time.monotonic() - begun)


def _start_detached(home: Path, file: StateFile, report: Report | None) -> StackState:
    with (home / "logs" / "supervisor.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", MODULE, str(home)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        return _await_ready(home, file, process, report)
    except BaseException:  # Ctrl-C too: what was started for a caller who left must not stay
        process.terminate()
        raise


def _await_ready(home: Path, file: StateFile, process: subprocess.Popen[bytes], report: Report | None) -> StackState:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        state = file.read()
        ended = process.poll() is not None
        if state.supervisor is not None and state.supervisor.pid == process.pid:
            if report:
                report(state)
            if state.ready:
                _disown(process)
                return state
        if ended:
            what = file.read().problem or _tail(home / "logs" / "supervisor.log")
            raise StackError(f"The local stack did not start: {what}", "personalize doctor")
        time.sleep(0.05)
    raise StackError(f"The local stack did not start within {_START_SECONDS:.0f} s.", "personalize doctor")


def _disown(process: subprocess.Popen[bytes]) -> None:
    # It outlives us on purpose: Popen must not complain that nobody waited for it.
    process.returncode = 0


def _tail(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it ended without a word"


def down(home: Path) -> bool:
    """Stops the servers of a home, and what an earlier supervisor left over; False if nothing ran.

    Raises:
        StackError: the servers belong to another program, such as a running test session.
    """
    if not home.is_dir():
        return False
    home = home.absolute()
    with _only_one(home):
        state = StateFile(home).read()
        stopped = False
        if state.supervisor is not None and state.supervisor.process() is not None:
            _refuse_a_strangers(home, state)
            stopped = state.supervisor.end(signal.SIGTERM, _STOP_SECONDS)
        return bool(end_left_overs(home)) or stopped


def _refuse_a_strangers(home: Path, state: StackState) -> None:
    """Raises StackError if the servers are another program's children, such as a test session's."""
    if state.supervisor is not None and state.supervisor.marker != MODULE:
        raise StackError(
            f"The servers of {home} belong to the process {state.supervisor.pid}.",
            "end that program; its servers end with it.",
        )


def _lives(state: StackState) -> bool:
    return state.supervisor is not None and state.supervisor.process() is not None


@contextmanager
def _only_one(home: Path) -> Iterator[None]:
    with (home / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # freed by the system when this process ends, however it ends
        yield


class _Supervisor:
    """The detached process: starts, watches, stops."""

    def __init__(self, home: Path, settings: Settings) -> None:
        self._stack = LocalStack(home, settings, owner=MODULE)
        self._stopping = threading.Event()

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._ask_to_stop)
        self._stack.start()
        trainer: Child | None = None
        train_at = time.monotonic() + _TRAIN_AFTER_SECONDS
        try:
            while not self._stopping.wait(_TICK_SECONDS):
                self._stack.keep_running()
                if trainer is None and time.monotonic() > train_at and not self._stack.kafka.aot_cache().is_file():
                    trainer = self._train()
        finally:
            if trainer is not None:
                trainer.stop(grace_seconds=3.0)
            self._stack.stop()

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  a signal handler's signature
        self._stopping.set()

    def _train(self) -> Child:
        home = self._stack.home
        command = [sys.executable, "-m", "personalize.stack.start_up_cache", str(home)]
        return spawn(command, environment=process_environment(), log=home / "logs" / "start-up-cache.log", nice=19)


def main(arguments: list[str]) -> int:
    """Runs the supervisor of one home until it is asked to stop."""
    try:
        _Supervisor(Path(arguments[0]), Settings.load()).run()
    except ProblemError as error:
        print(str(error), file=sys.stderr, flush=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
