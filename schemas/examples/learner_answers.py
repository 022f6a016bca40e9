"""What does an answer about a learner look like: profile, skills, achievements, paths?"""

from __future__ import annotations

from typing import Any, Final

from schemas.examples.parts import A_PROFILE, FRESHNESS, TIME

_SKILL: Final[dict[str, Any]] = {
    "name": "equations",
    "mastery": 0.78,
    "low": 0.66,
    "high": 0.87,
    "uncertainty": 0.105,
    "attempts": 12,
    "successes": 9,
    "mastered": False,
    "lastAttemptAt": TIME,
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
        "freshness": FRESHNESS,
    }
]

PROFILE: Final[list[dict[str, Any]]] = [
    {
        **A_PROFILE,
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
            "lastInteractionAt": TIME,
        },
        "sessions": {
            "count": 12,
            "totalSeconds": 14400,
            "meanSeconds": 1200,
            "gapSeconds": 1800,
            "lastStartedAt": "2024-05-01T12:00:00Z",
            "lastEndedAt": TIME,
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
                "occurredAt": TIME,
                "title": "Linear equations",
            }
        ],
        "freshness": FRESHNESS,
    }
]

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
    "unlockedAt": TIME,
    "claimedAt": None,
}

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
        "freshness": FRESHNESS,
    }
]

SHARED_PAGE: Final[list[dict[str, Any]]] = [
    {
        "displayName": "Ada L.",
        "achievements": [
            {
                "achievementId": "finisher",
                "title": "Ten finished",
                "description": "Complete different pieces of content.",
                "tier": 2,
                "unlockedAt": TIME,
                "kudos": 3,
                "times": 1,
            }
        ],
    }
]

LEARNING_PATH: Final[list[dict[str, Any]]] = [
    {
        "pathId": "path-2",
        "userId": "u-17",
        "title": "Algebra in a week",
        "topic": "algebra",
        "level": "BEGINNER",
        "createdAt": TIME,
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
                "completedAt": TIME,
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
        "freshness": FRESHNESS,
    }
]

PATH_SUMMARIES: Final[list[dict[str, Any]]] = [
    {
        "pathId": "path-2",
        "title": "Algebra in a week",
        "topic": "algebra",
        "level": "BEGINNER",
        "createdAt": TIME,
        "modules": 2,
        "completed": 1,
        "completion": 0.5,
    }
]

LEARNER_PAGE: Final[list[dict[str, Any]]] = [
    {"learners": [{"userId": "u-17", "firstSeenAt": TIME}], "nextCursor": "pHUtMTc"},
    {"learners": [], "nextCursor": None},
]
