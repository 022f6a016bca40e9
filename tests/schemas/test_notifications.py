"""Announcements are CloudEvents whose ids are the same for the same fact."""

import json
import uuid
from datetime import UTC, datetime

import msgspec
import pytest

from schemas.examples.messages import NOTIFICATION
from schemas.notifications import (
    _NAMESPACE,
    ChangedRecommendations,
    MilestoneKind,
    Notification,
    ReachedMilestone,
    UnlockedAchievement,
    achievement_unlocked,
    milestone_reached,
    recommendations_updated,
    stable_bytes,
    stable_id,
)

AT = datetime(2024, 5, 1, 12, 34, 56, tzinfo=UTC)
LATER = datetime(2024, 6, 1, 12, 34, 56, tzinfo=UTC)


def unlocked(**changes):
    """Return an unlocked achievement with changes."""
    plain = {"user_id": "u", "achievement_id": "a", "title": "A", "tier": 1, "unlocked_at": AT}
    return UnlockedAchievement(**{**plain, **changes})


def milestone(**changes):
    """Return a milestone with changes."""
    return ReachedMilestone(**{"user_id": "u", "kind": MilestoneKind.STREAK, "reached_at": AT, "days": 7, **changes})


def test_required_attributes():
    """An announcement has the attributes that CloudEvents 1.0 requires, none of them empty."""
    events = [
        achievement_unlocked(unlocked()),
        milestone_reached(milestone()),
        recommendations_updated(ChangedRecommendations(user_id="u", version=3, generated_at=AT)),
    ]
    for event in events:
        wire = json.loads(msgspec.json.encode(event))
        assert wire["specversion"] == "1.0"
        assert all(wire[name] for name in ("id", "source", "type", "subject", "time", "partitionkey"))
        assert msgspec.json.decode(msgspec.json.encode(event), type=Notification) == event
        assert set(wire) == {name.lower() for name in wire}, "CloudEvents attribute names are lower case"


def test_unlock_has_one_id():
    """The same tier of the same learner's achievement has one id, whatever its title or time is corrected to."""
    first = achievement_unlocked(unlocked()).id
    assert achievement_unlocked(unlocked(title="B", unlocked_at=LATER)).id == first
    assert len({first, *(achievement_unlocked(unlocked(**c)).id for c in ({"tier": 2}, {"user_id": "v"}))}) == 3


def test_ids_are_pinned():
    """Ids are the same in every process and release: consumers remember them."""
    assert stable_id("achievement", "u", "a", 1) == "838936b4-2881-5595-9d0a-59b5a80f8e7f"


def test_ids_keep_parts_apart():
    """Parts that read the same when joined give different ids."""
    assert stable_id("a", "bc") != stable_id("ab", "c")
    assert stable_id("a", None) != stable_id("a", "null")


def test_a_streak_can_be_reached_again():
    """A streak's length reached in another month is another milestone; a path's percentage is reached once."""
    assert milestone_reached(milestone()).id != milestone_reached(milestone(reached_at=LATER)).id
    half = {"kind": MilestoneKind.PATH_PROGRESS, "path_id": "p", "percent": 50, "days": None}
    assert milestone_reached(milestone(**half)).id == milestone_reached(milestone(**half, reached_at=LATER)).id


@pytest.mark.parametrize("example", NOTIFICATION, ids=lambda example: example["type"])
def test_examples_have_their_stable_ids(example):
    """The ids in the documented examples are the ones that the code makes."""
    event = msgspec.convert(example, Notification)
    make = {"UnlockedAchievement": achievement_unlocked, "ReachedMilestone": milestone_reached}
    assert make.get(type(event.data).__name__, recommendations_updated)(event.data) == event


@pytest.mark.parametrize("what", [(), ("achievement", 17, "first-steps", 1), ("é", None, -1)])
def test_ids_are_uuids_of_version_5(what):
    """The fast way to an id gives what `uuid.uuid5` gives."""
    expected = uuid.uuid5(_NAMESPACE, msgspec.json.encode(what).decode())
    assert stable_id(*what) == str(expected)
    assert stable_bytes(*what) == expected.bytes
