"""What does each message look like? Examples as they stand on the wire; each one decodes and validates (a test)."""

from __future__ import annotations

from typing import Any, Final

_ID = "0190a5b2-7c1e-7b3a-9f00-1234567890ab"
_TIME = "2024-05-01T12:34:56.789Z"
_COMMAND = {"commandId": _ID, "userId": "u-17", "issuedAt": _TIME}
_PROFILE = {
    "userId": "u-17",
    "age": 24,
    "learningStyle": "VISUAL",
    "experienceLevel": "BEGINNER",
    "preferredPace": "MODERATE",
    "interests": ["algebra", "chess"],
    "careerGoals": ["data analyst"],
    "learningObjectives": ["pass the exam in June"],
    "timezone": "Europe/Lisbon",
    "language": "pt-PT",
}
_PATH = {
    "userId": "u-17",
    "title": "Algebra in a week",
    "topic": "algebra",
    "level": "BEGINNER",
    "modules": [
        {"id": "numbers", "title": "Numbers", "type": "article", "duration": 1800},
        {"id": "equations", "title": "Equations", "type": "video", "duration": 2700, "prerequisites": ["numbers"]},
    ],
    "estimatedDuration": 4500,
}
_FRESHNESS = {
    "generatedAt": "2024-05-01T12:35:00Z",
    "asOf": _TIME,
    "position": 812,
    "dataAgeMs": 41.5,
    "stale": False,
}
_ACHIEVEMENT = {
    "achievementId": "completions",
    "title": "First ten",
    "description": "Complete ten pieces of content.",
    "tier": 1,
    "progress": 10,
    "target": 10,
    "repeat": "never",
    "period": None,
    "times": 1,
    "unclaimed": 1,
    "unlockedAt": _TIME,
    "claimedAt": None,
}

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
        "eventId": _ID,
        "occurredAt": _TIME,
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
    {"command": "ProfileSet", **_COMMAND, **_PROFILE},
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
    {"command": "PathCreated", **_COMMAND, "pathId": "path-2", **_PATH},
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
    {
        "contentId": "algebra-3",
        "contentType": "video",
        "title": "Linear equations",
        "description": "Solving for one unknown.",
        "topics": ["algebra"],
        "skills": ["equations"],
        "difficulty": "BEGINNER",
        "durationSeconds": 420,
        "language": "en",
        "prerequisites": ["algebra-1"],
        "position": 3,
    },
]

