"""How are worker and API kept running beside each other?  As children with restarts, until one asks a person for help.

A process that ends with 1 (may pass), 70 (met something unknown) or by a signal is started again after a growing pause.
Any other code means that trying again cannot help (2: a setting; 78: too many dead letters), so everything is stopped.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from personalize.children import Child, spawn
from personalize.errors import EXIT_CRASHED, EXIT_FAILED, ProblemError

RESTART_CODES: Final = (EXIT_FAILED, EXIT_CRASHED)
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 30.0
_STEADY_SECONDS: Final = 60.0
_TICK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A process to keep running."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    log: Path | None = None  # None: its output goes where ours goes
    may_start: Callable[[], bool] | None = field(default=None, repr=False)
    """Asked ten times a second until it says yes; None: it starts with the others."""


@dataclass(slots=True)
class _Kept:
    program: Program
    child: Child
    since: float
    failures: int = 0
    retry_at: float | None = None
    done: bool = False


Event = Callable[[str, str], None]
"""Called with the program's name and what happened to it."""


class Processes:
    """Programs that are kept running together; not thread-safe, except `stopping`."""

    def __init__(self, programs: Sequence[Program], on_event: Event | None = None) -> None:
        self._programs = programs
        self._on_event = on_event or (lambda _name, _what: None)
        self._kept: list[_Kept] = []
        self._waiting: list[Program] = []
        self.stopping = threading.Event()
        """Set it (from any thread or signal handler) to leave `watch`."""

    def start(self) -> None:
        """Starts all programs that need not wait."""
        for program in self._programs:
            if program.may_start is None:
                self.add(program)
            else:
                self._waiting.append(program)

    def add(self, program: Program) -> None:
        """Starts one more program and keeps it."""
        self._kept.append(_Kept(program, self._spawn(program), time.monotonic()))

    def _spawn(self, program: Program) -> Child:
        return spawn(program.command, environment=program.environment, log=program.log)

    def watch(self) -> None:
        """Keeps them running until `stopping` is set or all have ended with 0.

        Raises:
            ProblemError: a program ended with a code that a restart cannot cure.
        """
        while not self.stopping.wait(_TICK_SECONDS):
            self.look_once()
            if not self._waiting and all(kept.done for kept in self._kept):
                return

    def ended(self) -> bool:
        """Looks once, then says whether it is time to stop.

        Raises:
            ProblemError: see `look_once`.
        """
        self.look_once()
        return self.stopping.is_set()

    def look_once(self) -> None:
        """Starts what has waited, and again what has ended, if its pause is over.

        Raises:
            ProblemError: a program ended with a code that a restart cannot cure.
        """
        for program in [one for one in self._waiting if one.may_start is not None and one.may_start()]:
            self._waiting.remove(program)
            self.add(program)
        now = time.monotonic()
        for kept in self._kept:
            code = kept.child.exit_code()
            if code is None or kept.done:
                continue
            if kept.retry_at is None:
                self._ended(kept, code, now)
            elif now >= kept.retry_at:
                kept.child, kept.since, kept.retry_at = self._spawn(kept.program), now, None
                self._on_event(kept.program.name, "started again")

    def _ended(self, kept: _Kept, code: int, now: float) -> None:
        name = kept.program.name
        if code == 0:
            kept.done = True
            self._on_event(name, "ended")
        elif code < 0 or code in RESTART_CODES:
            kept.failures = 1 if now - kept.since > _STEADY_SECONDS else kept.failures + 1
            pause = min(_FIRST_PAUSE_SECONDS * 2.0 ** (kept.failures - 1), _LONGEST_PAUSE_SECONDS)
            kept.retry_at = now + pause
            self._on_event(name, f"ended with code {code}; starting again in {pause:.1f} s")
        else:
            where = f"read {kept.program.log}" if kept.program.log else "read its output above"
            raise ProblemError(f"{name} ended with code {code}; starting it again cannot help.", f"{where}.")

    def pids(self) -> dict[str, int]:
        """The process ids of those that run, by name."""
        return {kept.program.name: kept.child.pid for kept in self._kept if kept.child.exit_code() is None}

    def stop(self, grace_seconds: float = 15.0) -> dict[str, int | None]:
        """Asks all to stop at once, waits, then kills what is left; exit codes by name."""
        for kept in self._kept:
            kept.child.send(signal.SIGTERM)
        deadline = time.monotonic() + grace_seconds
        codes: dict[str, int | None] = {}
        for kept in self._kept:
            code = kept.child.wait(max(0.0, deadline - time.monotonic()))
            codes[kept.program.name] = kept.child.stop(signal.SIGKILL, 5.0) if code is None else code
        self._kept.clear()
        return codes
