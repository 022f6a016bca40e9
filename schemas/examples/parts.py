"""What stands in several examples? An id, a time, a freshness, one learner's profile and path, a piece of content."""

from __future__ import annotations

from typing import Any, Final

ID: Final = "0190a5b2-7c1e-7b3a-9f00-1234567890ab"
TIME: Final = "2024-05-01T12:34:56.789Z"
A_PROFILE: Final[dict[str, Any]] = {
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
A_PATH: Final[dict[str, Any]] = {
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
A_CONTENT: Final[dict[str, Any]] = {
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
}
FRESHNESS: Final[dict[str, Any]] = {
    "generatedAt": "2024-05-01T12:35:00Z",
    "asOf": TIME,
    "position": 812,
    "dataAgeMs": 41.5,
    "stale": False,
}
