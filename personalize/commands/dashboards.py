"""`personalize dashboards`: write the Grafana dashboards, or run every query of theirs on a live engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from personalize.commands.options import Json
from personalize.commands.output import console, print_json, table
from personalize.errors import EXIT_FAILED

if TYPE_CHECKING:
    from personalize.dashboards.check import Outcome

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def _root() -> None:
    """Grafana dashboards as code."""


@app.command()
def write() -> None:
    """Write deploy/grafana/dashboards/ anew from the code."""
    from personalize.dashboards.all_dashboards import DASHBOARDS, FOLDER
    from personalize.dashboards.all_dashboards import write as write_files

    write_files()
    panels = sum(len([*each.panels()]) for each in DASHBOARDS)
    console.print(f"{len(DASHBOARDS)} dashboards with {panels} panels written to {FOLDER}")


@app.command()
def check(
    postgres_only: Annotated[bool, typer.Option(help="Leave Prometheus and its rules out.")] = False,
    as_json: Json = False,
) -> None:
    """Start the whole engine, and run every query of every panel; exit code 1 if one fails or answers nothing."""
    from personalize.dashboards import check as checker
    from personalize.live_run import live_run

    console.print("starting servers, processes, and four weeks of a sample class")
    with live_run() as run:
        outcomes, complaints = checker.examine(run, postgres_only=postgres_only)
    bad = checker.failures(outcomes)
    if as_json:
        print_json(
            {
                "queries": len(outcomes),
                "failures": [{"panel": one.query.name, "problem": one.problem, "query": one.query.text} for one in bad],
                "complaints": complaints,
            }
        )
    else:
        _print(outcomes, bad, complaints)
    if bad or complaints:
        raise typer.Exit(EXIT_FAILED)


def _print(outcomes: list[Outcome], bad: list[Outcome], complaints: list[str]) -> None:
    shown = table("dashboard", "panels", "queries", "answered", "slowest")
    for name in sorted({one.query.dashboard for one in outcomes}):
        mine = [one for one in outcomes if one.query.dashboard == name]
        shown.add_row(
            name,
            str(len({one.query.panel for one in mine})),
            str(len(mine)),
            str(sum(not one.problem for one in mine)),
            f"{max(one.seconds for one in mine) * 1000:.0f} ms",
        )
    console.print(shown)
    for one in bad:
        console.print(f"[red]failed[/] {one.query.name}: {one.problem}\n       {one.query.text}")
    for complaint in complaints:
        console.print(f"[red]problem[/] {complaint}")
    if not (bad or complaints):
        console.print(f"all {len(outcomes)} queries answered; metrics and rules are clean")
