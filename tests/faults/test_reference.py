"""The reference folds of the fault runs agree with examples worked out by hand."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from itertools import islice

import pytest

from personalize.bench.fault_achievements import play
from personalize.bench.fault_events import Event, Truth, dedupe_key, judge
from personalize.bench.fault_folds import LANDMARK_MS, expected_tables, log_sum, shares
from personalize.bench.fault_input import DEAD, EXPECTED_HEADER, PARTITIONS, Shape, catalogue, partition_of, stream
from personalize.bench.fault_verdict import Verdict, compare, same

DAY_MS = 86_400_000
HOUR_MS = 3_600_000

PLAIN = Event(
    learner="a",
    item="item-1",
    content_type="video",
    type="VIEW",
    at_ms=LANDMARK_MS,
    local_day=18_262,
    local_hour=0,
    time_spent=None,
    completion=None,
    rating=None,
    clicks=None,
    scroll=None,
    score=None,
    success=None,
    expected=None,
    dedupe_key=1,
)


@dataclass
class Record:
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int = LANDMARK_MS
    headers: list = field(default_factory=list)


def record(offset: int, learner: str, **body) -> Record:
    value = {"userId": learner, "interactionType": "VIEW", "contentType": "video", "contentId": "item-1", **body}
    return Record(offset, learner.encode(), json.dumps(value).encode())


def learner_of(part: int) -> str:
    return next(name for name in map(str, range(1000)) if partition_of(name.encode()) == part)


def judged(part: int, *records: Record) -> Truth:
    truth = Truth()
    judge(truth, "interactions", part, records)
    return truth


def test_sums_fade_by_halves():
    """A weight of 3 one half-life before the landmark counts 1.5 at it; nothing counts nothing."""
    assert math.exp(log_sum([(3.0, LANDMARK_MS - HOUR_MS)], HOUR_MS)) == pytest.approx(1.5)
    assert math.exp(log_sum([(3.0, LANDMARK_MS), (1.0, LANDMARK_MS + HOUR_MS)], HOUR_MS)) == pytest.approx(5.0)
    assert log_sum([(0.0, LANDMARK_MS)], HOUR_MS) == -math.inf


def test_score_is_a_mean_over_the_stated_terms():
    """A completed video of half its time: (.30·1 + .25·1 + .15·.5) / .70."""
    event = replace(PLAIN, type="COMPLETE", completion=1.0, time_spent=30.0, expected=60.0)
    assert sum(shares(event)) == pytest.approx((0.30 + 0.25 + 0.15 * 0.5) / 0.70)
    assert sum(shares(PLAIN)) == pytest.approx(0.2)


def test_visits_break_at_more_than_thirty_minutes():
    """Exactly 30 minutes apart is one visit, a millisecond more is two, whatever the order of arrival."""
    times = [LANDMARK_MS + 1_800_000, LANDMARK_MS, LANDMARK_MS + 3_600_001]
    truth = Truth(events=[replace(PLAIN, at_ms=at, dedupe_key=at, clicks=2.0) for at in times])
    visits = expected_tables(truth)["learner_session"]
    assert {key[1]: (row["events"], row["clicks"]) for key, row in visits.items()} == {
        LANDMARK_MS: (2, 4),
        LANDMARK_MS + 3_600_001: (1, 2),
    }


def test_ring_keeps_the_newest_fifty():
    """Of 60 events the newest 50 stay, newest first; equal times are ordered by dedupe key."""
    events = [replace(PLAIN, at_ms=LANDMARK_MS + number // 2, dedupe_key=number) for number in range(60)]
    ring = expected_tables(Truth(events=events))["recent_interaction"]["a",]
    assert ring["dedupe_keys"] == list(range(59, 9, -1))


def test_first_of_equal_events_counts():
    """The same (userId, eventId) counts once per learner; the later one is a duplicate."""
    learner = learner_of(3)
    truth = judged(
        3,
        record(0, learner, eventId="e", occurredAt=LANDMARK_MS + 1),
        record(1, learner, eventId="e", occurredAt=LANDMARK_MS + 2),
        record(2, learner, eventId="f"),
    )
    assert [event.at_ms for event in truth.events] == [LANDMARK_MS + 1, LANDMARK_MS]
    assert truth.duplicates == 1


def test_marked_misrouted_and_future_records():
    """A marked record is dead, a keyless or misplaced one is passed on, the far future ends a day after the record."""
    learner = learner_of(3)
    dead = Record(0, learner.encode(), b"x", headers=[(EXPECTED_HEADER, DEAD)])
    keyless = record(1, learner)
    keyless.key = None
    foreign = record(2, learner_of(4))
    future = record(3, learner, occurredAt=LANDMARK_MS + 90 * DAY_MS)
    truth = judged(3, dead, keyless, foreign, future)
    assert truth.dead == {("interactions", 3, 0)}
    assert truth.misrouted == 2
    assert [event.at_ms for event in truth.events] == [LANDMARK_MS + DAY_MS]
    assert truth.delivered == {("interactions", 3): 4}


def test_local_day_is_the_learners():
    """Half past midnight in Auckland on New Year is still the old year in UTC."""
    learner = learner_of(3)
    at = "2019-12-31T11:30:00Z"
    (event,) = judged(3, record(0, learner, occurredAt=at, timezone="Pacific/Auckland")).events
    assert (event.local_day, event.local_hour) == (18_262, 0)


def test_zone_of_the_profile_is_stated_by_the_stream():
    """Where the stream says which zone was declared before, an event without a zone of its own has that one."""
    learner = learner_of(3)
    told = record(0, learner, occurredAt="2019-12-31T11:30:00Z")
    told.headers = [("x-zone", b"Pacific/Auckland")]
    (event,) = judged(3, told).events
    assert event.local_hour == 0


def test_dedupe_key_is_the_documented_hash():
    """First 64 bits of SHA-256 of user id, a zero byte and event id, signed."""
    assert dedupe_key("u", "e") == int.from_bytes(
        __import__("hashlib").sha256(b"u\0e").digest()[:8], "big", signed=True
    )


RULES = [
    {"id": "first", "when": {"types": ["COMPLETE"]}, "agg": "count", "tiers": [{"gte": 2}]},
    {"id": "days", "when": {}, "agg": "streak", "tiers": [{"gte": 3}], "requires": ["first"]},
    {"id": "kinds", "when": {}, "agg": "distinct", "of": "item", "tiers": [{"gte": 1}, {"gte": 2}]},
    {"id": "week", "when": {}, "agg": "count", "window": "7d", "tiers": [{"gte": 3}]},
    {"id": "good", "when": {"where": [["score", "ge", 0.9]]}, "agg": "count", "tiers": [{"gte": 1}]},
    {"id": "again", "when": {}, "agg": "count", "repeat": "weekly", "tiers": [{"gte": 2}], "requires": ["first"]},
]


def test_achievements_by_hand():
    """A late day closes a streak; what is required delays a tier; an event of long ago is outside every window."""
    days = [10, 12, 11, 40, 12]
    events = [
        replace(PLAIN, local_day=day, at_ms=number, type="COMPLETE" if number in {0, 3} else "VIEW", item=f"item-{day}")
        for number, day in enumerate(days)
    ]
    progress, unlocked = play(events, RULES)
    once = {"first": 2, "days": 3, "kinds": 2, "week": 3, "good": 0}
    # Days 10 and 11 are a Sunday and a Monday: weeks end between them.
    weeks = {("again", "1970-W02"): 1, ("again", "1970-W03"): 2, ("again", "1970-W07"): 1}
    assert progress == {(rule, ""): value for rule, value in once.items()} | weeks
    # The streak is complete with event 2, but its requirement only with event 3; event 4 is too late for its window.
    # The third week has two with event 2; it waits for its requirement, too.
    assert unlocked == {
        ("first", 1, ""): 3,
        ("days", 1, ""): 3,
        ("kinds", 1, ""): 0,
        ("kinds", 2, ""): 1,
        ("week", 1, ""): 2,
        ("again", 1, "1970-W03"): 3,
    }


def test_bounds_are_of_single_precision():
    """A score of 0.9 as stored (float32) reaches a bound of 0.9."""
    stored = 0.8999999761581421
    assert play([replace(PLAIN, score=stored)], RULES)[1]["good", 1, ""] == LANDMARK_MS
    assert ("good", 1, "") not in play([replace(PLAIN, score=None)], RULES)[1]


def test_differences_are_found():
    """A missing event is lost, a foreign row and another value are wrong, and rounding is not."""
    verdict = Verdict()
    compare(verdict, "interaction_log", {(1,): {"a": 1}, (2,): {"a": 1}}, {(1,): {"a": 2}, (3,): {"a": 1}})
    assert (verdict.lost, verdict.wrong, verdict.doubled) == (1, 2, 0)
    assert not verdict.good
    assert same("sum", 1.0, 1.0 + 1e-12)
    assert not same("sum", 1.0, 1.0 + 1e-7)
    assert same("log_1h", 41_000.0, 41_000.0 + 1e-9)
    assert not same("log_1h", 41_000.0, 41_000.0001)
    assert not same("events", 3, 4)


def test_stream_is_fixed_and_holds_what_it_says():
    """One seed is one stream; it holds duplicates, dead, misrouted and late records, and keys in their partitions."""
    shape = Shape(events=6_000, duplicates=0.1, poison=0.02, misrouted=0.02)
    first, again, other = (list(islice(stream(seed, LANDMARK_MS, shape), 6_000)) for seed in (7, 7, 8))
    assert first == again
    assert first != other
    truth = Truth()
    for part in range(PARTITIONS):
        records = [
            Record(offset, sent.key, sent.value, headers=list(sent.headers))
            for offset, sent in enumerate(each for each in first if each.partition == part and "inter" in each.topic)
        ]
        judge(truth, "interactions", part, records)
    assert truth.duplicates > 300
    assert len(truth.dead) > 60
    assert truth.misrouted > 60
    assert len(truth.events) > 4_500
    assert len(catalogue()) == 120


def test_unusable_records_are_unusable():
    """Every record marked as dead is refused by the decoder, and every other interaction is taken."""
    from schemas.decode import decode_interaction
    from schemas.interactions import Interaction

    for sent in islice(stream(3, LANDMARK_MS, Shape(poison=0.1)), 4_000):
        if sent.topic == "interactions":
            marked = (EXPECTED_HEADER, DEAD) in sent.headers
            assert isinstance(decode_interaction(sent.value), Interaction) != marked
