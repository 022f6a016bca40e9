"""The one transaction: applied once, fenced, trimmed, refused loudly, nothing lost beside what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from recorder_kit import event, poll, record, users_of

from projections.dead_letter_limit import DeadLetterLimit, TooManyDeadLetters
from projections.poll import TopicPartition
from projections.recorder import DataLost, Recorder

TOPIC = "interactions"
HERE = TopicPartition(TOPIC, 3)
THERE = TopicPartition(TOPIC, 5)
BOUNDS = {HERE: (0, 1_000_000), THERE: (0, 1_000_000)}


@pytest.fixture
def make(database_url: str) -> Iterator[Callable[..., Recorder]]:
    """Makes recorders on one fresh database and closes them after the test."""
    with ExitStack() as stack:

        def one(owner: str, **options: Any) -> Recorder:
            made = Recorder(database_url, owner, **options)
            stack.callback(made.reset)
            return made

        yield one


@pytest.fixture
def recorder(make: Callable[..., Recorder]) -> Recorder:
    """A recorder that owns two partitions of a fresh database."""
    made = make("worker-a")
    made.claim(BOUNDS)
    return made


def ask(url: str, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Rows of a query, seen from outside the recorder."""
    with psycopg.connect(url) as connection:
        return connection.execute(query, parameters).fetchall()


def log_size(url: str) -> int:
    """Accepted interactions in the log of record."""
    return ask(url, "SELECT count(*) FROM interaction_log")[0][0]


def test_a_poll_is_applied_and_moves_its_offsets(recorder: Recorder, database_url: str) -> None:
    """Both partitions of a poll end at their slices' ends, and each event is one row of the log."""
    one, other = users_of(3)[0], users_of(5)[0]
    done = recorder.record([poll(TOPIC, 3, 0, [event(one, "e1"), event(one, "e2")]), poll(TOPIC, 5, 0, [event(other)])])
    assert done.delivered == 3
    assert len(done.batch) == 3
    assert ask(database_url, "SELECT part, next_offset FROM stream_offset ORDER BY part") == [(3, 2), (5, 1)]
    assert log_size(database_url) == 3


def test_a_redelivered_poll_changes_nothing(recorder: Recorder, database_url: str) -> None:
    """Records below the cursor are trimmed, however the redelivery is cut."""
    user = users_of(3)[0]
    events = [event(user, f"e{n}") for n in range(6)]
    recorder.record([poll(TOPIC, 3, 0, events[:4])])
    again = recorder.record([poll(TOPIC, 3, 0, events[:2])])
    assert again.applied_seq == 0
    rest = recorder.record([poll(TOPIC, 3, 2, events[2:])])
    assert len(rest.batch) == 2
    assert log_size(database_url) == 6
    assert ask(database_url, "SELECT first_offset, end_offset, delivered FROM applied_range ORDER BY 1") == [
        (0, 4, 4),
        (4, 6, 2),
    ]


def test_a_slice_behind_the_cursor_is_reported_as_lost(recorder: Recorder, database_url: str) -> None:
    """A slice that starts later than the stored offset is not applied; the worker is told where to read again."""
    done = recorder.record([poll(TOPIC, 3, 7, [event(users_of(3)[0])])])
    assert done.lost == {HERE: 0}
    assert log_size(database_url) == 0


def test_another_owner_fences_this_one(recorder: Recorder, make: Callable[..., Recorder], database_url: str) -> None:
    """After somebody else's claim our slice of that partition is refused and the rest of the poll is applied."""
    rival = make("worker-b")
    rival.claim({HERE: (0, 10)})
    one, other = users_of(3)[0], users_of(5)[0]
    done = recorder.record([poll(TOPIC, 3, 0, [event(one)]), poll(TOPIC, 5, 0, [event(other)])])
    assert done.fenced == {HERE}
    assert done.delivered == 1
    assert ask(database_url, "SELECT part, next_offset FROM stream_offset ORDER BY part") == [(3, 0), (5, 1)]
    assert rival.record([poll(TOPIC, 3, 0, [event(one)])]).delivered == 1


