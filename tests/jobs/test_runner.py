"""Is an effect written once or not at all, and a failure tried again?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from job_kit import counted, counting_job
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from projections import job_runs, tracing
from projections.stores.postgres import Connection, connect
from streams.jobs.job import Assignment, Effect, Job
from streams.jobs.runner import carry_out
from streams.jobs.settings import JobSettings


@pytest.fixture
def ledger(job_settings: JobSettings) -> Iterator[Connection]:
    """A connection to the test's database, with a table for effects."""
    with connect(job_settings.database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE counted (run_key text)")
        yield connection


def test_a_message_that_comes_again_finds_nothing_to_do(job_settings: JobSettings, ledger: Connection) -> None:
    """Three deliveries of one run write one row."""
    job = counting_job()
    job_runs.register(ledger, job.name, job.queue, ["one"])
    assert [carry_out(job, "one", job_settings) for _ in range(3)] == ["done", "nothing", "nothing"]
    assert counted(ledger) == ["one"]


def test_a_run_that_is_not_in_the_ledger_is_not_done(job_settings: JobSettings, ledger: Connection) -> None:
    """A message alone starts nothing."""
    assert carry_out(counting_job(), "unknown", job_settings) == "nothing"
    assert counted(ledger) == []


def test_a_run_that_somebody_holds_is_left_to_him(job_settings: JobSettings, ledger: Connection) -> None:
    """While another session holds the run, a second delivery does nothing; afterwards it does."""
    job = counting_job()
    job_runs.register(ledger, job.name, job.queue, ["one"])
    assert job_runs.try_lock(ledger, job.name, "one")
    assert carry_out(job, "one", job_settings) == "busy"
    job_runs.unlock(ledger, job.name, "one")
    assert carry_out(job, "one", job_settings) == "done"


def test_a_failing_effect_leaves_no_trace_and_is_tried_again(job_settings: JobSettings, ledger: Connection) -> None:
    """The effect's rows go with its failure; the ledger keeps the class of it, and gives up after the last attempt."""

    def work(assignment: Assignment) -> Effect:
        def effect(connection: Connection) -> int:
            connection.execute("INSERT INTO counted (run_key) VALUES ('half')")
            raise ZeroDivisionError("a text that names a learner")

        return effect

    job = Job(name="bad", queue="analytics", does="Fails.", work=work, most_attempts=2, first_pause_seconds=0.0)
    job_runs.register(ledger, job.name, job.queue, ["one"])
    assert carry_out(job, "one", job_settings) == "failed"
    run = job_runs.one(ledger, "bad", "one")
    assert (run.state, run.attempts, run.error) == ("queued", 1, "ZeroDivisionError")
    assert carry_out(job, "one", job_settings) == "failed"
    assert job_runs.one(ledger, "bad", "one").state == "failed"
    assert carry_out(job, "one", job_settings) == "nothing"
    assert counted(ledger) == []


def test_a_failed_run_waits_before_it_is_due_again(job_settings: JobSettings, ledger: Connection) -> None:
    """During the pause neither the scheduler nor a stray message begins it."""

    def work(assignment: Assignment) -> Effect:
        raise ValueError

    job = Job(name="bad", queue="analytics", does="Fails.", work=work, first_pause_seconds=3_600.0)
    job_runs.register(ledger, job.name, job.queue, ["one"])
    assert job_runs.take_due(ledger, 900.0) == [("bad", "one")]
    assert carry_out(job, "one", job_settings) == "failed"
    assert carry_out(job, "one", job_settings) == "nothing"
    assert job_runs.take_due(ledger, 0.0) == []
    ledger.execute("UPDATE job_runs SET due_at = clock_timestamp()")
    assert job_runs.take_due(ledger, 900.0) == [("bad", "one")]


def test_an_attempt_that_was_overtaken_writes_nothing(job_settings: JobSettings, ledger: Connection) -> None:
    """A worker that lost its lock (its session was cut) and was replaced meanwhile finds that its attempt is over."""

    def work(assignment: Assignment) -> Effect:
        job_runs.begin(ledger, "slow", "one")  # somebody else begins
        return lambda connection: connection.execute("INSERT INTO counted (run_key) VALUES ('late')").rowcount

    job_runs.register(ledger, "slow", "analytics", ["one"])
    job = Job(name="slow", queue="analytics", does="Is overtaken.", work=work)
    assert carry_out(job, "one", job_settings) == "nothing"
    assert counted(ledger) == []
    assert job_runs.one(ledger, "slow", "one").state == "running"


def test_a_job_that_kills_its_process_is_given_up(job_settings: JobSettings, ledger: Connection) -> None:
    """Attempts that began and never ended count; when they are used up the run has failed."""
    job = counting_job(most_attempts=3)
    job_runs.register(ledger, job.name, job.queue, ["one"])
    for _ in range(3):
        job_runs.begin(ledger, job.name, "one")
    assert carry_out(job, "one", job_settings) == "failed"
    run = job_runs.one(ledger, job.name, "one")
    assert (run.state, run.error) == ("failed", "AttemptsUsedUp")
    assert counted(ledger) == []


def test_pauses_double_up_to_the_longest() -> None:
    """5, 10, 20, … seconds, at most an hour."""
    job = counting_job()
    assert [job.pause_seconds(attempt) for attempt in (1, 2, 3, 20)] == [5.0, 10.0, 20.0, 3_600.0]


def test_every_attempt_is_a_span_with_its_outcome(job_settings: JobSettings, ledger: Connection) -> None:
    """A failure says its class, not its text; what never began makes no span."""

    def work(assignment: Assignment) -> Effect:
        raise ZeroDivisionError("a text that names a learner")

    bad = Job(name="bad", queue="analytics", does="Fails.", work=work)
    good = counting_job()
    exporter = InMemorySpanExporter()
    tracing.start("test", exporter)
    try:
        for job in (good, bad):
            job_runs.register(ledger, job.name, job.queue, ["one"])
        ended = [carry_out(job, "one", job_settings) for job in (good, bad, good)]
        done, failed = exporter.get_finished_spans()
    finally:
        tracing.stop()
    assert ended == ["done", "failed", "nothing"]
    assert (done.name, failed.name) == ("job count", "job bad")
    for span, outcome in ((done, "done"), (failed, "failed")):
        assert span.attributes["personalize.job.outcome"] == outcome
        assert span.attributes["personalize.job.attempt"] == 1
        assert span.status.is_ok == (outcome == "done")
        assert span.end_time >= span.start_time
    assert failed.attributes["error.type"] == "ZeroDivisionError"
    assert "names a learner" not in failed.to_json()
