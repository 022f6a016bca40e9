"""What does the page show of an experiment?  Its report in words, and each interval as places on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from schemas.experiments import Reported, Result

SHOWN: Final = 4
WIDTH: Final = 100.0
METRICS: Final = {
    "active_days": "active days",
    "events": "interactions",
    "completions": "completions",
    "time_spent_seconds": "seconds spent",
    "sessions": "visits",
    "engagement": "engagement",
}


def of_reports(reports: Sequence[Reported]) -> list[dict[str, Any]]:
    """The experiments as the template draws them."""
    return [_of(report) for report in reports[:SHOWN]]


def _of(report: Reported) -> dict[str, Any]:
    reach = max((abs(edge) for one in report.variations for edge in _edges(one)), default=0.0) or 1.0
    return {
        "key": report.key,
        "state": report.state,
        "hypothesis": report.hypothesis,
        "says": report.says,
        "metric": METRICS[report.metric.value],
        "alarm": report.verdict == "ratio mismatch",
        "ratio": report.ratio_p_value,
        "mixed": report.mixed,
        "at_ms": round(report.computed_at.timestamp() * 1000),
        "variations": [
            {
                "name": one.name,
                "learners": one.learners,
                "mean": one.mean,
                "effect": _effect(one),
                "interval": _interval(one, reach),
            }
            for one in report.variations
        ],
        "guardrails": [
            {"metric": METRICS[one.metric.value], "variation": one.variation, "state": one.state}
            for one in report.guardrails
        ],
    }


def _edges(one: Result) -> tuple[float, ...]:
    return () if one.lift_low is None or one.lift_high is None else (one.lift_low, one.lift_high)


def _effect(one: Result) -> str:
    """The lift with its interval, in percent.

    >>> _effect(Result(name="a", learners=60, lift=0.05, lift_low=-0.01, lift_high=0.11))
    '+5 % (−1 to +11)'
    """
    if one.lift is None or not _edges(one):
        return ""
    low, high = _edges(one)
    return f"{one.lift * 100:+.0f} % ({low * 100:+.0f} to {high * 100:+.0f})".replace("-", "−")


def _interval(one: Result, reach: float) -> dict[str, float] | None:
    """Where interval and middle lie on an axis of 100 from −reach to +reach."""
    if one.lift is None or not _edges(one):
        return None
    low, high = (_place(edge, reach) for edge in _edges(one))
    return {"low": low, "width": round(max(0.5, high - low), 1), "middle": _place(one.lift, reach)}


def _place(lift: float, reach: float) -> float:
    return round(WIDTH / 2 * (1.0 + max(-1.0, min(1.0, lift / reach))), 1)
