"""Does the document say what was measured?  Puts the figures of report files into a Markdown document.

A place for results is a pair of comments, ``<!-- results: NAME -->`` and ``<!-- end -->``; what stands between them is
replaced by a table of ``NAME.json`` of the measurements folder, or by a sentence that there is no measurement.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from personalize.bench.report import Report, formatted
from personalize.bench.servers import PROJECT

DOCUMENT: Final = PROJECT / "docs" / "benchmarks.md"
MEASUREMENTS: Final = PROJECT / "docs" / "measurements"
_PLACE: Final = re.compile(r"(<!-- results: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def reports(folder: Path) -> dict[str, Report]:
    """The reports in a folder by file name without ending.

    Raises:
        ValueError: a file is not a report.
    """
    return {file.stem: Report.read(file) for file in sorted(folder.glob("*.json"))}


def filled(text: str, found: Mapping[str, Report]) -> str:
    """The document with every place filled.

    Raises:
        ValueError: a report has no place in the document.
    """
    places = {match[2] for match in _PLACE.finditer(text)}
    if homeless := sorted(found.keys() - places):
        raise ValueError(f"no place for {', '.join(homeless)}: add <!-- results: {homeless[0]} --> and <!-- end -->")
    return _PLACE.sub(lambda match: match[1] + _table(found.get(match[2])) + match[3], text)


def _table(report: Report | None) -> str:
    if report is None:
        return "Not measured yet.\n"
    machine = report.machine
    lines = [
        f"`{report.command}`, {str(machine['measured_at'])[:10]}, on {machine['cores']} cores of"
        f" {machine['processor']}, {float(machine['memory_bytes'] or 0) / 2**30:.0f} GiB, Python {machine['python']},"
        f" load average {machine['load_average_at_start']} before.",
        "",
        "| figure | value |",
        "|---|---:|",
        *(f"| `{name}` | {formatted(value)} |" for name, value in report.figures.items()),
    ]
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Fills the document; with ``--check`` only says whether it is filled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(argv)
    text = DOCUMENT.read_text(encoding="utf-8")
    new = filled(text, reports(MEASUREMENTS))
    if options.check:
        print("as measured" if new == text else f"{DOCUMENT.name} differs from {MEASUREMENTS.name}/")
        return int(new != text)
    DOCUMENT.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
