"""`personalize insight`: who is at risk, and which groups of learners behave alike."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from personalize.commands.options import Json
from personalize.commands.output import console, print_json, table
from personalize.connection import endpoints
from personalize.settings import Settings
from projections import insight
from projections.stores.postgres import Connection, connect

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def _root() -> None:
    """What the daily job learner-insight found."""


@app.command("at-risk")
def at_risk(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Learners shown.")] = 50, as_json: Json = False
) -> None:
    """Learners who may fail or leave, the likeliest first, with reasons; only those who agree to analytics."""
    with _database() as connection:
        found = insight.learners_at_risk(connection, limit)
    names = ("userId", "probability", "silent", "reasons", "segment")
    if as_json:
        print_json([dict(zip(names, row, strict=True)) for row in found])
        return
    shown = table("learner", "probability", "reasons", "segment")
    for user_id, risk, _, reasons, segment in found:
        shown.add_row(user_id, f"{risk:.2f}", "; ".join(reasons), segment or "")
    console.print(shown)


@app.command()
def segments(as_json: Json = False) -> None:
    """Groups of learners who behave alike, five or more."""
    with _database() as connection:
        rows = connection.execute("SELECT segment_id, name, learners, silhouette FROM reporting.segments").fetchall()
    if as_json:
        print_json([dict(zip(("segmentId", "name", "learners", "silhouette"), row, strict=True)) for row in rows])
        return
    shown = table("segment", "name", "learners")
    for number, name, learners, _ in rows:
        shown.add_row(str(number), name, f"{learners:,}")
    console.print(shown)


def _database() -> closing[Connection]:
    return closing(connect(endpoints(Settings.load()).database_url, autocommit=True, name="personalize-insight"))