IMPRESSION: Final[list[dict[str, Any]]] = [
    {
        "listId": _ID,
        "userId": "u-17",
        "servedAt": _TIME,
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
        "time": _TIME,
        "partitionkey": "u-17",
        "datacontenttype": "application/json",
        "data": {
            "userId": "u-17",
            "achievementId": "completions",
            "title": "First ten",
            "tier": 1,
            "unlockedAt": _TIME,
            "period": None,
        },
    },
    {
        "specversion": "1.0",
        "type": "personalize.milestone.reached.v1",
        "id": "57ac3191-7543-5704-a5d6-1cab296818b7",
        "source": "/personalize/worker",
        "subject": "milestones/PATH_PROGRESS",
        "time": _TIME,
        "partitionkey": "u-17",
        "datacontenttype": "application/json",
        "data": {
            "userId": "u-17",
            "kind": "PATH_PROGRESS",
            "reachedAt": _TIME,
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
        "time": _TIME,
        "partitionkey": "u-17",
        "datacontenttype": "application/json",
        "data": {"userId": "u-17", "version": 42, "generatedAt": _TIME},
    },
]

PROBLEM: Final[list[dict[str, Any]]] = [
    {
        "type": "/problems/invalid",
        "title": "Invalid interaction",
        "status": 422,
        "detail": "One field is out of its range.",
        "errors": [
            {
                "pointer": "/completionRate",
                "detail": "`completionRate` must be a number from 0 to 1.",
                "reasonCode": "out-of-range",
            }
        ],
    },
    {"title": "Not found", "status": 404, "detail": "There is no command with this id.", "instance": "/api/commands/c"},
]

PROFILE_REQUEST: Final[list[dict[str, Any]]] = [{"userId": "u-17"}, _PROFILE]
PATH_REQUEST: Final[list[dict[str, Any]]] = [_PATH]
PROGRESS_REQUEST: Final[list[dict[str, Any]]] = [
    {"moduleId": "equations", "completionRate": 0.5, "timeSpent": 600, "score": 0.7}
]
FEEDBACK_REQUEST: Final[list[dict[str, Any]]] = [
    {"contentId": "algebra-3", "action": "liked", "recommendationId": "rec-5"}
]
OVERRIDE_REQUEST: Final[list[dict[str, Any]]] = [{"override": {"kind": "hide", "contentId": "algebra-3"}}]
SHARED_PAGE: Final[list[dict[str, Any]]] = [
    {
        "displayName": "Ada L.",
        "achievements": [
            {
                "achievementId": "finisher",
                "title": "Ten finished",
                "description": "Complete different pieces of content.",
                "tier": 2,
                "unlockedAt": _TIME,
                "kudos": 3,
                "times": 1,
            }
        ],
    }
]
PAGE_REQUEST: Final[list[dict[str, Any]]] = [{"displayName": "Ada L."}]
KUDOS_REQUEST: Final[list[dict[str, Any]]] = [{"giverId": "u-18"}]
FREEZE_REQUEST: Final[list[dict[str, Any]]] = [{"source": "EARNED"}]
REPAIR_REQUEST: Final[list[dict[str, Any]]] = [{"missedDay": "2024-04-30"}]
CONSENT_REQUEST: Final[list[dict[str, Any]]] = [
    {"purposes": {"personalise": True, "experiment": False}},
    {"purposes": {"personality": True}, "personalityAnswers": {"practice": 5, "evening": 1}},
]

_SKILL: Final[dict[str, Any]] = {
    "name": "equations",
    "mastery": 0.78,
    "low": 0.66,
    "high": 0.87,
    "uncertainty": 0.105,
    "attempts": 12,
    "successes": 9,
    "mastered": False,
    "lastAttemptAt": _TIME,
}
SKILLS: Final[list[dict[str, Any]]] = [
    {
        "userId": "u-17",
        "skills": [
            {
                "skill": _SKILL,
                "history": [{"day": "2024-05-01", "mastery": 0.78, "low": 0.66, "high": 0.87, "attempts": 12}],
            }
        ],
        "gaps": [
            {"skill": "equations", "reason": "low mastery", "mastery": 0.78, "neededBy": ["Algebra in a week"]},
        ],
        "reviews": [
            {
                "contentId": "algebra-3",
                "title": "Linear equations",
                "dueAt": "2024-04-29T09:00:00Z",
                "recall": 0.86,
                "skills": ["equations"],
            }
        ],
        "nextReviewAt": "2024-05-03T10:00:00Z",
        "freshness": _FRESHNESS,
    }
]

PROFILE: Final[list[dict[str, Any]]] = [
    {
        **_PROFILE,
        "skills": [_SKILL],
        "consent": {"personalise": True, "personality": True},
        "personality": [
            {
                "name": "thoroughness",
                "value": 0.71,
                "answer": None,
                "movedByBehaviour": 0.21,
                "observations": 34,
                "certainty": 0.87,
            }
        ],
        "engagement": {
            "score": 63.2,
            "terms": {"type": 30.1, "completion": 22.4, "timeRatio": 10.7},
            "interactions": 120,
            "lastInteractionAt": _TIME,
        },
        "sessions": {
            "count": 12,
            "totalSeconds": 14400,
            "meanSeconds": 1200,
            "gapSeconds": 1800,
            "lastStartedAt": "2024-05-01T12:00:00Z",
            "lastEndedAt": _TIME,
        },
        "behaviour": {
            "localHours": [0] * 12 + [40, 30, 20, 10, 10, 10] + [0] * 6,
            "types": {"VIEW": 100, "COMPLETE": 20},
            "started": 25,
            "completed": 20,
            "completionShare": 0.8,
            "dropOffShare": 0.12,
            "pace": 1.1,
        },
        "streak": {"currentDays": 3, "longestDays": 9, "activeDays": 31, "lastActiveDay": "2024-05-01"},
        "preferences": [{"topic": "algebra", "weight": 0.42}, {"topic": "chess", "weight": 0.11}],
        "contentTypePreferences": {"video": 0.5, "article": 0.1},
        "recentInteractions": [
            {
                "contentId": "algebra-3",
                "contentType": "video",
                "interactionType": "COMPLETE",
                "occurredAt": _TIME,
                "title": "Linear equations",
            }
        ],
        "freshness": _FRESHNESS,
    }
]

RECOMMENDATION: Final[list[dict[str, Any]]] = [
    {
        "type": "content_based",
        "contentId": "algebra-4",
        "contentType": "video",
        "title": "Two unknowns",
        "relevanceScore": 0.83,
        "confidenceScore": 0.6,
        "reason": "Because you like algebra.",
        "recommendationId": "rec-5",
        "terms": {"topics": 0.5, "trending": 0.33},
        "rank": 1,
        "generatedAt": "2024-05-01T12:35:00Z",
    }
]

TRENDING_ITEM: Final[list[dict[str, Any]]] = [
    {
        "contentId": "algebra-3",
        "contentType": "video",
        "title": "Linear equations",
        "score": 57.3,
        "rank": 1,
        "halfLifeSeconds": 86400,
        "interactions": 812,
    }
]

ACHIEVEMENTS: Final[list[dict[str, Any]]] = [
    {
        "userId": "u-17",
        "unlocked": [_ACHIEVEMENT],
        "next": [
            {
                **_ACHIEVEMENT,
                "title": "First fifty",
                "description": "Complete fifty pieces of content.",
                "tier": 2,
                "target": 50,
                "times": 0,
                "unclaimed": 0,
                "unlockedAt": None,
            }
        ],
        "freshness": _FRESHNESS,
    }
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
        "freshness": _FRESHNESS,
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
        "computedAt": _TIME,
    }
]

