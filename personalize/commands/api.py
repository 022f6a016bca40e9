"""`personalize api`: the read API in the foreground, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import typer

app = typer.Typer(add_completion=False)
