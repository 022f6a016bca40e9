"""Topics are declared once, as the contracts want them."""

import pytest

from schemas.fields import MAX_RECORD_BYTES
from schemas.topics import DAY_MS, DEAD_LETTERS, LEARNER_KEYED, TOPICS


def test_names():
    """These topics exist, each once."""
    assert [topic.name for topic in TOPICS] == [
        "interactions",
        "learner-commands",
        "impressions",
        "catalogue",
        "achievements",
        "milestones",
        "recommendation-updates",
        "dead-letters",
    ]


def test_learner_keyed_topics_share_partitions():
    """Topics that the worker folds together are keyed by learner and have equal partition counts."""
    assert {topic.key for topic in LEARNER_KEYED} == {"userId"}
    assert len({topic.partitions for topic in LEARNER_KEYED}) == 1


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_settings(topic):
    """A compacted topic keeps its records for good, any other for its retention; values are texts for the broker."""
    config = topic.config()
    assert all(isinstance(value, str) for value in config.values())
    assert config["cleanup.policy"] == ("compact" if topic.name == "catalogue" else "delete")
    days = {"catalogue": None, "dead-letters": 7}.get(topic.name, 30)
    assert config.get("retention.ms") == (None if days is None else str(days * DAY_MS))


def test_dead_letters_take_what_others_took():
    """A dead letter with its headers fits even when the original was the largest that its topic takes."""
    others = [topic.max_message_bytes for topic in TOPICS if topic is not DEAD_LETTERS]
    assert min(others) > MAX_RECORD_BYTES
    assert DEAD_LETTERS.max_message_bytes > max(others)
