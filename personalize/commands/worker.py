"""`personalize worker`: the stream processor in the foreground, until SIGTERM or Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from personalize.commands.foreground import begin, metrics_port
from personalize.connection import endpoints, token_secret
from personalize.errors import CannotStartError
from personalize.settings import Settings
from personalize.stack import Endpoints

if TYPE_CHECKING:
    from streams.settings import WorkerSettings

app = typer.Typer(add_completion=False)


@app.command()
def command() -> None:
    """Run the stream processor in the foreground."""
    settings = Settings.load()
    servers, secret = endpoints(settings), token_secret(settings)
    from streams.startup_checks import StartupError
    from streams.worker import main

    begin(settings, "personalize-worker")
    try:
        main(_worker_settings(settings, servers, secret, metrics_port(settings)))
    except StartupError as error:
        raise CannotStartError(str(error), "personalize doctor") from error


def _worker_settings(settings: Settings, servers: Endpoints, secret: str, port: int) -> WorkerSettings:
    from streams.settings import WorkerSettings

    return WorkerSettings(
        kafka_bootstrap=servers.kafka,
        database_url=servers.database_url,
        redis=servers.redis,
        instance_id=settings.worker_instance_id or "worker-0",
        max_poll_records=settings.max_poll_records,
        dead_letter_max_share=settings.dead_letter_max_share,
        dead_letter_min_count=settings.dead_letter_min_count,
        dedupe_days=settings.dedupe_days,
        list_tick_ms=settings.list_tick_ms,
        metrics_port=port,
        metrics_host=settings.metrics_host,
        log_level=settings.log_level,
        log_key=secret.encode(),
    )
