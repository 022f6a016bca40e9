"""Declared topics are created once, can be used at once, and differences are reported, not repaired."""

import asyncio
import uuid
from dataclasses import dataclass, field

import pytest

from personalize.errors import StackError
from personalize.stack.topics import ensure_topics
from schemas.topics import TOPICS


@dataclass(frozen=True)
class Wanted:
    name: str
    partitions: int = 2
    settings: dict[str, str] = field(default_factory=dict)

    def config(self) -> dict[str, str]:
        return dict(self.settings)


@pytest.fixture
def name():
    """A topic name that no other test uses."""
    return f"topics-{uuid.uuid4().hex[:10]}"


def test_created_once(kafka, name):
    """The first call creates the topic, the second finds it, neither reports a difference."""
    wanted = [Wanted(name, 3, {"retention.ms": "60000"})]
    first = asyncio.run(ensure_topics(kafka.bootstrap, wanted))
    second = asyncio.run(ensure_topics(kafka.bootstrap, wanted))
    assert (first.created, first.existing, first.drift) == ((name,), (), ())
    assert (second.created, second.existing, second.drift) == ((), (name,), ())


def test_drift_names_both_values(kafka, name):
    """A topic with other partitions and another retention is reported with what was declared and what was found."""
    asyncio.run(ensure_topics(kafka.bootstrap, [Wanted(name, 2, {"retention.ms": "60000"})]))
    report = asyncio.run(ensure_topics(kafka.bootstrap, [Wanted(name, 4, {"retention.ms": "90000"})]))
    assert {(drift.setting, drift.declared, drift.found) for drift in report.drift} == {
        ("partitions", "4", "2"),
        ("retention.ms", "90000", "60000"),
    }
    assert all(name in drift.fix for drift in report.drift)


def test_two_at_once_are_safe(kafka, name):
    """Two processes that create the same topic at the same time both succeed, and one of them created it."""

    async def both():
        return await asyncio.gather(*(ensure_topics(kafka.bootstrap, [Wanted(name)]) for _ in range(2)))

    reports = asyncio.run(both())
    assert [report.drift for report in reports] == [(), ()]
    assert name in {each for report in reports for each in report.created}


def test_the_products_topics_can_all_be_made(kafka):
    """The broker accepts every declared topic with all of its settings, and then reports them as declared."""
    asyncio.run(ensure_topics(kafka.bootstrap, TOPICS))
    report = asyncio.run(ensure_topics(kafka.bootstrap, TOPICS))
    assert report.created == ()
    assert report.drift == ()


def test_a_setting_the_broker_refuses_names_the_topic(kafka, name):
    """A setting with an impossible value is refused by an error that names the topic."""
    with pytest.raises(StackError, match=name):
        asyncio.run(ensure_topics(kafka.bootstrap, [Wanted(name, 1, {"retention.ms": "soon"})]))
