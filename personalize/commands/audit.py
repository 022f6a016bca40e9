"""`personalize audit`: is the log of access whole, and what does it say?"""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from personalize.commands.options import Json
from personalize.commands.output import console, print_json
from personalize.connection import endpoints
from personalize.errors import ProblemError
from personalize.settings import Settings

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def _root() -> None:
    """The audit log of access: refusals, and what administrators did."""


@app.command()
def verify(
    head: Annotated[
        str | None, typer.Option(metavar="HASH", help="A hash that was written down: the log must contain it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check every row of the log against the one before; ends with 1 at the first that is broken."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from projections import access_audit
    from projections.stores.postgres import connect

    contains = head is None or head == access_audit.BEFORE_FIRST.hex()
    with closing(connect(endpoints(Settings.load()).database_url)) as connection:
        columns = (TextColumn("checking"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True, disable=as_json) as progress:
            task = progress.add_task("rows", total=access_audit.count(connection))

            def rows() -> access_audit.Rows:
                nonlocal contains
                for row in access_audit.read_all(connection):
                    contains = contains or row[2].hex() == head
                    yield row

            found = access_audit.verify(rows(), lambda done: progress.update(task, completed=done))
    if as_json:
        print_json({**found._asdict(), "whole": found.broken_seq is None and contains})
    if found.broken_seq is not None:
        raise ProblemError(
            f"The audit log is broken at row {found.broken_seq}: {found.reason}. The {found.rows:,} before are whole.",
            "find out who may write to the table access_audit; compare with a backup.",
        )
    if not contains:
        raise ProblemError(
            f"The audit log does not contain {head}: rows at its end are gone.", "compare with a backup."
        )
    if not as_json:
        console.print(f"{found.rows:,} rows are whole; head {found.head}")
