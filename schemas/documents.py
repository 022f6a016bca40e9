"""Which messages are documented? Each with its name, its type and examples; schema files and field tables follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from schemas.analytics import Analytics
from schemas.catalogue import ContentSet
from schemas.commands import (
    Command,
    ConsentRequest,
    FeedbackRequest,
    OverrideRequest,
    ProfileRequest,
    ProgressRequest,
)
from schemas.examples import content_answers, insight_answers, learner_answers, messages, receipts, requests
from schemas.experiments import Experiment, Reported
from schemas.impressions import ImpressionServed
from schemas.interactions import Interaction
from schemas.learning_paths import LearningPath
from schemas.lists import Recommendation, TrendingItem
from schemas.notifications import Notification
from schemas.paths import PathRequest
from schemas.problems import Problem
from schemas.read_models import Achievements, Profile, SharedPage
from schemas.receipts import CommandReceipt, IngestReceipt
from schemas.recognition import FreezeRequest, KudosRequest, PageRequest, RepairRequest
from schemas.skills import SkillReport


@dataclass(frozen=True, slots=True)
class Document:
    """One documented message: `name` is the schema file's stem, `type` a Struct or a tagged union of Structs."""

    name: str
    type: Any
    examples: list[dict[str, Any]]
    travels: Literal["topic", "request", "answer"]


DOCUMENTS: tuple[Document, ...] = (
    Document("interaction", Interaction, messages.INTERACTION, "topic"),
    Document("learner-command", Command, messages.COMMAND, "topic"),
    Document("impression-served", ImpressionServed, messages.IMPRESSION, "topic"),
    Document("content-set", ContentSet, messages.CONTENT, "topic"),
    Document("notification", Notification, messages.NOTIFICATION, "topic"),
    Document("experiment", Experiment, requests.EXPERIMENT, "request"),
    Document("profile-request", ProfileRequest, requests.PROFILE, "request"),
    Document("feedback-request", FeedbackRequest, requests.FEEDBACK, "request"),
    Document("override-request", OverrideRequest, requests.OVERRIDE, "request"),
    Document("consent-request", ConsentRequest, requests.CONSENT, "request"),
    Document("page-request", PageRequest, requests.PAGE, "request"),
    Document("kudos-request", KudosRequest, requests.KUDOS, "request"),
    Document("freeze-request", FreezeRequest, requests.FREEZE, "request"),
    Document("repair-request", RepairRequest, requests.REPAIR, "request"),
    Document("path-request", PathRequest, requests.PATH, "request"),
    Document("progress-request", ProgressRequest, requests.PROGRESS, "request"),
    Document("profile", Profile, learner_answers.PROFILE, "answer"),
    Document("skill-report", SkillReport, learner_answers.SKILLS, "answer"),
    Document("recommendation", Recommendation, content_answers.RECOMMENDATION, "answer"),
    Document("trending-item", TrendingItem, content_answers.TRENDING_ITEM, "answer"),
    Document("achievements", Achievements, learner_answers.ACHIEVEMENTS, "answer"),
    Document("analytics", Analytics, insight_answers.ANALYTICS, "answer"),
    Document("experiment-report", Reported, insight_answers.EXPERIMENT_REPORT, "answer"),
    Document("shared-page", SharedPage, learner_answers.SHARED_PAGE, "answer"),
    Document("learning-path", LearningPath, learner_answers.LEARNING_PATH, "answer"),
    Document("ingest-receipt", IngestReceipt, receipts.INGEST, "answer"),
    Document("command-receipt", CommandReceipt, receipts.COMMAND, "answer"),
    Document("problem", Problem, receipts.PROBLEM, "answer"),
)
