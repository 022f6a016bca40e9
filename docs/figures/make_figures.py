"""Which pictures go with docs/benchmarks.md?  Bars of the figures in docs/measurements/, one picture a bench.

Run as ``.venv/bin/python docs/figures/make_figures.py``; a bench that was not measured has no picture.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

from personalize.bench.document import MEASUREMENTS, reports
from personalize.bench.report import Report, formatted

HERE = Path(__file__).parent
OURS, REFERENCE = "#2a6f97", "#b8c4cc"

# Picture, title, unit, and its bars: label, figure, whether it is a reference.
Bars = tuple[tuple[str, str, bool], ...]
PICTURES: dict[str, tuple[str, str, Bars]] = {
    "ingest": (
        "Events folded by one worker, and what the same topic allows",
        "events/s (logarithmic)",
        (
            ("Faust agent that does nothing", "plain_faust_events_per_second", True),
            ("worker, everything on", "events_per_second", False),
            ("fetch and decode only", "fetch_decode_events_per_second", True),
        ),
    ),
    "latency": (
        "From publishing an event to reading it",
        "ms (logarithmic)",
        (
            ("Kafka alone, p50", "produce_to_consume_p50_ms", True),
            ("Kafka alone, p99", "produce_to_consume_p99_ms", True),
            ("visible by GET, p50", "publish_to_visible_p50_ms", False),
            ("visible by GET, p99", "publish_to_visible_p99_ms", False),
        ),
    ),
    "read": (
        "Requests answered by one process",
        "requests/s (logarithmic)",
        (
            ("recommendations from the API", "requests_per_second", False),
            ("static bytes, same server", "static_asgi_requests_per_second", True),
            ("GET from Redis", "redis_get_requests_per_second", True),
        ),
    ),
}


def bars(name: str, report: Report, title: str, unit: str, shown: Bars) -> None:
    """Draws one picture of horizontal bars with their values."""
    figure, axes = plt.subplots(figsize=(7.5, 0.5 + 0.5 * len(shown)), layout="constrained")
    values = [float(report.figures[key] or 0) for _, key, _ in shown]
    colours = [REFERENCE if reference else OURS for *_, reference in shown]
    drawn = axes.barh([label for label, *_ in shown], values, color=colours)
    axes.bar_label(drawn, [formatted(value) for value in values], padding=4)
    axes.set_xscale("log")
    axes.set_xlim(min(values) / 3, max(values) * 3)
    axes.invert_yaxis()
    axes.set_xlabel(unit)
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(HERE / f"bench-{name}.svg", metadata={"Date": None})
    plt.close(figure)


def catch_up(report: Report) -> None:
    """Draws how long the workers took to catch up after each fault."""
    ending = "_catch_up_max_seconds"
    found = {
        key.removesuffix(ending): float(value or 0) for key, value in report.figures.items() if key.endswith(ending)
    }
    figure, axes = plt.subplots(figsize=(7.5, 0.5 + 0.32 * len(found)), layout="constrained")
    drawn = axes.barh(list(found), list(found.values()), color=OURS)
    axes.bar_label(drawn, [f"{value:.1f} s" for value in found.values()], padding=4)
    axes.invert_yaxis()
    axes.set_xlabel("seconds from the last fault to the end of the log, longest of all seeds")
    axes.set_title(
        f"{report.figures['runs']} runs: {report.figures['lost']} lost, {report.figures['doubled']} doubled,"
        f" {report.figures['hung']} hung",
        fontsize=10,
    )
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(HERE / "bench-faults.svg", metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    """Draws every picture for which there is a measurement."""
    mpl.rcParams["svg.hashsalt"] = "personalize"
    found = reports(MEASUREMENTS)
    for name, (title, unit, shown) in PICTURES.items():
        if name in found:
            bars(name, found[name], title, unit, shown)
    if "faults" in found:
        catch_up(found["faults"])


if __name__ == "__main__":
    main()
