"""`personalize rebuild NAME`: does a projection hold what the log says?  Replay, compare, switch."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from personalize.commands.options import Json
from personalize.commands.output import console, print_json
from personalize.connection import endpoints
from personalize.errors import ProblemError
from personalize.settings import Settings

if TYPE_CHECKING:
    from projections.impression_recount import Recounted
    from projections.rebuild import Report

app = typer.Typer(add_completion=False)
ROLL_UPS = "analytics"
"""The roll-ups behind the worker: folded again in place, for the jobs process writes them and nothing waits."""


@app.command()
def command(
    name: Annotated[
        str,
        typer.Argument(help="A registered projection, such as engagement; or recommendation_outcome, or analytics."),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compare only; change nothing.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep both versions' tables for inspection.")] = False,
    as_json: Json = False,
) -> None:
    """Replay the log into a fresh version of a projection and switch to it."""
    if name == ROLL_UPS:
        _rebuild_roll_ups(as_json=as_json)
        return
    from projections import impression_recount

    database_url = endpoints(Settings.load()).database_url
    if name == impression_recount.NAME:
        with _bar(quiet=as_json) as bar:
            task = bar.add_task("replay", total=None)
            found = impression_recount.recount(
                database_url, lambda lists: bar.update(task, completed=lists), dry_run=dry_run
            )
        _show_recount(found, as_json=as_json)
        return
    report = _rebuild_projection(database_url, name, dry_run=dry_run, keep=keep, quiet=as_json)
    if as_json:
        print_json({**asdict(report), "differences": report.differences})
        return
    console.print(
        f"{report.name}: {report.replayed:,} interactions replayed in {report.replay_seconds:.1f} s,"
        f" {report.differences:,} rows differed, {'switched' if report.switched else 'not switched'};"
        f" writers waited {report.exclusive_seconds:.2f} s"
    )


def _bar(*, quiet: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
    )


def _rebuild_projection(database_url: str, name: str, *, dry_run: bool, keep: bool, quiet: bool) -> Report:
    from projections.rebuild import Progress as Step
    from projections.rebuild import RebuildRunning, rebuild

    with _bar(quiet=quiet) as bar:
        task = bar.add_task("replay", total=None)

        def show(step: Step) -> None:
            bar.update(task, description=step.phase, completed=step.replayed, total=step.total)

        try:
            return rebuild(database_url, name, show, dry_run=dry_run, keep=keep)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="NAME") from error
        except RebuildRunning as error:
            raise ProblemError(str(error) or f"{name} is being rebuilt already.", "wait until that is done.") from error


def _rebuild_roll_ups(*, as_json: bool) -> None:
    from projections.analytics import follower
    from projections.stores.postgres import connect

    servers = endpoints(Settings.load())
    with connect(servers.database_url, autocommit=True, name="personalize-rebuild") as connection:
        follower.start_over(connection)
        with console.status("folding the log"):
            folded = follower.catch_up(connection)
    if as_json:
        print_json({"name": ROLL_UPS, "replayed": folded})
    else:
        console.print(f"{ROLL_UPS}: {folded:,} interactions folded; a running jobs process may have folded the rest")


def _show_recount(found: Recounted, *, as_json: bool) -> None:
    if as_json:
        print_json(found._asdict())
    else:
        console.print(f"{found.lists:,} served lists counted anew, {found.differences:,} sums differed")
