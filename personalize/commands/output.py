"""How does a command print?  JSON for programs, plain lines when nobody watches, colours and bars on a terminal.

rich honours NO_COLOR and leaves colours out when the output is not a terminal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

_FILE_WIDTH = 240  # columns of a table that goes to a file or a pipe: nothing is folded there

console = Console(soft_wrap=True, highlight=False)
if not console.is_terminal:
    console = Console(soft_wrap=True, highlight=False, width=_FILE_WIDTH)


def print_json(document: Mapping[str, Any] | list[Any]) -> None:
    """One JSON document on standard output."""
    print(json.dumps(document, indent=2, default=str))


def table(*columns: str) -> Table:
    """An empty table in the product's plain style."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def megabytes(count_bytes: float) -> str:
    """A size as people read it."""
    return f"{count_bytes / 1e6:,.1f} MB"
