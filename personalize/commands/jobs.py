"""`personalize jobs`: what runs in the background, when it ran, and which models came of it."""

from __future__ import annotations

import os
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from personalize.commands.foreground import begin, metrics_port
from personalize.commands.options import Json
from personalize.commands.output import console, megabytes, print_json, table
from personalize.connection import endpoints
from personalize.errors import ProblemError, SettingsError
from personalize.settings import Settings

if TYPE_CHECKING:
    from projections.job_runs import Run
    from streams.jobs.job import Job
    from streams.jobs.settings import JobSettings, WebhookSettings

app = typer.Typer(add_completion=False, no_args_is_help=True)
LOOK_SECONDS = 0.2
BACKGROUND = 5
"""Added to the niceness: what nobody waits for leaves the processors to the worker and the API."""


@app.callback()
def _root() -> None:
    """Background work: queues, daily jobs, trained models."""


@app.command()
def run(
    queue: Annotated[
        list[str] | None, typer.Option(help="Serve only this queue; may be repeated. Scheduling goes on.")
    ] = None,
) -> None:
    """Run due jobs in the foreground until Ctrl-C; any number of these may run."""
    from streams.jobs.catalogue import JOBS
    from streams.jobs.process import main

    settings = Settings.load()
    begin(settings, "personalize-jobs")
    os.nice(BACKGROUND)
    chosen = job_settings(settings, queues=queue)
    main(replace(chosen, metrics_port=metrics_port(settings)), JOBS)


@app.command("list")
def list_runs(
    runs: Annotated[int, typer.Option(min=1, help="Newest runs to show.")] = 20,
    as_json: Json = False,
) -> None:
    """The jobs, when they are due, and their newest runs."""
    from projections import job_runs
    from projections.stores.postgres import connect
    from streams.jobs.catalogue import JOBS

    settings = job_settings(Settings.load())
    with closing(connect(settings.database_url, autocommit=True)) as connection:
        newest = job_runs.recent(connection, limit=runs)
    if as_json:
        print_json({"jobs": [_job(job) for job in JOBS.values()], "runs": [each._asdict() for each in newest]})
        return
    shown = table("job", "queue", "runs", "what it does")
    for job in JOBS.values():
        shown.add_row(job.name, job.queue, _due(job), job.does)
    console.print(shown)
    console.print()
    shown = table("run", "for", "state", "attempts", "ended", "rows", "last failure")
    for each in newest:
        ended = each.finished_at.isoformat(" ", "seconds") if each.finished_at else ""
        rows = "" if each.rows_written is None else f"{each.rows_written:,}"
        shown.add_row(each.job, each.run_key, each.state, str(each.attempts), ended, rows, each.error)
    console.print(shown)


@app.command()
def trigger(
    name: Annotated[str, typer.Argument(help="A scheduled job, as `personalize jobs list` names it.")],
    wait: Annotated[bool, typer.Option("--wait", help="Show its progress until it has ended.")] = False,
    as_json: Json = False,
) -> None:
    """Ask for a run now; a `personalize jobs run` process does it."""
    from streams.jobs.catalogue import JOBS

    job = JOBS.get(name)
    if job is None or job.cadence is None:
        known = ", ".join(each.name for each in JOBS.values() if each.cadence is not None)
        raise typer.BadParameter(f"{name} is no scheduled job; known are {known}", param_hint="NAME")
    settings = job_settings(Settings.load())
    run_key = ask_for(settings, job, datetime.now(UTC))
    if not wait:
        if as_json:
            print_json({"job": name, "runKey": run_key})
        else:
            console.print(f"{name}: run {run_key} is queued")
        return
    ended = _watch(settings, name, run_key, quiet=as_json)
    if as_json:
        print_json(ended._asdict())
    elif ended.state == "done":
        console.print(f"{name}: done, {ended.rows_written or 0:,} rows written")
    if ended.state == "failed":
        raise ProblemError(f"{name} failed: {ended.error}.", "read the log of the `personalize jobs run` process.")


