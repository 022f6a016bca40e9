"""`personalize watch`: lag, rates, freshness and health in the terminal, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text

from personalize.commands.options import Json
from personalize.commands.output import console, print_json, table
from personalize.connection import endpoints
from personalize.errors import EXIT_FAILED
from personalize.settings import Settings

if TYPE_CHECKING:
    from personalize.watching import Look, Watcher

app = typer.Typer(add_completion=False)
SAMPLE_SECONDS = 1.0
"""Between the two looks that make the rates of `--json`."""


@app.command()
def command(
    every: Annotated[float, typer.Option(min=0.2, help="Seconds between two looks.")] = 1.0,
    as_json: Json = False,
) -> None:
    """Lag, rates, freshness and health; --json looks once and exits with 1 if something is wrong."""
    from personalize.watching import Watcher

    settings = Settings.load()
    watcher = Watcher(settings, endpoints(settings))
    if as_json:
        look = asyncio.run(_once(watcher))
        print_json(look.document())
        if look.problems():
            raise typer.Exit(EXIT_FAILED)
        return
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_show(watcher, every))


async def _once(watcher: Watcher) -> Look:
    try:
        await watcher.look()
        await asyncio.sleep(SAMPLE_SECONDS)
        return await watcher.look()
    finally:
        await watcher.close()


async def _show(watcher: Watcher, every: float) -> None:
    try:
        if not console.is_terminal:
            while True:
                console.print(line(await watcher.look()))
                await asyncio.sleep(every)
        with Live(console=console, auto_refresh=False, screen=False) as live:
            while True:
                live.update(picture(await watcher.look()), refresh=True)
                await asyncio.sleep(every)
    finally:
        await watcher.close()


def line(look: Look) -> str:
    """A look in one line, for logs."""
    lag = sum(one.records for one in look.lags if one.group == "personalize-worker")
    problems = look.problems()
    said = "; ".join(problems) if problems else "healthy"
    age = _age(look.commit_age_seconds)
    return f"{_rate(look.events_per_second)} events/s  lag {lag:,}  last commit {age} ago  {said}"


def picture(look: Look) -> Group:
    """A look as a screen."""
    health = Text("  ").join(
        Text.assemble((mark, colour), " ", name)
        for name, mark, colour in (
            (name, *(("●", "green") if answers else ("○", "red")))
            for name, answers in {"kafka": look.kafka, "postgres": look.postgres, **look.processes}.items()
        )
    )
    lags = table("group", "topic", "lag", "waiting", "records/s")
    for one in look.lags:
        colour = "red" if one.seconds > 10 else "yellow" if one.records else "green"
        name = one.group.removeprefix("personalize-")
        lags.add_row(name, one.topic, f"[{colour}]{one.records:,}[/]", _age(one.seconds), _rate(one.rate))
    counts = table("events/s", "last commit", "events, 1 h", "duplicates", "dead letters", "outbox")
    counts.add_row(
        f"[bold]{_rate(look.events_per_second)}[/]",
        f"{_age(look.commit_age_seconds)} ago",
        f"{look.events_last_hour:,}",
        f"{look.duplicates_last_hour:,}",
        f"[red]{look.dead_last_hour:,}[/]" if look.dead_last_hour else "0",
        f"{look.outbox_records:,}",
    )
    problems = look.problems()
    verdict = Text("all is well", "green") if not problems else Text("\n".join(problems), "bold red")
    return Group(health, Text(), counts, Text(), lags, Text(), verdict)


def _rate(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:,.1f}"


def _age(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
