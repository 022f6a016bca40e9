"""What does the body of a request look like?"""

from __future__ import annotations

from typing import Any, Final

from schemas.examples.parts import A_PATH, A_PROFILE

PROFILE: Final[list[dict[str, Any]]] = [{"userId": "u-17"}, A_PROFILE]

PATH: Final[list[dict[str, Any]]] = [A_PATH]

PROGRESS: Final[list[dict[str, Any]]] = [
    {"moduleId": "equations", "completionRate": 0.5, "timeSpent": 600, "score": 0.7}
]

FEEDBACK: Final[list[dict[str, Any]]] = [{"contentId": "algebra-3", "action": "liked", "recommendationId": "rec-5"}]

OVERRIDE: Final[list[dict[str, Any]]] = [{"override": {"kind": "hide", "contentId": "algebra-3"}}]

PAGE: Final[list[dict[str, Any]]] = [{"displayName": "Ada L."}]

KUDOS: Final[list[dict[str, Any]]] = [{"giverId": "u-18"}]

FREEZE: Final[list[dict[str, Any]]] = [{"source": "EARNED"}]

REPAIR: Final[list[dict[str, Any]]] = [{"missedDay": "2024-04-30"}]

CONSENT: Final[list[dict[str, Any]]] = [
    {"purposes": {"personalise": True, "experiment": False}},
    {"purposes": {"personality": True}, "personalityAnswers": {"practice": 5, "evening": 1}},
]

BATCH: Final[list[dict[str, Any]]] = [
    {"requests": [{"userId": "u-17"}, {"userId": "u-17", "type": "trending", "limit": 3}, {"userId": "u-18"}]}
]

EXPERIMENT: Final[list[dict[str, Any]]] = [
    {
        "key": "less-trending",
        "hypothesis": "What is popular distracts from what fits.",
        "state": "running",
        "metric": "completions",
        "guardrails": [{"metric": "active_days", "mostDrop": 0.05}],
        "variations": [
            {"name": "control", "weight": 0.5},
            {"name": "no-trends", "weight": 0.5, "familyWeights": {"trending": 0}},
        ],
    }
]
