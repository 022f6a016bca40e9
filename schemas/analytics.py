"""What does `GET /api/analytics` answer? Figures of a period beside the one before, a series for charts, and groups.

Names of figures are part of the contract (docs/analytics.md); a figure is only ever added.  Whatever concerns one to
four learners is null, and so is what would give it away.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from schemas.read_models import Count, Freshness, Moment

Value = float | None


class Figure(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """One figure of the period, and of the period before."""

    value: Annotated[Value, Meta(description="Of the period; null: withheld, or nothing to count.", examples=[128])]
    previous: Annotated[Value, Meta(description="Of the period before, of the same length.", examples=[100])] = None
    change: Annotated[Value, Meta(description="value / previous - 1; null without both.", examples=[0.28])] = None


class Point(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """One point of a series."""

    at: Annotated[Moment, Meta(description="Begin of the interval, UTC.", examples=["2024-05-01T00:00:00Z"])]
    values: Annotated[dict[str, Value], Meta(description="By figure.", examples=[{"activeLearners": 41}])]


class Cell(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """One group of a breakdown."""

    name: Annotated[str, Meta(description="The group.", examples=["video"])]
    values: Annotated[dict[str, Value], Meta(description="By figure.", examples=[{"events": 812}])]


class Analytics(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """What learners did in a period."""

    period: Annotated[Literal["1d", "7d", "30d", "90d"], Meta(description="UTC days, today included.", examples=["7d"])]
    metric: Annotated[
        Literal["users", "engagement", "recommendations", "learning_paths"],
        Meta(description="What is asked about.", examples=["users"]),
    ]
    start: Annotated[Moment, Meta(description="Begin of the period.", examples=["2024-05-01T00:00:00Z"])]
    end: Annotated[Moment, Meta(description="End of the period, exclusive: today's last hour is still to come.")]
    previous_start: Annotated[Moment, Meta(description="Begin of the period before, which ends at `start`.")]
    figures: Annotated[dict[str, Figure], Meta(description="By name.")]
    interval: Annotated[Literal["hour", "day"], Meta(description="Length of the series' steps.", examples=["day"])]
    series: Annotated[tuple[Point, ...], Meta(description="Oldest first, without gaps.")]
    groups: Annotated[
        dict[str, tuple[Cell, ...]], Meta(description="Breakdowns of the period by name.", examples=[{}])
    ] = {}
    withheld: Annotated[Count, Meta(description="Points and groups withheld: too few learners.", examples=[0])] = 0
    freshness: Annotated[Freshness, Meta(description="How new this answer is.")]
