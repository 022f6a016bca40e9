"""What does an answer about everybody look like: analytics, or the report of an experiment?"""

from __future__ import annotations

from typing import Any, Final

from schemas.examples.parts import FRESHNESS, TIME

ANALYTICS: Final[list[dict[str, Any]]] = [
    {
        "period": "1d",
        "metric": "users",
        "start": "2024-05-01T00:00:00Z",
        "end": "2024-05-02T00:00:00Z",
        "previousStart": "2024-04-30T00:00:00Z",
        "figures": {
            "activeLearners": {"value": 128, "previous": 100, "change": 0.28},
            "newLearners": {"value": None, "previous": 12, "change": None},
        },
        "interval": "day",
        "series": [{"at": "2024-05-01T00:00:00Z", "values": {"activeLearners": 128, "newLearners": None}}],
        "groups": {},
        "withheld": 1,
        "freshness": FRESHNESS,
    }
]

EXPERIMENT_REPORT: Final[list[dict[str, Any]]] = [
    {
        "key": "less-trending",
        "hypothesis": "What is popular distracts from what fits.",
        "state": "running",
        "metric": "completions",
        "verdict": "ready",
        "says": "No difference shows yet.",
        "ratioPValue": 0.48,
        "mixed": 0,
        "variations": [
            {"name": "control", "learners": 512, "mean": 3.1},
            {
                "name": "no-trends",
                "learners": 498,
                "mean": 3.2,
                "difference": 0.1,
                "differenceLow": -0.12,
                "differenceHigh": 0.32,
                "lift": 0.032,
                "liftLow": -0.039,
                "liftHigh": 0.103,
                "pValue": 0.61,
            },
        ],
        "guardrails": [{"metric": "active_days", "variation": "no-trends", "state": "open"}],
        "computedAt": TIME,
    }
]
