"""`personalize status`: what runs where?"""

from __future__ import annotations

from dataclasses import asdict

import typer

from personalize.commands.options import Json
from personalize.commands.output import console, megabytes, print_json, table
from personalize.errors import EXIT_FAILED
from personalize.settings import Settings
from personalize.stack.look import StackSeen, look

app = typer.Typer(add_completion=False)


def _print(seen: StackSeen) -> None:
    rows = table("server", "state", "address", "pid", "up", "memory", "restarts", "data")
    for server in seen.servers:
        state = server.phase if server.answers or server.phase != "ready" else "does not answer"
        rows.add_row(
            server.name,
            f"[green]{state}[/]" if server.answers else f"[red]{state}[/]",
            f"127.0.0.1:{server.port}" if server.port else "-",
            str(server.pid or "-"),
            f"{server.uptime_seconds:.0f} s" if server.uptime_seconds is not None else "-",
            megabytes(server.memory_bytes) if server.memory_bytes else "-",
            str(server.restarts),
            f"{server.data_folder} ({megabytes(server.data_bytes or 0)})" if server.data_folder else "none kept",
        )
    console.print(rows)
    for server in seen.servers:
        if server.problem:
            console.print(f"{server.name}: {server.problem} (log: {server.log})")


@app.command()
def command(as_json: Json = False) -> None:
    """What runs where; exit code 1 unless all three servers answer."""
    settings = Settings.load()
    seen = look(settings, settings.home)
    if as_json:
        print_json(asdict(seen))
    else:
        console.print(f"home {seen.home}: {'running' if seen.running else 'not running (personalize up)'}")
        _print(seen)
    if not seen.running:
        raise typer.Exit(EXIT_FAILED)
