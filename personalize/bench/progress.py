"""How far is this bench?  A bar with rate and remaining time, on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class _RateColumn(TextColumn):
    def __init__(self) -> None:
        super().__init__("{task.fields[rate]}")


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar for one piece of work; call the yielded function with how much of ``total`` is done."""
    columns = (TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn(), _RateColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        task = bars.add_task(label, total=total, rate="")

        def done(count: int) -> None:
            speed = bars.tasks[0].speed
            bars.update(task, completed=count, rate=f"{speed:,.0f}/s" if speed else "")

        yield done
