"""What does Grafana send to a data source?  The queries of a dashboard file with the macros replaced."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

RATE_INTERVAL = "30s"
STEP_SECONDS = 5

_TIME_FILTER = re.compile(r"\$__timeFilter\(((?:[^()]|\([^()]*\))*)\)")
_LEFT_OVER = re.compile(r"\$(__\w+|\{?\w+\}?)")


@dataclass(frozen=True, slots=True)
class Query:
    """One query of one panel."""

    dashboard: str
    panel: str
    source: str
    """Uid of the data source."""
    text: str
    """With all macros replaced."""
    instant: bool = False
    needs_time: bool = False
    """Grafana refuses a time series without a column named time."""

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.dashboard} / {self.panel}"


def queries(file: Path, now: datetime) -> Iterator[Query]:
    """Every query of every panel of a dashboard file, as of the time range that it opens with.

    Raises:
        ValueError: a macro or variable is left that nothing replaces.
    """
    dashboard = json.loads(file.read_text(encoding="utf-8"))
    hours = int(re.fullmatch(r"now-(\d+)h", dashboard["time"]["from"])[1])  # type: ignore[index]
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield _query(dashboard["title"], panel["title"], target, now - timedelta(hours=hours), now)


def _query(dashboard: str, panel: str, target: dict[str, Any], start: datetime, end: datetime) -> Query:
    source = target["datasource"]["uid"]
    if "expr" in target:
        text = target["expr"].replace("$__rate_interval", RATE_INTERVAL).replace("$__interval", RATE_INTERVAL)
    else:
        text = _TIME_FILTER.sub(rf"\1 BETWEEN '{_stamp(start)}' AND '{_stamp(end)}'", target["rawSql"])
    left = _LEFT_OVER.search(text)
    if left is not None:
        raise ValueError(f"{dashboard} / {panel}: nothing replaces {left[0]}")
    needs_time = target.get("format") == "time_series" and "rawSql" in target
    return Query(dashboard, panel, source, text, bool(target.get("instant")), needs_time)


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
