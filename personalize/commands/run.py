"""`personalize run`: the whole engine on this machine, fed with real clicks, until Ctrl-C.

Servers, migrations and topics, worker and API, the Open University history of one module, then its last weeks as live
traffic.  A second start finds everything as it was and goes on.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Final

import typer

from personalize import scrape_targets
from personalize.commands.migrate import migrate
from personalize.commands.output import console
from personalize.commands.up import bring_up
from personalize.connection import token_secret
from personalize.errors import CannotStartError, StackError
from personalize.processes import Processes, Program
from personalize.settings import Settings, process_environment
from personalize.stack import Endpoints, ports, running
from personalize.stack.supervisor import down

if TYPE_CHECKING:
    from personalize.demo_session import DemoSession

app = typer.Typer(add_completion=False)
PROGRAMS: Final = {"worker": ["worker"], "api": ["api"], "recommender": ["recommender"], "jobs": ["jobs", "run"]}
"""Name of a process → its words on the command line."""
LATER: Final = frozenset({"recommender", "jobs"})
"""What a reader can do without for a moment: they load much, and on few cores would only delay the first answer."""
LATER_SECONDS: Final = 15.0


@app.command()
def command(
    demo: Annotated[bool, typer.Option(help="Publish the demo's history and live traffic.")] = True,
    rate: Annotated[float, typer.Option(min=0.01, help="Live demo events a second.")] = 5.0,
) -> None:
    """Everything at once: servers, worker, API and live demo traffic, until Ctrl-C."""
    begun = time.monotonic()
    settings = Settings.load()
    _refuse_taken_port(settings)
    threading.Thread(target=_import_ahead, daemon=True).start()
    servers, ours, download_seconds = _servers(settings)
    try:
        revisions, topics = migrate(servers, settings.reporting_password)
        console.print(f"{len(revisions)} migrations applied, {len(topics.created)} topics created")
        from personalize.demo_session import DemoSession

        processes = Processes(_programs(settings, servers), _print_event)
        with _stop_on_signals(processes):
            session = DemoSession(settings, servers, begun=begun + download_seconds) if demo else None
            _until_stopped(processes, session, rate)
    finally:
        if ours:
            down(settings.home)
            console.print("servers stopped; the data stay in " + str(settings.home.absolute()))


def _import_ahead() -> None:
    """Loads what is needed next while the servers start: about a second of the second start."""
    for module in ("projections.migrate", "aiokafka.admin", "personalize.demo_session"):
        import_module(module)


def _refuse_taken_port(settings: Settings) -> None:
    if not ports.is_free(settings.port):
        raise CannotStartError(
            f"Port {settings.port} is in use, perhaps by another `personalize run`.",
            "stop what listens there, or choose another port: PORT=3010 make run",
        )


def _servers(settings: Settings) -> tuple[Endpoints, bool, float]:
    """The servers, whether this command started them, and the seconds that downloads took."""
    if settings.stack != "embedded":
        return running(settings), False, 0.0
    result, download = bring_up(settings, quiet=False)
    if result.already_running:
        console.print("the local stack is already running; it stays up afterwards")
    return result.endpoints, not result.already_running, download.seconds


def _programs(settings: Settings, servers: Endpoints) -> list[Program]:
    environment = process_environment(
        **servers.environment(),
        TOKEN_SECRET=token_secret(settings),
        PERSONALIZE_HOME=str(settings.home.absolute()),
        HOST=settings.host,
        PORT=str(settings.port),
    )
    logs = settings.home.absolute() / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    metrics_ports = scrape_targets.choose(settings)
    latest = time.monotonic() + LATER_SECONDS

    def api_listens() -> bool:
        return ports.answers(settings.port) or time.monotonic() > latest

    return [
        Program(
            name=name,
            command=[sys.executable, "-m", "personalize.cli", *words],
            environment={**environment, "METRICS_PORT": str(metrics_ports.get(name, 0))},
            log=logs / f"{name}.log",
            may_start=api_listens if name in LATER else None,
        )
        for name, words in PROGRAMS.items()
    ]


def _print_event(name: str, what: str) -> None:
    console.print(f"{name} {what}")


@contextmanager
def _stop_on_signals(processes: Processes) -> Iterator[None]:
    def ask(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  a signal handler's signature
        processes.stopping.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _until_stopped(processes: Processes, session: DemoSession | None, rate: float) -> None:
    processes.start()
    try:
        if session is None:
            console.print("worker and API run; Ctrl-C stops them")
            processes.watch()
        else:
            asyncio.run(session.run(rate, processes.ended))
    except StackError:
        # A server that goes away while we stop is no news.
        if not processes.stopping.is_set():
            raise
    finally:
        console.print("stopping")
        codes = processes.stop()
        for name, code in codes.items():
            if code not in {0, -signal.SIGTERM}:
                console.print(f"{name} ended with code {code}")
