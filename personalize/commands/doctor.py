"""`personalize doctor`: what does this machine lack, and how is it put right?"""

from __future__ import annotations

from dataclasses import asdict

import typer
from rich.markup import escape

from personalize.commands.options import Json
from personalize.commands.output import console, print_json
from personalize.errors import EXIT_FAILED
from personalize.settings import Settings

app = typer.Typer(add_completion=False)
_MARKS = {"ok": "[green]ok     [/]", "note": "[yellow]note   [/]", "missing": "[red]missing[/]"}


@app.command()
def command(as_json: Json = False) -> None:
    """Check this machine, and print the fix for what is missing; exit code 1 if something is."""
    from personalize.stack.doctor import examine

    checks = examine(Settings.load())
    good = all(check.outcome != "missing" for check in checks)
    if as_json:
        print_json({"ok": good, "checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            console.print(f"{_MARKS[check.outcome]} {check.name}: {escape(check.found)}")
            if check.fix:
                console.print(f"        fix: {escape(check.fix)}")
        console.print("\nnothing is missing" if good else "\nsomething is missing: see the fixes above")
    if not good:
        raise typer.Exit(EXIT_FAILED)
