"""What did a benchmark find?  One flat file for every bench: its name, its command, the machine, its figures."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import psutil
from rich.console import Console
from rich.table import Table

Figure = float | int | str | bool | None


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of one bench; ``figures`` is flat, units last in the names."""

    name: str
    command: str
    machine: dict[str, Figure]
    figures: dict[str, Figure] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, figures: Mapping[str, Figure], machine: dict[str, Figure] | None = None) -> Self:
        """The report of the command that is running, on this machine; floats keep four significant digits.

        Args:
            name: of the bench.
            figures: what it measured.
            machine: described before the bench began (its load then), or None to describe it now.
        """
        return cls(name, this_command(), machine or describe_machine(), {key: _short(figures[key]) for key in figures})

    def write(self, path: Path) -> None:
        """Writes the file, with its folder."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """The report in a file.

        Raises:
            ValueError: the file is not such a report.
        """
        raw = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(raw, dict) or set(raw) != {"name", "command", "machine", "figures"}:
            raise ValueError(f"{path} is not a bench report: it needs name, command, machine, figures and nothing else")
        return cls(**raw)

    def show(self, console: Console | None = None) -> None:
        """Prints the figures as a table."""
        table = Table(title=f"bench {self.name}", title_justify="left", show_header=False)
        table.add_column(style="cyan")
        table.add_column(justify="right")
        for key, value in self.figures.items():
            table.add_row(key, formatted(value))
        (console or Console()).print(table)


def formatted(value: Figure) -> str:
    """A figure for people: thousands separated, four significant digits."""
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _short(value: Figure) -> Figure:
    return float(f"{value:.4g}") if isinstance(value, float) and abs(value) < 1e4 else value


def this_command() -> str:
    """The command line of this process, as a person would type it."""
    name = Path(sys.argv[0]).name
    return shlex.join(["personalize" if name in {"cli.py", "__main__.py"} else name, *sys.argv[1:]])


def describe_machine() -> dict[str, Figure]:
    """What the figures depend on, as far as the system tells."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "memory_bytes": int(psutil.virtual_memory().total),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_average_at_start": round(os.getloadavg()[0], 2),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of the values do not exceed (nearest rank); NaN of nothing."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * share // 1))
    return ordered[min(len(ordered), int(rank)) - 1]
