"""What does a small class do in four weeks?  Made-up learners with every kind of event, for checks and screenshots.

The Open University clicks of the demo are real, but have only clicks: no ratings, attempts, paths or feedback.  This
class has a catalogue with topics, skills and prerequisites, learners with tastes and abilities of their own, learning
paths, feedback, an experiment, and the mistakes that producers make.  Everything follows from one seed and the time
of the start.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

TOPICS: Final[dict[str, tuple[str, ...]]] = {
    "algebra": ("Numbers and signs", "Linear equations", "Systems of equations", "Quadratic equations", "Inequalities"),
    "statistics": ("Means and medians", "Probability", "Distributions", "Hypothesis tests", "Regression"),
    "programming": ("Variables", "Loops", "Functions", "Recursion", "Testing your code"),
    "databases": ("Tables and keys", "Joins", "Indexes", "Transactions", "Query plans"),
    "writing": ("Paragraphs", "Arguments", "Citing sources", "Revising a draft", "Abstracts"),
    "physics": ("Motion", "Forces", "Energy", "Waves", "Circuits"),
}
KINDS: Final = ("video", "article", "quiz")
VERBS: Final = {"video": "watch", "article": "read", "quiz": "check yourself"}
MINUTES: Final = {"video": 9, "article": 6, "quiz": 4}
LEVELS: Final = ("BEGINNER", "BEGINNER", "INTERMEDIATE", "INTERMEDIATE", "ADVANCED")
DAYS: Final = 28
PATH_TOPICS: Final = ("statistics", "algebra")
NAMED: Final = "ada"
"""The learner whose page is shown: active until now, with a path under way."""


@dataclass(frozen=True, slots=True)
class Learner:
    """A made-up learner."""

    user_id: str
    favourite: str
    ability: float
    diligence: float
    left_days_ago: int = 0
    """Since then never seen again."""


def catalogue() -> list[dict[str, Any]]:
    """The content: a video, an article and a quiz on each of five lessons of six topics."""
    found: list[dict[str, Any]] = []
    for topic, lessons in TOPICS.items():
        for place, lesson in enumerate(lessons):
            for kind in KINDS:
                entry = {
                    "contentId": content_id(topic, place, kind),
                    "contentType": kind,
                    "title": f"{lesson}: {VERBS[kind]}",
                    "description": f"{lesson} in {topic}, lesson {place + 1}.",
                    "topics": [topic],
                    "skills": [topic, lesson.lower()],
                    "difficulty": LEVELS[place],
                    "durationSeconds": MINUTES[kind] * 60,
                    "language": "en",
                    "position": len(found),
                }
                if kind == "quiz" and place:
                    entry["prerequisites"] = [content_id(topic, place - 1, "quiz")]
                found.append(entry)
    return found


def content_id(topic: str, place: int, kind: str) -> str:
    """The id of a piece of content."""
    return f"{topic}-{place + 1}-{kind}"


def learners(count: int = 90) -> list[Learner]:
    """The class; the first is NAMED."""
    draw = random.Random(7)
    topics = [*TOPICS]
    return [
        Learner(
            user_id=NAMED if number == 0 else f"learner-{number:02}",
            favourite=topics[number % len(topics)],
            ability=draw.gauss(0.4, 0.8),
            diligence=0.6 if number == 0 else draw.uniform(0.25, 0.8),
            left_days_ago=8 + number % 5 if number % 8 == 7 else 0,
        )
        for number in range(count)
    ]


def newcomers(count: int = 40) -> list[str]:
    """Ids of learners who come for the first time today."""
    return [f"newcomer-{number:02}" for number in range(count)]


def first_steps(now: datetime) -> list[dict[str, Any]]:
    """What the newcomers do."""
    draw = random.Random(17)
    events = []
    for user_id in newcomers():
        item = {"contentId": content_id(draw.choice([*TOPICS]), 0, "video"), "contentType": "video"}
        at = _stamp(now - timedelta(minutes=draw.uniform(5, 50)))
        view = {"userId": user_id, **item, "interactionType": "VIEW", "occurredAt": at}
        events.append({**view, "eventId": f"first-{user_id}"})
    return events


def experiment() -> dict[str, Any]:
    """An experiment in which the class and the newcomers take part: enough of them for a result."""
    return {
        "key": "less-trending",
        "hypothesis": "What is popular distracts from what fits.",
        "state": "running",
        "metric": "events",
        "minimumLearners": 50,
        "guardrails": [{"metric": "active_days", "mostDrop": 0.2}],
        "variations": [
            {"name": "control", "weight": 0.5},
            {"name": "no-trends", "weight": 0.5, "familyWeights": {"trending": 0}},
        ],
    }


def history(now: datetime) -> list[dict[str, Any]]:
    """Four weeks of interactions up to ``now``, in time order."""
    draw = random.Random(11)
    events: list[dict[str, Any]] = []
    for learner in learners():
        place = dict.fromkeys(TOPICS, 0)
        for day in range(DAYS, -1, -1):
            if draw.random() > learner.diligence or day < learner.left_days_ago:
                continue
            start = now - timedelta(days=day, hours=draw.uniform(1.0, 7.0))
            topic = learner.favourite if draw.random() < 0.7 else draw.choice([*TOPICS])
            events += _visit(draw, learner, topic, place[topic] % 5, start)
            place[topic] += 1
    events.sort(key=lambda event: str(event["occurredAt"]))
    return [{**event, "eventId": f"history-{number}"} for number, event in enumerate(events)]


def _visit(draw: random.Random, learner: Learner, topic: str, place: int, start: datetime) -> Iterator[dict[str, Any]]:
    at = start
    for kind in KINDS[-draw.choice((1, 2, 3)) :]:
        expected = MINUTES[kind] * 60
        spent = expected * draw.uniform(0.5, 1.4)
        common: dict[str, Any] = {
            "userId": learner.user_id,
            "contentId": content_id(topic, place, kind),
            "contentType": kind,
        }
        yield {**common, "interactionType": "VIEW", "occurredAt": _stamp(at), "scrollDepth": round(draw.random(), 2)}
        at += timedelta(seconds=spent)
        if kind == "quiz":
            success = draw.random() < 1 / (1 + math.exp(-(learner.ability - 0.5 * (place - 2))))
            score = round(draw.uniform(0.7, 1.0) if success else draw.uniform(0.1, 0.5), 2)
            attempt = {"interactionType": "ATTEMPT", "success": success, "score": score, "timeSpent": round(spent)}
            yield {**common, **attempt, "occurredAt": _stamp(at)}
        yield {
            **common,
            "interactionType": "COMPLETE",
            "completionRate": 1,
            "timeSpent": round(spent),
            "clicksCount": draw.randint(1, 9),
            "occurredAt": _stamp(at),
        }
        if draw.random() < 0.35:
            yield {**common, **_opinion(draw), "occurredAt": _stamp(at + timedelta(seconds=5))}
        at += timedelta(seconds=draw.uniform(20, 90))


def _opinion(draw: random.Random) -> dict[str, Any]:
    kind = draw.choice(("LIKE", "LIKE", "SHARE", "BOOKMARK", "RATE"))
    if kind != "RATE":
        return {"interactionType": kind}
    rating = draw.choice((2, 3, 4, 5, 5))
    return {
        "interactionType": "RATE",
        "rating": rating,
        "feedback": "Clear and useful." if rating > 3 else "Hard to follow.",
    }


def live(now: datetime, number: int) -> dict[str, Any]:
    """One interaction of now; each number gives another."""
    draw = random.Random(number)
    learner = draw.choice([one for one in learners()[1:] if not one.left_days_ago])
    topic, kind = learner.favourite, draw.choice(KINDS)
    event: dict[str, Any] = {
        "userId": learner.user_id,
        "contentId": content_id(topic, draw.randrange(5), kind),
        "contentType": kind,
        "interactionType": draw.choice(("VIEW", "VIEW", "CLICK", "COMPLETE", "LIKE")),
        "occurredAt": _stamp(now),
        "timeSpent": draw.randint(20, 600),
    }
    if event["interactionType"] == "COMPLETE":
        event["completionRate"] = 1
    return event


def profile(learner: Learner) -> dict[str, Any]:
    """What the learner declares."""
    return {
        "userId": learner.user_id,
        "age": 24,
        "learningStyle": "VISUAL",
        "experienceLevel": "INTERMEDIATE",
        "preferredPace": "MODERATE",
        "interests": [learner.favourite],
        "careerGoals": ["data analyst"],
        "learningObjectives": [f"finish {learner.favourite}"],
        "timezone": "Europe/Berlin",
        "language": "en",
    }


def path(learner: Learner) -> dict[str, Any]:
    """A learning path: algebra or statistics, so that groups are large enough to be shown."""
    topic = PATH_TOPICS[learners().index(learner) % 2]
    modules: list[dict[str, Any]] = []
    for place, lesson in enumerate(TOPICS[topic]):
        module: dict[str, Any] = {
            "id": content_id(topic, place, "quiz"),
            "title": lesson,
            "type": "quiz",
            "duration": 1_200 + 300 * place,
        }
        if place:
            module["prerequisites"] = [content_id(topic, place - 1, "quiz")]
        modules.append(module)
    return {
        "userId": learner.user_id,
        "title": f"{topic.capitalize()} from the start",
        "topic": topic,
        "level": "BEGINNER",
        "modules": modules,
    }


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
