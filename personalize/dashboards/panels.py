"""What does a dashboard consist of?  Rows of panels with queries, and the JSON that Grafana loads for them.

Panels flow from left to right over 24 columns; nobody writes positions.  The JSON is the classic model that Grafana 10
to 13 load.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

SCHEMA_VERSION: Final = 39
COLUMNS: Final = 24
PROMETHEUS: Final = "prometheus"
POSTGRES: Final = "postgres"
"""Uids of the two data sources, as provisioned."""

Kind = Literal["timeseries", "stat", "gauge", "bargauge", "barchart", "table", "piechart"]
Unit = Literal["short", "s", "ms", "percentunit", "reqps", "cps", "bytes", "none", "dateTimeAsIso"]


@dataclass(frozen=True, slots=True)
class Metrics:
    """A query of Prometheus."""

    expression: str
    legend: str = ""
    instant: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """A query of Postgres; with a column named ``time`` it is a time series."""

    sql: str
    over_time: bool = False


Query = Metrics | Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One picture."""

    title: str
    says: str
    """What it answers, and what to do when it looks wrong."""
    queries: Sequence[Query]
    kind: Kind = "timeseries"
    unit: Unit = "short"
    width: int = 8
    height: int = 7
    stacked: bool = False
    low: float | None = None
    high: float | None = None
    warn: float | None = None
    """From here on it is drawn orange."""
    alarm: float | None = None
    """From here on it is drawn red."""
    units: dict[str, Unit] = field(default_factory=dict)
    """Units of single columns of a table."""


@dataclass(frozen=True, slots=True)
class Row:
    """A heading with panels below it."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """One page."""

    name: str
    title: str
    says: str
    rows: Sequence[Row]
    hours: int = 6
    """Length of the time range that it opens with."""

    @property
    def uid(self) -> str:
        """Its stable address."""
        return f"personalize-{self.name}"

    def panels(self) -> Iterator[Panel]:
        """All panels."""
        for row in self.rows:
            yield from row.panels


def document(dashboard: Dashboard) -> dict[str, Any]:
    """The dashboard as Grafana's JSON."""
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.says,
        "tags": ["personalize"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "10s" if dashboard.hours <= 6 else "1m",
        "time": {"from": f"now-{dashboard.hours}h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": []},
        "annotations": {"list": []},
        "links": [
            {
                "title": "Personalize",
                "type": "dashboards",
                "tags": ["personalize"],
                "asDropdown": True,
                "keepTime": True,
                "includeVars": False,
                "targetBlank": False,
                "icon": "external link",
                "tooltip": "",
                "url": "",
            }
        ],
        "panels": [*_laid_out(dashboard.rows)],
    }


def _laid_out(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    number, y = 0, 0
    for row in rows:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1},
        }
        y += 1
        x, tallest = 0, 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            number += 1
            yield _panel(panel, number, {"x": x, "y": y, "w": panel.width, "h": panel.height})
            x += panel.width
            tallest = max(tallest, panel.height)
        y += tallest


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    sources = {_source(query) for query in panel.queries}
    one = {"type": sources.copy().pop()[0], "uid": sources.copy().pop()[1]}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "gridPos": place,
        "datasource": one if len(sources) == 1 else {"type": "datasource", "uid": "-- Mixed --"},
        "targets": [_target(query, chr(ord("A") + index), panel.kind) for index, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "options": _options(panel),
        "transparent": False,
    }


def _source(query: Query) -> tuple[str, str]:
    is_metrics = isinstance(query, Metrics)
    return ("prometheus", PROMETHEUS) if is_metrics else ("grafana-postgresql-datasource", POSTGRES)


def _target(query: Query, letter: str, kind: Kind) -> dict[str, Any]:
    source, uid = _source(query)
    common = {"refId": letter, "datasource": {"type": source, "uid": uid}}
    if isinstance(query, Metrics):
        instant = query.instant or kind in {"stat", "gauge", "bargauge", "table", "piechart"}
        return {
            **common,
            "expr": query.expression,
            "legendFormat": query.legend or "__auto",
            "instant": instant,
            "range": not instant,
            "format": "table" if kind == "table" else "time_series",
            "editorMode": "code",
        }
    return {
        **common,
        "rawQuery": True,
        "rawSql": query.sql,
        "format": "time_series" if query.over_time else "table",
        "editorMode": "code",
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    for value, colour in ((panel.warn, "orange"), (panel.alarm, "red")):
        if value is not None:
            steps.append({"color": colour, "value": value})
    found: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.low is not None:
        found["min"] = panel.low
    if panel.high is not None:
        found["max"] = panel.high
    has_marks = len(steps) > 1
    if panel.kind in {"timeseries", "barchart"}:
        found["color"] = {"mode": "palette-classic"}
    else:
        found["color"] = {"mode": "thresholds" if has_marks else "palette-classic"}
    if panel.kind == "timeseries":
        found["custom"] = {
            "drawStyle": "line",
            "lineInterpolation": "smooth",
            "lineWidth": 2,
            "fillOpacity": 24 if panel.stacked else 8,
            "showPoints": "never",
            "spanNulls": True,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "dashed" if has_marks else "off"},
        }
    return found


def _overrides(panel: Panel) -> list[dict[str, Any]]:
    return [
        {"matcher": {"id": "byName", "options": column}, "properties": [{"id": "unit", "value": unit}]}
        for column, unit in panel.units.items()
    ]


def _options(panel: Panel) -> dict[str, Any]:
    reduce: dict[str, Any] = {"calcs": ["lastNotNull"], "fields": "", "values": panel.kind != "stat"}
    options: dict[Kind, dict[str, Any]] = {
        "timeseries": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "stat": {"reduceOptions": reduce, "colorMode": "value", "graphMode": "area", "textMode": "auto"},
        "gauge": {"reduceOptions": {**reduce, "values": False}, "showThresholdMarkers": True},
        "bargauge": {"reduceOptions": reduce, "orientation": "horizontal", "displayMode": "basic"},
        "barchart": {"orientation": "auto", "showValue": "auto", "legend": {"showLegend": True, "placement": "bottom"}},
        "table": {"showHeader": True, "footer": {"show": False}},
        "piechart": {"reduceOptions": reduce, "pieType": "donut", "legend": {"showLegend": True, "placement": "right"}},
    }
    return options[panel.kind]


def stat(
    title: str,
    says: str,
    query: Query,
    *,
    unit: Unit = "short",
    width: int = 4,
    warn: float | None = None,
    alarm: float | None = None,
) -> Panel:
    """One number."""
    return Panel(
        title=title, says=says, queries=[query], kind="stat", unit=unit, width=width, height=4, warn=warn, alarm=alarm
    )


def quantiles(histogram: str, selector: str = "", shares: Sequence[float] = (0.5, 0.99)) -> list[Metrics]:
    """A query for each quantile of a histogram over all processes."""
    return [
        Metrics(
            f"histogram_quantile({share}, sum by (le) (rate({histogram}_bucket{selector}[$__rate_interval])))",
            "median" if share == 0.5 else f"{share * 100:g} %",
        )
        for share in shares
    ]
