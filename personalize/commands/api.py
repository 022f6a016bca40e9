"""`personalize api`: the read API in the foreground, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import typer

from personalize.connection import endpoints, token_secret
from personalize.errors import ProblemError, SettingsError
from personalize.settings import Settings

app = typer.Typer(add_completion=False)


@app.command()
def command() -> None:
    """Run the read API in the foreground."""
    settings = Settings.load()
    servers, secret = endpoints(settings), token_secret(settings)
    from api.dependencies import ApiSettings
    from api.server import NotLoopbackError, serve
    from personalize.logs import configure
    from projections.migrate import head
    from projections.stores.redis import RedisAddress

    configure(settings.log_level, settings.log_format)
    api_settings = ApiSettings(
        database_url=servers.database_url,
        kafka_bootstrap_servers=servers.kafka,
        token_secret=secret,
        redis=RedisAddress(host=servers.redis_host, port=servers.redis_port, password=servers.redis_password),
        migration_head=head(),
    )
    try:
        serve(
            api_settings,
            host=settings.host,
            port=settings.port,
            loopback_published=settings.port_published_on_loopback,
            started=lambda url: print(f"API on {url}", flush=True),
        )
    except NotLoopbackError as error:
        raise SettingsError(str(error), "HOST=127.0.0.1") from error
    except OSError as error:
        raise ProblemError(
            f"The API cannot listen on {settings.host}:{settings.port} ({error}).",
            "stop what listens there, or choose another port: PORT=3010",
        ) from error
