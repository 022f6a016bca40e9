"""How do events become answers?  Draws docs/figures/architecture.svg: `python docs/figures/draw_architecture.py`."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

HERE = Path(__file__).parent
INK, PAPER = "#1f2933", "#ffffff"
COLOURS = {"outside": "#e8eef4", "kafka": "#fde8c8", "process": "#d7ecd9", "store": "#dfe3f6"}


def box(axes: Axes, x: float, y: float, width: float, height: float, title: str, lines: str, kind: str) -> None:
    """A rounded box with a title and lines of small text; x and y are its lower left corner."""
    axes.add_patch(
        FancyBboxPatch(
            (x, y), width, height, boxstyle="round,pad=0.02,rounding_size=0.12", fc=COLOURS[kind], ec=INK, lw=1.1
        )
    )
    axes.text(x + width / 2, y + height - 0.26, title, ha="center", va="center", fontsize=11, weight="bold", color=INK)
    axes.text(x + width / 2, (y + y + height - 0.42) / 2, lines, ha="center", va="center", fontsize=8.3, color=INK)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], label: str, up: float = 0.16) -> None:
    """An arrow with its meaning beside it."""
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=13, lw=1.3, color=INK))
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + up)
    axes.text(*middle, label, ha="center", va="center", fontsize=8, color=INK, style="italic")


def draw() -> Figure:
    """The whole picture."""
    figure = Figure(figsize=(13, 6.2), facecolor=PAPER)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, 13)
    axes.set_ylim(0, 6.2)
    axes.axis("off")
    _parts(axes)
    _flows(axes)
    return figure


def _parts(axes: Axes) -> None:
    box(axes, 0.2, 3.9, 1.9, 1.5, "Producers", "learning platform,\nSDKs, imports", "outside")
    box(axes, 0.2, 0.7, 1.9, 1.5, "Readers", "web and mobile apps,\nGrafana, SQL users", "outside")
    box(
        axes,
        3.0,
        3.4,
        2.2,
        2.4,
        "Kafka",
        "interactions\nlearner-commands\ncatalogue\n\nachievements\ndead-letters",
        "kafka",
    )
    box(
        axes,
        6.2,
        3.4,
        3.1,
        2.4,
        "Worker (Faust)",
        "a whole poll at once\ndecode → columns → pure folds\none transaction a poll\n\noutbox relay · list tick",
        "process",
    )
    box(
        axes,
        10.3,
        3.4,
        2.5,
        2.4,
        "Postgres",
        "stream_offset (fence)\nlog of record\nread models\nlists · outbox\nprivate data apart",
        "store",
    )
    box(axes, 10.3, 0.7, 2.5, 1.5, "Redis", "lists, trending:\na mirror with versions,\nrefilled when lost", "store")
    box(
        axes,
        3.0,
        0.7,
        6.3,
        1.5,
        "API :3009",
        "publishes commands and events · reads projections\nfreshness on every answer · consistency tokens",
        "process",
    )


def _flows(axes: Axes) -> None:
    arrow(axes, (2.15, 4.65), (2.95, 4.65), "events")
    arrow(axes, (5.25, 4.75), (6.15, 4.75), "polls")
    arrow(axes, (6.15, 4.05), (5.25, 4.05), "outbox")
    arrow(axes, (9.35, 4.6), (10.25, 4.6), "commit")
    arrow(axes, (9.35, 3.5), (10.8, 2.25), "after it", 0.3)
    arrow(axes, (10.25, 1.45), (9.35, 1.45), "lists")
    arrow(axes, (11.0, 3.35), (9.0, 2.25), "the rest", -0.42)
    arrow(axes, (4.1, 2.25), (4.1, 3.35), "", 0.0)
    axes.text(4.2, 2.8, "commands, events", ha="left", va="center", fontsize=8, color=INK, style="italic")
    arrow(axes, (2.95, 1.45), (2.15, 1.45), "JSON")


if __name__ == "__main__":
    mpl.rcParams["svg.hashsalt"] = "architecture"  # the same picture gives the same bytes
    mpl.rcParams["font.family"] = "DejaVu Sans"
    made = draw()
    made.savefig(HERE / "architecture.svg", metadata={"Date": None})
    made.savefig(HERE / "architecture.png", dpi=110, metadata={"Software": None})