def test_a_lost_commit_answer_is_recognised(recorder: Recorder, database_url: str) -> None:
    """When our commit took effect but its answer was lost, trying again applies nothing twice."""
    user = users_of(3)[0]
    piece = poll(TOPIC, 3, 0, [event(user, "e1"), event(user)])
    before = dict(recorder.cursors)
    recorder.record([piece])
    recorder.cursors = before  # as if the answer had never come
    again = recorder.record([piece])
    assert again.applied_seq == 0
    assert not again.fenced
    assert log_size(database_url) == 2
    more = recorder.record([poll(TOPIC, 3, 2, [event(user)])])
    assert len(more.batch) == 1


def test_an_event_id_counts_once(recorder: Recorder, database_url: str) -> None:
    """A producer's retry is dropped within a poll, across polls, and not for another learner."""
    one, another = users_of(3)[:2]
    first = recorder.record([poll(TOPIC, 3, 0, [event(one, "same"), event(one, "same"), event(another, "same")])])
    second = recorder.record([poll(TOPIC, 3, 3, [event(one, "same"), event(one, "new")])])
    assert (len(first.batch), first.duplicates) == (2, 1)
    assert (len(second.batch), second.duplicates) == (1, 1)
    assert log_size(database_url) == 3


def test_events_without_id_are_all_counted(recorder: Recorder) -> None:
    """Without an eventId the place in the log is the id: equal bytes at two offsets are two events."""
    user = users_of(3)[0]
    assert len(recorder.record([poll(TOPIC, 3, 0, [event(user), event(user)])]).batch) == 2


def test_bad_records_become_dead_letters_and_the_rest_is_applied(recorder: Recorder, database_url: str) -> None:
    """Each unusable record is a row with its reason and field and an outbox record; nothing valid is lost with it."""
    user = users_of(3)[0]
    bad = [
        record(b"\xff\xfe", 0, key=b"k"),
        record(None, 1, key=user.encode()),
        record(event(user, completionRate=7), 2),
        record(event(user, interactionType="DANCE"), 3),
        record(b"x" * (256 * 1024 + 1), 4, key=b"k"),
        record(event(user, occurredAt="1970-01-01T00:00:00Z"), 5),
        record(event(user, schemaVersion=99), 6),
        record(event(user, "good"), 7),
    ]
    done = recorder.record([poll(TOPIC, 3, 0, bad)])
    assert len(done.batch) == 1
    rows = ask(database_url, "SELECT log_offset, reason, pointer FROM dead_letter ORDER BY log_offset")
    assert [row[0] for row in rows] == [0, 1, 2, 3, 4, 5, 6]
    assert rows[1][1] == "null-value"
    assert rows[2][1:] == ("out-of-range", "/completionRate")
    assert rows[3][1:] == ("unknown-type", "/interactionType")
    assert rows[4][1] == "too-large"
    assert rows[5][1:] == ("time-before-1990", "/occurredAt")
    assert rows[6][1] == "unknown-version"
    assert ask(database_url, "SELECT count(*) FROM outbox WHERE topic = 'dead-letters'") == [(7,)]


def test_far_future_times_are_clamped_and_counted(recorder: Recorder, database_url: str) -> None:
    """An event time later than its record time by more than a day counts as record time + 24 h."""
    user = users_of(3)[0]
    done = recorder.record([poll(TOPIC, 3, 0, [event(user, occurredAt="2999-01-01T00:00:00Z")])])
    assert done.clamped == 1
    assert int(done.batch.at_ms[0]) == 1_790_000_000_000 + 86_400_000


def test_misrouted_records_go_to_the_outbox_with_their_id(recorder: Recorder, database_url: str) -> None:
    """A record in a wrong partition or without a key is not folded but sent on, by the userId, with its event id."""
    stranger, local = users_of(5)[0], users_of(3)[0]
    keyless = record(event(local), 1)
    keyless.key = None
    done = recorder.record([poll(TOPIC, 3, 0, [record(event(stranger), 0), keyless])])
    assert (done.misrouted, len(done.batch)) == (2, 0)
    rows = ask(database_url, "SELECT topic, record_key, headers FROM outbox ORDER BY outbox_id")
    assert [(row[0], bytes(row[1])) for row in rows] == [(TOPIC, stranger.encode()), (TOPIC, local.encode())]
    assert all(row[2][0][0] == "personalize-event-id" for row in rows)


