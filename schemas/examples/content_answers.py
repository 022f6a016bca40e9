"""What does an answer about content look like: recommended, trending, or looked up?"""

from __future__ import annotations

from typing import Any, Final

from schemas.examples.parts import A_CONTENT, TIME

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

BATCH_RESULT: Final[list[dict[str, Any]]] = [
    {
        "results": [
            {
                "userId": "u-17",
                "type": "hybrid",
                "recommendations": RECOMMENDATION,
                "generatedAt": "2024-05-01T12:35:00Z",
                "asOf": TIME,
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

CONTENT_ENTRY: Final[list[dict[str, Any]]] = [
    {
        **A_CONTENT,
        "known": True,
        "withdrawn": False,
        "updatedAt": TIME,
    }
]
