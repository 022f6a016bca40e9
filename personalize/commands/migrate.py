"""`personalize migrate`: do database and topics look as this version needs them?"""

from __future__ import annotations

import asyncio

import typer

from personalize.commands.options import Json
from personalize.commands.output import console, print_json
from personalize.connection import endpoints
from personalize.errors import EXIT_FAILED, StackError
from personalize.settings import Settings
from personalize.stack import Endpoints
from personalize.stack.topics import TopicReport, ensure_topics

app = typer.Typer(add_completion=False)


def migrate(servers: Endpoints, reporting_password: str | None = None) -> tuple[list[str], TopicReport]:
    """Applies missing migrations and creates missing topics; the revisions applied, and what is with the topics.

    With a ``reporting_password`` the role personalize_reporting may log in with it from now on.

    Raises:
        StackError: Postgres or Kafka cannot be used.
    """
    from sqlalchemy.exc import OperationalError

    from projections.migrate import upgrade
    from projections.reporting_role import refresh
    from schemas.topics import TOPICS

    try:
        revisions = upgrade(servers.database_url)
        refresh(servers.database_url, reporting_password)
    except OperationalError as error:
        what = str(error.orig).strip().splitlines()[0]
        raise StackError(f"Postgres cannot be used ({what}).", "personalize status; or check DATABASE_URL.") from error
    return revisions, asyncio.run(ensure_topics(servers.kafka, TOPICS))


@app.command()
def command(as_json: Json = False) -> None:
    """Apply database migrations and create missing topics; exit code 1 if a topic differs from its declaration."""
    settings = Settings.load()
    revisions, topics = migrate(endpoints(settings), settings.reporting_password)
    if as_json:
        print_json(
            {
                "revisions_applied": revisions,
                "topics_created": list(topics.created),
                "topics_existing": list(topics.existing),
                "drift": [
                    {"topic": d.topic, "setting": d.setting, "declared": d.declared, "found": d.found, "fix": d.fix}
                    for d in topics.drift
                ],
            }
        )
    else:
        console.print(f"migrations applied: {', '.join(revisions) or 'none, the database is up to date'}")
        console.print(f"topics created: {', '.join(topics.created) or 'none, all are there'}")
        for drift in topics.drift:
            console.print(
                f"{drift.topic}: {drift.setting} is {drift.found}, declared {drift.declared}. Fix: {drift.fix}"
            )
    if topics.drift:
        raise typer.Exit(EXIT_FAILED)