def test_a_healed_record_counts_once(recorder: Recorder) -> None:
    """A record that was re-published twice carries the id of its first place, so it is folded once."""
    user = users_of(3)[0]
    headers = [("personalize-event-id", b"interactions/5/17")]
    done = recorder.record(
        [poll(TOPIC, 3, 0, [record(event(user), 0, headers=headers), record(event(user), 1, headers=headers)])]
    )
    assert (len(done.batch), done.duplicates) == (1, 1)


def test_too_many_dead_letters_stop_before_anything_is_written(
    make: Callable[..., Recorder], database_url: str
) -> None:
    """A poll that crosses the limit raises, moves nothing, and does so again after a restart."""
    user = users_of(3)[0]
    good = [event(user) for _ in range(20)]
    for _ in range(2):
        recorder = make("w", limit=DeadLetterLimit(max_share=0.3, min_count=10))
        recorder.claim({HERE: (0, 1_000)})
        with pytest.raises(TooManyDeadLetters, match="DEAD_LETTER_MAX_SHARE"):
            recorder.record([poll(TOPIC, 3, 0, [*good, *[record(b"{", 20 + n, key=b"k") for n in range(15)]])])
        assert log_size(database_url) == 0


def test_the_limit_survives_a_restart(make: Callable[..., Recorder]) -> None:
    """Dead letters that were let through count against the next process."""
    half = [record(b"{", n, key=b"k") for n in range(8)]
    first = make("w", limit=DeadLetterLimit(max_share=0.3, min_count=10))
    first.claim({HERE: (0, 1_000)})
    first.record([poll(TOPIC, 3, 0, half)])
    first.reset()
    second = make("w", limit=DeadLetterLimit(max_share=0.3, min_count=10))
    second.claim({HERE: (0, 1_000)})
    with pytest.raises(TooManyDeadLetters):
        second.record([poll(TOPIC, 3, 8, [record(b"{", 8 + n, key=b"k") for n in range(8)])])


def test_retention_behind_the_stored_offset_is_loud(recorder: Recorder, make: Callable[..., Recorder]) -> None:
    """A log that begins behind what comes next stops the claim; a partition never read begins where the log does."""
    recorder.record([poll(TOPIC, 3, 0, [event(users_of(3)[0])])])
    with pytest.raises(DataLost, match="retention"):
        make("b").claim({HERE: (5, 9)})
    fresh = TopicPartition(TOPIC, 6)
    assert make("b").claim({fresh: (40, 50)})[fresh].next_offset == 40


def test_a_topic_made_anew_is_loud(recorder: Recorder, make: Callable[..., Recorder]) -> None:
    """A log that ends before the stored offset stops the claim."""
    recorder.record([poll(TOPIC, 3, 0, [event(users_of(3)[0]) for _ in range(4)])])
    with pytest.raises(DataLost, match="made"):
        make("b").claim({HERE: (0, 2)})


def test_a_rolled_back_poll_leaves_nothing(recorder: Recorder, database_url: str) -> None:
    """When the database ends our session inside the transaction, the next try applies the poll once."""
    user = users_of(3)[0]
    piece = poll(TOPIC, 3, 0, [event(user, "e1")])
    ask_pid = recorder.connection().execute("SELECT pg_backend_pid()").fetchone()
    assert ask_pid is not None
    ask(database_url, "SELECT pg_terminate_backend(%s)", ask_pid[0])
    with pytest.raises(psycopg.OperationalError):
        recorder.record([piece])
    recorder.reset()
    assert len(recorder.record([piece]).batch) == 1
    assert log_size(database_url) == 1


def test_feedback_text_lies_in_the_private_table_alone(recorder: Recorder, database_url: str) -> None:
    """Free text is kept for its learner and appears in no other table."""
    user = users_of(3)[0]
    recorder.record([poll(TOPIC, 3, 0, [event(user, "e1", feedback="zebra-stripes")])])
    assert ask(database_url, "SELECT feedback FROM learner_private_text") == [("zebra-stripes",)]
    tables = ask(
        database_url,
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace",
    )
    holding = [
        name
        for (name,) in tables
        if ask(database_url, f"SELECT count(*) FROM {name} t WHERE t::text LIKE '%%zebra-stripes%%'")[0][0]
    ]
    assert holding == ["learner_private_text"]
