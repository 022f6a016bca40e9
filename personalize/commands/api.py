"""`personalize api`: the read API in the foreground, until SIGTERM or Ctrl-C."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import typer

from personalize.commands.foreground import begin
from personalize.connection import endpoints, token_secret
from personalize.errors import CannotStartError, ProblemError, SettingsError
from personalize.settings import Settings
from personalize.stack import Endpoints

if TYPE_CHECKING:
    from api.access.web_tokens import WebTokenSettings
    from api.badges import BadgeIssuer
    from api.dependencies import ApiSettings

app = typer.Typer(add_completion=False)


@app.command()
def command() -> None:
    """Run the read API in the foreground."""
    settings = Settings.load()
    servers, secret = endpoints(settings), token_secret(settings)
    from api.server import NotLoopbackError, is_loopback, serve

    begin(settings, "personalize-api")
    api_settings = _api_settings(settings, servers, secret)
    beyond = not (settings.port_published_on_loopback or is_loopback(settings.host))
    try:
        serve(
            api_settings,
            host=settings.host,
            port=settings.port,
            loopback_published=settings.port_published_on_loopback,
            credentials=beyond and (api_settings.web_tokens is not None or has_keys(servers.database_url)),
            started=lambda url: print(f"API on {url}", flush=True),
        )
    except NotLoopbackError as error:
        raise CannotStartError(
            str(error),
            "make an API key (`personalize keys create --name NAME --scope admin`), or set JWT_KEYS, JWT_ISSUER and"
            " JWT_AUDIENCE, or stay on this machine: HOST=127.0.0.1",
        ) from error
    except OSError as error:
        raise ProblemError(
            f"The API cannot listen on {settings.host}:{settings.port} ({error}).",
            "stop what listens there, or choose another port: PORT=3010",
        ) from error


def _api_settings(settings: Settings, servers: Endpoints, secret: str) -> ApiSettings:
    from api.dependencies import ApiSettings
    from api.neighbours.settings import NeighbourSettings
    from projections.migrate import head

    return ApiSettings(
        database_url=servers.database_url,
        kafka_bootstrap_servers=servers.kafka,
        token_secret=secret,
        redis=servers.redis,
        migration_head=head(),
        badges=badge_issuer(settings),
        hosts=frozenset({"127.0.0.1", *settings.api_hosts}),
        web_tokens=web_tokens(settings),
        origins=frozenset(settings.cors_origins),
        neighbours=NeighbourSettings(
            ai_model_service_url=settings.ai_model_service_url,
            openai_api_key=settings.openai_api_key,
            openai_base_url=settings.openai_base_url,
            openai_model=settings.openai_model,
        ),
    )


def badge_issuer(settings: Settings) -> BadgeIssuer:
    """Who signs credentials.

    Raises:
        SettingsError: the key cannot be read, made, or used.
    """
    from api.badges import BadgeIssuer, load_key
    from personalize.stack.state import make_home

    path = settings.badge_issuer_key_file or make_home(settings.home) / "issuer-key.pem"
    try:
        key = load_key(path)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"The key of the badge issuer cannot be used: {error}.",
            "let BADGE_ISSUER_KEY_FILE name a file with an Ed25519 key, as `openssl genpkey -algorithm ed25519` makes.",
        ) from error
    return BadgeIssuer(key=key, name=settings.badge_issuer_name, base_url=settings.public_url)


def web_tokens(settings: Settings) -> WebTokenSettings | None:
    """Which web tokens are accepted; None without JWT settings.

    Raises:
        SettingsError: only some of what is needed is set, or the keys cannot be used.
    """
    from api.access.key_sets import source
    from api.access.web_tokens import WebTokenSettings

    keys = settings.jwt_keys
    if keys is None and settings.user_service_url and settings.jwt_issuer:
        keys = f"{settings.user_service_url}/.well-known/jwks.json"
    if keys is None and settings.jwt_issuer is None and settings.jwt_audience is None:
        return None
    needed = {"JWT_KEYS": keys, "JWT_ISSUER": settings.jwt_issuer, "JWT_AUDIENCE": settings.jwt_audience}
    missing = [name for name, value in needed.items() if not value]
    if keys is None or settings.jwt_issuer is None or settings.jwt_audience is None:
        raise SettingsError(f"Web tokens need {' and '.join(missing)} too.", f"set {' and '.join(missing)}.")
    try:
        read = source(keys)
        if "://" not in keys:
            read()  # a file or a PEM key that cannot be used is seen now; a service may come later
    except (OSError, ValueError) as error:
        raise SettingsError("JWT_KEYS cannot be used.", f"set JWT_KEYS to {error}.") from None
    return WebTokenSettings(
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        key_source=keys,
        leeway_seconds=float(settings.jwt_leeway_seconds),
    )


def has_keys(database_url: str) -> bool:
    """Whether there is an active API key.

    Raises:
        ProblemError: Postgres cannot tell.
    """
    import psycopg

    from projections import api_keys
    from projections.stores.postgres import connect

    try:
        with closing(connect(database_url, autocommit=True)) as connection:
            return api_keys.active_count(connection) > 0
    except psycopg.Error as error:
        raise ProblemError(
            f"The API cannot tell whether there is an API key ({type(error).__name__}), so it does not listen.",
            "start Postgres and run `personalize migrate`.",
        ) from error
