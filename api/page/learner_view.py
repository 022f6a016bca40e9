"""What does the page show of a learner?  The reads of the API as what the template draws: shares, widths, places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from api.page import drawing
from schemas.learning_paths import LearningPath, ModuleProgress, ModuleState
from schemas.lists import Recommendation
from schemas.read_models import Achievements, Profile

TERMS = {
    "type": "kind of event",
    "completion": "completion",
    "time": "time spent",
    "scroll": "scrolling",
    "clicks": "clicks",
    "rating": "ratings",
    "sentiment": "feedback",
}
SOURCES = {"relevance": "fits you", "collaborative": "others like you", "trending": "popular", "context": "right now"}
ACTIONS = (
    ("VIEW", "View"),
    ("COMPLETE", "Complete"),
    ("ATTEMPT", "Solve"),
    ("LIKE", "Like"),
    ("RATE", "Rate 5"),
    ("SHARE", "Share"),
)
MOST_SPOKES = 8
MOST_PREFERENCES = 8
TITLE_LENGTH = 21


def of_profile(profile: Profile | None) -> dict[str, Any]:
    """Engagement, preferences, skills and the plain figures."""
    engagement = profile.engagement if profile else None
    skills = [(skill.name, skill.mastery) for skill in profile.skills[:MOST_SPOKES]] if profile else []
    return {
        "profile": profile,
        "score": engagement.score if engagement else 0.0,
        "events": engagement.interactions if engagement else 0,
        "terms": stacked(engagement.terms, TERMS) if engagement else [],
        "streak": profile.streak.current_days if profile and profile.streak else 0,
        "sessions": profile.sessions.count if profile and profile.sessions else 0,
        "completed": profile.behaviour.completed if profile and profile.behaviour else 0,
        "preferences": _preferences(profile),
        "radar": drawing.radar([(_short(name), value) for name, value in skills]),
        "skills_text": ", ".join(f"{name} {value * 100:.0f} %" for name, value in skills),
    }


def stacked(terms: Mapping[str, float], words: Mapping[str, str], whole: float = 100.0) -> list[dict[str, Any]]:
    """The terms that add something, as pieces of a bar of 100, largest first."""
    pieces, start = [], 0.0
    for name, points in sorted(terms.items(), key=lambda term: -term[1]):
        width = 100 * points / whole
        if width < 0.05:
            continue
        label = words.get(name, name.replace("_", " "))
        pieces.append(
            {
                "label": label,
                "points": points,
                "share": points / whole,
                "start": round(start, 2),
                "width": round(width, 2),
            }
        )
        start += width
    return pieces[:7]


def _preferences(profile: Profile | None) -> list[dict[str, Any]]:
    shown = profile.preferences[:MOST_PREFERENCES] if profile else ()
    largest = max((abs(one.weight) for one in shown), default=0.0) or 1.0
    return [
        {"label": one.topic, "weight": one.weight, "width": round(100 * abs(one.weight) / largest, 1)} for one in shown
    ]


def of_items(items: Sequence[Recommendation]) -> list[dict[str, Any]]:
    """A list with what each score is made of."""
    return [
        {
            "rank": item.rank,
            "title": item.title,
            "content_type": item.content_type,
            "reason": item.reason,
            "terms": stacked(item.terms, SOURCES, sum(max(0.0, term) for term in item.terms.values()) or 1.0),
        }
        for item in items
    ]


def of_path(path: LearningPath | None) -> dict[str, Any] | None:
    """The graph of a path."""
    if path is None:
        return None
    drawn = drawing.graph({module.module_id: module.prerequisites for module in path.modules})
    nodes = [
        {
            "x": drawn.places[module.module_id][0],
            "y": drawn.places[module.module_id][1],
            "title": module.title,
            "short": _short(module.title),
            "state": module.state.value,
            "note": _note(module),
        }
        for module in path.modules
    ]
    return {
        "title": path.title,
        "completion": path.completion,
        "finish": f"{path.finish_date:%-d %B}",
        "width": drawn.width,
        "height": drawn.height,
        "curves": drawn.curves,
        "nodes": nodes,
    }


def _note(module: ModuleProgress) -> str:
    if module.state is ModuleState.COMPLETED:
        return "done" if module.score is None else f"done, score {module.score * 100:.0f} %"
    minutes = f"{max(1, round(module.estimate.seconds / 60))} min"
    return f"open, about {minutes}" if module.state is ModuleState.OPEN else f"later, about {minutes}"


def of_achievements(found: Achievements | None) -> dict[str, Any]:
    """What was unlocked last, and what is nearest."""
    nearest = found.next[:4] if found else ()
    return {
        "unlocked": found.unlocked[:6] if found else (),
        "nearest": [
            {
                "title": one.title,
                "progress": one.progress,
                "target": one.target,
                "width": round(100 * min(1.0, one.progress / one.target), 1) if one.target else 0.0,
            }
            for one in nearest
        ],
    }


def _short(title: str) -> str:
    return title if len(title) <= TITLE_LENGTH else title[: TITLE_LENGTH - 1].rstrip() + "…"
