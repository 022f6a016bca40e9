"""`personalize down`: stop the local servers; their data stay."""

from __future__ import annotations

import typer

from personalize.commands.options import Json
from personalize.commands.output import console, print_json
from personalize.settings import Settings
from personalize.stack.supervisor import down

app = typer.Typer(add_completion=False)


@app.command()
def command(as_json: Json = False) -> None:
    """Stop them; the data stay."""
    settings = Settings.load()
    stopped = down(settings.home)
    if as_json:
        print_json({"stopped": stopped})
    else:
        console.print("stopped; the data stay" if stopped else "nothing was running")
