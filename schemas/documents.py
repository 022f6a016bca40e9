"""Which messages are documented? Each with its name, its type and examples; schema files and field tables follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from schemas import examples
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
    Document("interaction", Interaction, examples.INTERACTION, "topic"),
    Document("learner-command", Command, examples.COMMAND, "topic"),
    Document("impression-served", ImpressionServed, examples.IMPRESSION, "topic"),
    Document("content-set", ContentSet, examples.CONTENT, "topic"),
    Document("notification", Notification, examples.NOTIFICATION, "topic"),
    Document("experiment", Experiment, examples.EXPERIMENT, "request"),
    Document("profile-request", ProfileRequest, examples.PROFILE_REQUEST, "request"),
    Document("feedback-request", FeedbackRequest, examples.FEEDBACK_REQUEST, "request"),
    Document("override-request", OverrideRequest, examples.OVERRIDE_REQUEST, "request"),
    Document("consent-request", ConsentRequest, examples.CONSENT_REQUEST, "request"),
    Document("page-request", PageRequest, examples.PAGE_REQUEST, "request"),
    Document("kudos-request", KudosRequest, examples.KUDOS_REQUEST, "request"),
    Document("freeze-request", FreezeRequest, examples.FREEZE_REQUEST, "request"),
    Document("repair-request", RepairRequest, examples.REPAIR_REQUEST, "request"),
    Document("path-request", PathRequest, examples.PATH_REQUEST, "request"),
    Document("progress-request", ProgressRequest, examples.PROGRESS_REQUEST, "request"),
    Document("profile", Profile, examples.PROFILE, "answer"),
    Document("skill-report", SkillReport, examples.SKILLS, "answer"),
    Document("recommendation", Recommendation, examples.RECOMMENDATION, "answer"),
    Document("trending-item", TrendingItem, examples.TRENDING_ITEM, "answer"),
    Document("achievements", Achievements, examples.ACHIEVEMENTS, "answer"),
    Document("analytics", Analytics, examples.ANALYTICS, "answer"),
    Document("experiment-report", Reported, examples.EXPERIMENT_REPORT, "answer"),
    Document("shared-page", SharedPage, examples.SHARED_PAGE, "answer"),
    Document("learning-path", LearningPath, examples.LEARNING_PATH, "answer"),
    Document("ingest-receipt", IngestReceipt, examples.INGEST_RECEIPT, "answer"),
    Document("command-receipt", CommandReceipt, examples.COMMAND_RECEIPT, "answer"),
    Document("problem", Problem, examples.PROBLEM, "answer"),
)
