"""What does a message on each Kafka topic look like?"""

from __future__ import annotations

from typing import Any, Final

from schemas.examples.parts import A_CONTENT, A_PATH, A_PROFILE, ID, TIME

_COMMAND = {"commandId": ID, "userId": "u-17", "issuedAt": TIME}

INTERACTION: Final[list[dict[str, Any]]] = [
    {"userId": "u-17", "interactionType": "VIEW", "contentType": "article", "contentId": "algebra-1"},
    {
        "userId": "u-17",
        "interactionType": "COMPLETE",
        "contentType": "video",
        "contentId": "algebra-3",
        "timeSpent": 312.5,
        "completionRate": 1,
        "rating": 4,
        "feedback": "Clear and to the point.",
        "clicksCount": 4,
        "scrollDepth": 0.6,
        "eventId": ID,
        "occurredAt": TIME,
        "sessionId": "s-99",
        "recommendationId": "rec-5",
        "context": {"device": "phone"},
        "timezone": "Europe/Lisbon",
    },
    {
        "userId": "u-17",
        "interactionType": "ATTEMPT",
        "contentType": "quiz",
        "contentId": "algebra-quiz-1",
        "score": 0.7,
        "success": True,
        "occurredAt": 1714566896789,
        "eventId": "quiz-1/attempt-2",
        "pathId": "path-2",
        "moduleId": "equations",
    },
]

COMMAND: Final[list[dict[str, Any]]] = [
    {"command": "ProfileSet", **_COMMAND, **A_PROFILE},
    {
        "command": "FeedbackGiven",
        **_COMMAND,
        "contentId": "algebra-3",
        "action": "liked",
        "recommendationId": "rec-5",
    },
    {"command": "OverrideSet", **_COMMAND, "override": {"kind": "hide", "contentId": "algebra-3"}},
    {"command": "OverrideSet", **_COMMAND, "override": {"kind": "pin", "contentId": "algebra-3"}, "active": False},
    {"command": "OverrideSet", **_COMMAND, "override": {"kind": "neverShowTopic", "topic": "calculus"}},
    {"command": "OverrideSet", **_COMMAND, "override": {"kind": "neverShowContentType", "contentType": "video"}},
    {"command": "OverrideSet", **_COMMAND, "override": {"kind": "optOut"}},
    {"command": "PathCreated", **_COMMAND, "pathId": "path-2", **A_PATH},
    {
        "command": "PathProgressed",
        **_COMMAND,
        "pathId": "path-2",
        "moduleId": "equations",
        "completionRate": 0.5,
        "timeSpent": 600,
        "score": 0.7,
    },
    {"command": "AchievementClaimed", **_COMMAND, "achievementId": "completions"},
    {
        "command": "AchievementsPageSet",
        **_COMMAND,
        "active": True,
        "displayName": "Ada L.",
        "pageToken": "q0mS9cXw1sVJm3Zb2kYx7dPn5uTa8hRe",
    },
    {"command": "AchievementsPageSet", **_COMMAND, "active": False},
    {"command": "KudosGiven", **_COMMAND, "giverId": "u-18", "achievementId": "finisher"},
    {"command": "StreakFreezeTaken", **_COMMAND, "source": "EARNED"},
    {"command": "StreakRepaired", **_COMMAND, "missedDay": "2024-04-30"},
    {"command": "ConsentSet", **_COMMAND, "purposes": {"personalise": True, "experiment": False}},
    {"command": "EraseRequested", **_COMMAND},
]

CONTENT: Final[list[dict[str, Any]]] = [
    {"contentId": "algebra-1", "contentType": "article", "title": "Numbers"},
    A_CONTENT,
]

IMPRESSION: Final[list[dict[str, Any]]] = [
    {
        "listId": ID,
        "userId": "u-17",
        "servedAt": TIME,
        "items": [
            {"contentId": "algebra-3", "rank": 1, "arm": "hybrid", "propensity": 1, "recommendationId": "rec-5"},
            {"contentId": "chess-1", "rank": 2, "arm": "exploration", "propensity": 0.05},
        ],
    }
]

NOTIFICATION: Final[list[dict[str, Any]]] = [
    {
        "specversion": "1.0",
        "type": "personalize.achievement.unlocked.v1",
        "id": "a0970bab-c0ea-5b51-96e3-ee00111f53fa",
        "source": "/personalize/worker",
        "subject": "achievements/completions",
        "time": TIME,
        "partitionkey": "u-17",
        "datacontenttype": "application/json",
        "data": {
            "userId": "u-17",
            "achievementId": "completions",
            "title": "First ten",
            "tier": 1,
            "unlockedAt": TIME,
            "period": None,
        },
    },
    {
        "specversion": "1.0",
        "type": "personalize.milestone.reached.v1",
        "id": "57ac3191-7543-5704-a5d6-1cab296818b7",
        "source": "/personalize/worker",
        "subject": "milestones/PATH_PROGRESS",
        "time": TIME,
        "partitionkey": "u-17",
        "datacontenttype": "application/json",
        "data": {
            "userId": "u-17",
            "kind": "PATH_PROGRESS",
            "reachedAt": TIME,
            "pathId": "path-2",
            "percent": 50,
        },
    },
    {
        "specversion": "1.0",
        "type": "personalize.recommendations.updated.v1",
        "id": "379f232e-b059-5be2-8a54-a335abea8b69",
        "source": "/personalize/worker",
        "subject": "recommendations/42",
        "time": TIME,
        "partitionkey": "u-17",
        "datacontenttype": "application/json",
        "data": {"userId": "u-17", "version": 42, "generatedAt": TIME},
    },
]