INGEST_RECEIPT: Final[list[dict[str, Any]]] = [
    {
        "accepted": 1,
        "rejected": [
            {
                "reasonCode": "out-of-range",
                "pointer": "/completionRate",
                "detail": "`completionRate` must be a number from 0 to 1.",
                "index": 1,
            }
        ],
        "duplicates": 0,
        "eventIds": [_ID],
        "token": None,
    }
]

COMMAND_RECEIPT: Final[list[dict[str, Any]]] = [
    {"commandId": _ID, "status": "pending", "location": f"/api/commands/{_ID}", "problem": None, "token": None},
    {
        "commandId": _ID,
        "status": "refused",
        "problem": {"title": "Already claimed", "status": 409, "detail": "This achievement was claimed before."},
    },
    {"commandId": _ID, "status": "applied", "location": "/api/profile/u-17", "problem": None, "token": None},
]

LEARNING_PATH: Final[list[dict[str, Any]]] = [
    {
        "pathId": "path-2",
        "userId": "u-17",
        "title": "Algebra in a week",
        "topic": "algebra",
        "level": "BEGINNER",
        "createdAt": _TIME,
        "estimatedDuration": 4500,
        "completion": 0.5,
        "milestones": [25, 50],
        "nextModules": ["equations"],
        "modules": [
            {
                "moduleId": "equations",
                "title": "Equations",
                "type": "video",
                "prerequisites": ["numbers"],
                "state": "open",
                "place": 1,
                "reason": "nothing speaks for another order",
                "completion": 0,
                "completedAt": None,
                "timeSpentSeconds": 0,
                "score": None,
                "expectedSuccess": 0.72,
                "difficulty": 1.1,
                "duration": 2700,
                "estimate": {"seconds": 2400, "lowSeconds": 870, "highSeconds": 4600},
            },
            {
                "moduleId": "numbers",
                "title": "Numbers",
                "type": "article",
                "prerequisites": [],
                "state": "completed",
                "place": None,
                "reason": None,
                "completion": 1,
                "completedAt": _TIME,
                "timeSpentSeconds": 1500,
                "score": 0.9,
                "expectedSuccess": 0.72,
                "difficulty": 1.1,
                "duration": 1800,
                "estimate": {"seconds": 1600, "lowSeconds": 580, "highSeconds": 3100},
            },
        ],
        "moved": [
            {"moduleId": "numbers", "before": 1, "after": None, "reason": "mastered"},
        ],
        "timeLeft": {"seconds": 2400, "lowSeconds": 870, "highSeconds": 4600},
        "minutesADay": 30,
        "finishDate": "2024-05-02",
        "finishEarliest": "2024-05-01",
        "finishLatest": "2024-05-03",
        "freshness": _FRESHNESS,
    }
]

PATH_SUMMARIES: Final[list[dict[str, Any]]] = [
    {
        "pathId": "path-2",
        "title": "Algebra in a week",
        "topic": "algebra",
        "level": "BEGINNER",
        "createdAt": _TIME,
        "modules": 2,
        "completed": 1,
        "completion": 0.5,
    }
]

CONTENT_ENTRY: Final[list[dict[str, Any]]] = [
    {
        "contentId": "algebra-3",
        "contentType": "video",
        "title": "Linear equations",
        "description": "Solving for one unknown.",
        "topics": ["algebra"],
        "skills": ["equations"],
        "difficulty": "BEGINNER",
        "durationSeconds": 420,
        "language": "en",
        "prerequisites": ["algebra-1"],
        "position": 3,
        "known": True,
        "withdrawn": False,
        "updatedAt": _TIME,
    }
]

BATCH_REQUEST: Final[list[dict[str, Any]]] = [
    {"requests": [{"userId": "u-17"}, {"userId": "u-17", "type": "trending", "limit": 3}, {"userId": "u-18"}]}
]

BATCH_RESULT: Final[list[dict[str, Any]]] = [
    {
        "results": [
            {
                "userId": "u-17",
                "type": "hybrid",
                "recommendations": RECOMMENDATION,
                "generatedAt": "2024-05-01T12:35:00Z",
                "asOf": _TIME,
                "position": 812,
            },
            {
                "userId": "u-18",
                "type": "hybrid",
                "problem": {"type": "/problems/unavailable", "title": "Temporarily unavailable", "status": 503},
            },
        ]
    }
]

LEARNER_PAGE: Final[list[dict[str, Any]]] = [
    {"learners": [{"userId": "u-17", "firstSeenAt": _TIME}], "nextCursor": "pHUtMTc"},
    {"learners": [], "nextCursor": None},
]
