"""`personalize up`: are the three servers running?  If not, start them, and say when each answers."""

from __future__ import annotations

import time

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from personalize.commands.options import Json
from personalize.commands.output import console, megabytes, print_json
from personalize.errors import StackError
from personalize.settings import Settings
from personalize.stack import Endpoints
from personalize.stack.state import StackState
from personalize.stack.supervisor import Up, up

app = typer.Typer(add_completion=False)


class Download:
    """The progress bar of the jar download, which appears only if there is something to download."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: Progress | None = None
        self._begun = time.monotonic()
        self.bytes = 0
        self.seconds = 0.0

    def __call__(self, file: str, done_bytes: int, total_bytes: int) -> None:
        """Moves the bar."""
        self.bytes, self.seconds = done_bytes, time.monotonic() - self._begun
        if self._quiet:
            return
        if self._bar is None:
            self._bar = Progress(
                TextColumn("Kafka jars"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), console=console
            )
            self._bar.start()
            self._bar.add_task(file, total=total_bytes)
        self._bar.update(self._bar.task_ids[0], completed=done_bytes)
        if done_bytes >= total_bytes:
            self._bar.stop()
            console.print(f"downloaded {megabytes(total_bytes)} of Kafka in {self.seconds:.1f} s (once a user)")


class Announcer:
    """Prints a line when a server gets ready."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._seen: set[str] = set()

    def __call__(self, state: StackState) -> None:
        """Looks at the state and prints what is new."""
        if self._quiet:
            return
        for name, server in state.servers.items():
            if server.phase == "ready" and name not in self._seen:
                self._seen.add(name)
                console.print(f"{name:9} ready in {server.seconds_to_ready:.1f} s on 127.0.0.1:{state.ports[name]}")


def bring_up(settings: Settings, *, quiet: bool) -> tuple[Up, Download]:
    """Starts the embedded stack with a progress display.

    Raises:
        StackError: STACK is not embedded, or a server does not come up.
    """
    if settings.stack != "embedded":
        raise StackError(
            f"STACK={settings.stack}: there is no local stack to start.",
            "unset STACK and the URLs, or use those servers.",
        )
    download = Download(quiet=quiet)
    return up(settings, settings.home, Announcer(quiet=quiet), download), download


def addresses(endpoints: Endpoints) -> dict[str, str]:
    """What may be shown of the endpoints: no passwords."""
    host = endpoints.database_url.rsplit("@", 1)[-1]
    return {
        "kafka": endpoints.kafka,
        "postgres": host,
        "redis": f"{endpoints.redis_host}:{endpoints.redis_port}",
    }


@app.command()
def command(as_json: Json = False) -> None:
    """Start the local Kafka, Postgres and Redis; returns when all three answer."""
    settings = Settings.load()
    result, download = bring_up(settings, quiet=as_json)
    if as_json:
        print_json(
            {
                "already_running": result.already_running,
                "seconds": round(result.seconds, 2),
                "download_seconds": round(download.seconds, 2),
                "download_bytes": download.bytes,
                "home": str(settings.home.absolute()),
                **addresses(result.endpoints),
            }
        )
    elif result.already_running:
        console.print(f"already running: {addresses(result.endpoints)}")
    else:
        console.print(f"all three answer after {result.seconds:.1f} s; data in {settings.home.absolute()}")
