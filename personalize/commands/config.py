"""`personalize config show`: which value does each setting have, and where does it come from?"""

from __future__ import annotations

from dataclasses import asdict

import typer

from personalize.commands.options import Json
from personalize.commands.output import console, print_json, table
from personalize.settings import Settings
from personalize.settings_reference import described

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def config() -> None:
    """The settings: value and source of each."""


@app.command()
def show(as_json: Json = False) -> None:
    """Print every setting with its value and source; secrets are masked. docs/configuration.md says what each means."""
    lines = described(Settings.load())
    if as_json:
        print_json([asdict(line) for line in lines])
        return
    rows = table("setting", "value", "source")
    for line in lines:
        rows.add_row(line.variable, line.value or "-", line.source)
    console.print(rows)
