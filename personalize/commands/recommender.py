"""`personalize recommender`: the process that learns what comes next and writes everybody's list; and its weights."""

from __future__ import annotations

import typer

from personalize.connection import endpoints
from personalize.settings import Settings
from personalize.stack import ports

app = typer.Typer(add_completion=False, invoke_without_command=True)


@app.callback()
def command(context: typer.Context) -> None:
    """Run the recommender in the foreground, or one of its commands."""
    if context.invoked_subcommand is not None:
        return
    from streams.recommender import main
    from streams.recommender_settings import RecommenderSettings

    settings = Settings.load()
    servers = endpoints(settings)
    metrics_port = ports.choose(0, None, set(), "METRICS_PORT")
    print(f"metrics on http://{ports.LOOPBACK}:{metrics_port}/metrics", flush=True)
    main(
        RecommenderSettings(
            kafka_bootstrap=servers.kafka,
            database_url=servers.database_url,
            redis_host=servers.redis_host,
            redis_port=servers.redis_port,
            redis_password=servers.redis_password or "",
            list_tick_ms=settings.list_tick_ms,
            max_poll_records=settings.max_poll_records,
            metrics_port=metrics_port,
            log_level=settings.log_level,
        )
    )