@app.command()
def models(
    rollback: Annotated[
        int | None, typer.Option(metavar="N", help="Make version N the live one of its kind again.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The trained models, how good they were on their hold-out, and which are live."""
    from projections import model_artifacts
    from projections.stores.postgres import connect

    settings = job_settings(Settings.load())
    with closing(connect(settings.database_url, autocommit=True)) as connection:
        if rollback is not None:
            try:
                with connection.transaction():
                    model_artifacts.make_live(connection, rollback)
            except LookupError as error:
                raise typer.BadParameter(str(error), param_hint="--rollback") from error
        found = model_artifacts.artifacts(connection)
    if as_json:
        print_json([each._asdict() for each in found])
        return
    shown = table("version", "kind", "state", "trained until", "events", "items", "NDCG@10", "recall@10", "F1", "size")
    for each in found:
        shown.add_row(
            str(each.version),
            each.kind,
            each.state,
            each.trained_until.isoformat(" ", "seconds"),
            f"{each.events:,}",
            f"{each.items:,}",
            *(f"{each.metrics[name]:.4f}" for name in ("ndcg", "recall", "f1")),
            megabytes(each.body_bytes),
        )
    console.print(shown)


def job_settings(settings: Settings, queues: list[str] | None = None) -> JobSettings:
    """What the jobs processes of these settings are told.

    Raises:
        BadParameter: a queue that does not exist.
        SettingsError: a webhook without a secret.
        StackError: the local stack does not run.
    """
    from streams.jobs.settings import QUEUES, JobSettings

    unknown = sorted({*(queues or ())} - {*QUEUES})
    if unknown:
        raise typer.BadParameter(f"{unknown[0]} is no queue; known are {', '.join(QUEUES)}", param_hint="--queue")
    servers = endpoints(settings)
    return JobSettings(
        kafka_bootstrap=servers.kafka,
        database_url=servers.database_url,
        redis=servers.redis,
        concurrency={
            queue: getattr(settings, f"{queue}_queue_concurrency") for queue in QUEUES if not queues or queue in queues
        },
        webhook=_webhook(settings),
        metrics_host=settings.metrics_host,
    )


def ask_for(settings: JobSettings, job: Job, now: datetime) -> str:
    """Adds a run by hand to the ledger; returns its key."""
    from projections import job_runs
    from projections.stores.postgres import connect
    from streams.jobs.schedule import due_keys

    assert job.cadence is not None
    period = due_keys(job.cadence, now, None)[0]
    run_key = f"{period}{job_runs.BY_HAND}{now.isoformat(timespec='milliseconds')}"
    with closing(connect(settings.database_url, autocommit=True)) as connection:
        job_runs.register(connection, job.name, job.queue, [run_key])
    return run_key


def _webhook(settings: Settings) -> WebhookSettings | None:
    from streams.jobs.settings import WebhookSettings

    if settings.notification_webhook_url is None:
        return None
    if settings.notification_webhook_secret is None:
        raise SettingsError(
            "NOTIFICATION_WEBHOOK_URL is set but NOTIFICATION_WEBHOOK_SECRET is not.",
            "set it to what the receiver checks signatures with, for example from `openssl rand -hex 32`.",
        )
    return WebhookSettings(
        url=settings.notification_webhook_url,
        secret=settings.notification_webhook_secret.encode(),
        allow_loopback=settings.notification_webhook_allow_loopback,
        allow_private=settings.notification_webhook_allow_private,
    )


def _watch(settings: JobSettings, name: str, run_key: str, *, quiet: bool) -> Run:
    """Shows how far a run is until it has ended."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from projections import job_runs
    from projections.stores.postgres import connect

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with (
        closing(connect(settings.database_url, autocommit=True)) as connection,
        Progress(*columns, console=console, disable=quiet or not console.is_terminal) as bar,
    ):
        task = bar.add_task(f"{name}: queued", total=None)
        while True:
            found = job_runs.one(connection, name, run_key)
            assert found is not None
            if found.state in {"done", "failed"}:
                return found
            bar.update(
                task,
                description=f"{name}: {found.phase or found.state}",
                completed=found.progress_done,
                total=found.progress_total or None,
            )
            time.sleep(LOOK_SECONDS)


def _due(job: Job) -> str:
    return f"every {job.cadence.period}, {job.cadence.delay} after its end (UTC)" if job.cadence else "when asked for"


def _job(job: Job) -> dict[str, Any]:
    return {"name": job.name, "queue": job.queue, "does": job.does, "due": _due(job), "mostAttempts": job.most_attempts}
