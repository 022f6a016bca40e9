"""What does the answer to a write look like, and that to a request that cannot be met?"""

from __future__ import annotations

from typing import Any, Final

from schemas.examples.parts import ID

INGEST: Final[list[dict[str, Any]]] = [
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
        "eventIds": [ID],
        "token": None,
    }
]

COMMAND: Final[list[dict[str, Any]]] = [
    {"commandId": ID, "status": "pending", "location": f"/api/commands/{ID}", "problem": None, "token": None},
    {
        "commandId": ID,
        "status": "refused",
        "problem": {"title": "Already claimed", "status": 409, "detail": "This achievement was claimed before."},
    },
    {"commandId": ID, "status": "applied", "location": "/api/profile/u-17", "problem": None, "token": None},
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
