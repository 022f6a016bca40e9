"""What do OULAD's twenty activity types mean in this engine's words?

OULAD names the kind of a site (`forumng`, `oucontent`, ...) and says nothing else about it: no title, no topic, no
duration.  A title is therefore the kind and its ordinal within the module ("Forum 3"), topics are the module and the
kind of work, and durations are left out rather than invented.  A click row says that a learner was there, so it becomes
the mildest fact that fits: CLICK on what only leads elsewhere, ATTEMPT on what asks for answers (OULAD's rows carry no
result, so neither does the attempt), VIEW on everything else.  Nothing becomes COMPLETE: OULAD does not know.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.interactions import InteractionType


@dataclass(frozen=True, slots=True)
class ActivityType:
    """How one activity type of OULAD appears in the catalogue and in events."""

    noun: str  # of the title
    content_type: str
    interaction_type: InteractionType
    topic: str


_VIEW, _CLICK, _ATTEMPT = InteractionType.VIEW, InteractionType.CLICK, InteractionType.ATTEMPT

ACTIVITY_TYPES: dict[str, ActivityType] = {
    "oucontent": ActivityType("Lesson", "lesson", _VIEW, "course material"),
    "resource": ActivityType("Resource", "document", _VIEW, "course material"),
    "page": ActivityType("Page", "article", _VIEW, "course material"),
    "htmlactivity": ActivityType("Interactive page", "interactive", _VIEW, "course material"),
    "glossary": ActivityType("Glossary", "reference", _VIEW, "reference"),
    "dataplus": ActivityType("Database", "reference", _VIEW, "reference"),
    "ouwiki": ActivityType("Wiki", "wiki", _VIEW, "collaboration"),
    "forumng": ActivityType("Forum", "forum", _VIEW, "discussion"),
    "oucollaborate": ActivityType("Online room", "live session", _VIEW, "collaboration"),
    "ouelluminate": ActivityType("Online lecture", "live session", _VIEW, "collaboration"),
    "quiz": ActivityType("Quiz", "quiz", _ATTEMPT, "assessment"),
    "externalquiz": ActivityType("External quiz", "quiz", _ATTEMPT, "assessment"),
    "repeatactivity": ActivityType("Repeat activity", "quiz", _ATTEMPT, "assessment"),
    "questionnaire": ActivityType("Questionnaire", "survey", _ATTEMPT, "feedback"),
    "url": ActivityType("Link", "link", _CLICK, "further reading"),
    "homepage": ActivityType("Home page", "navigation", _CLICK, "navigation"),
    "subpage": ActivityType("Section", "navigation", _CLICK, "navigation"),
    "sharedsubpage": ActivityType("Shared section", "navigation", _CLICK, "navigation"),
    "folder": ActivityType("Folder", "navigation", _CLICK, "navigation"),
    "dualpane": ActivityType("Split page", "navigation", _CLICK, "navigation"),
}
