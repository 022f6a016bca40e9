"""Which topics are there, and how are they kept? One declaration; `up` and `migrate` create topics from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PARTITIONS = 8
DAY_MS = 86_400_000

# A record may be 256 KB (checked by the worker, decompressed), but Kafka's limit is on the whole compressed *batch*,
# and librdkafka sends batches of up to 1 MB: a limit of 256 KB would refuse honest producers under load.
BATCH_BYTES = 1_048_588
# A dead letter carries the original bytes plus headers that say why: it must fit where the original just fitted.
DEAD_LETTER_BYTES = 2 * BATCH_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One Kafka topic: what its key is, how many partitions it has, how long records are kept.

    `retention_ms` is None for a compacted topic (the last record of each key is kept for good).
    """

    name: str
    key: Literal["userId", "contentId", "as received"]
    holds: str
    partitions: int = PARTITIONS
    cleanup_policy: Literal["delete", "compact"] = "delete"
    retention_ms: int | None = 30 * DAY_MS
    max_message_bytes: int = BATCH_BYTES

    def config(self) -> dict[str, str]:
        """Return the topic's settings as Kafka's admin protocol takes them."""
        settings = {"cleanup.policy": self.cleanup_policy, "max.message.bytes": str(self.max_message_bytes)}
        if self.retention_ms is not None:
            settings["retention.ms"] = str(self.retention_ms)
        return settings


INTERACTIONS = Topic(name="interactions", key="userId", holds="what learners did")
LEARNER_COMMANDS = Topic(name="learner-commands", key="userId", holds="what learners and platforms asked for")
IMPRESSIONS = Topic(name="impressions", key="userId", holds="what was shown to learners")
CATALOGUE = Topic(
    name="catalogue", key="contentId", holds="the content there is", cleanup_policy="compact", retention_ms=None
)
ACHIEVEMENTS = Topic(name="achievements", key="userId", holds="achievements that were unlocked")
MILESTONES = Topic(name="milestones", key="userId", holds="milestones that were reached")
RECOMMENDATION_UPDATES = Topic(name="recommendation-updates", key="userId", holds="whose recommendations changed")
DEAD_LETTERS = Topic(
    name="dead-letters",
    key="as received",
    holds="records that could not be used, with the reason in their headers",
    retention_ms=7 * DAY_MS,
    max_message_bytes=DEAD_LETTER_BYTES,
)

TOPICS: tuple[Topic, ...] = (
    INTERACTIONS,
    LEARNER_COMMANDS,
    IMPRESSIONS,
    CATALOGUE,
    ACHIEVEMENTS,
    MILESTONES,
    RECOMMENDATION_UPDATES,
    DEAD_LETTERS,
)

#: The worker folds these together: equal partition counts and one partitioner, so that a learner has one owner.
LEARNER_KEYED: tuple[Topic, ...] = (INTERACTIONS, LEARNER_COMMANDS, IMPRESSIONS)
