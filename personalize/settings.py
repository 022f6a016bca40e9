"""Which settings is this process running with, and where did each value come from?

The only reader of the process environment.  `Settings.load()` is called once, at the top of a command, and the value is
passed down.  Precedence: environment, then a `.env` file in the working directory, then the default.
"""

# ruff: noqa: RUF009 - `_setting` returns a dataclass field, which holds no state

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Self

from personalize import setting_parsers as parse
from personalize.dotenv import read_dotenv
from personalize.errors import SettingsError
from personalize.setting_parsers import Parser

STACKS: Final = ("embedded", "testcontainers", "external")
LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMATS: Final = ("auto", "json", "console")
KAFKA_PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
SASL_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
SSL_MODES: Final = ("disable", "prefer", "require", "verify-ca", "verify-full")
MASK: Final = "********"


def _setting(variable: str, doc: str, parser: Parser, default: Any = None, *, secret: bool = False) -> Any:
    """One field: its variable, what it means, how it is read, and what it is when nobody says."""
    return field(default=default, metadata={"variable": variable, "doc": doc, "parser": parser, "secret": secret})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every knob of the product; model constants are not here, because a fold must replay identically."""

    stack: str = _setting(
        "STACK",
        "Where the servers come from: embedded (started by `personalize up`), testcontainers (Docker, tests only) or"
        " external (by the URLs below). Unset means external when DATABASE_URL and KAFKA_BOOTSTRAP_SERVERS are both"
        " set, else embedded.",
        parse.one_of(STACKS, str.lower),
        "embedded",
    )
    database_url: str | None = _setting(
        "DATABASE_URL", "Postgres 15 or newer, for STACK=external.", parse.postgres_url, secret=True
    )
    kafka_bootstrap_servers: str | None = _setting(
        "KAFKA_BOOTSTRAP_SERVERS",
        "Kafka brokers as host:port, comma-separated, for STACK=external.",
        parse.kafka_servers,
    )
    redis_host: str = _setting("REDIS_HOST", "Redis host, for STACK=external.", str, "127.0.0.1")
    redis_port: int = _setting("REDIS_PORT", "Redis port, for STACK=external.", parse.PORT, 6379)
    redis_password: str | None = _setting("REDIS_PASSWORD", "Redis password, for STACK=external.", str, secret=True)
    redis_url: str | None = _setting(
        "REDIS_URL",
        "redis://user:password@host:port/database, or rediss://… for TLS; stands for REDIS_HOST and REDIS_PORT.",
        parse.redis_url,
        secret=True,
    )
    redis_tls_ca_file: Path | None = _setting(
        "REDIS_TLS_CA_FILE", "Authorities that sign Redis' certificate (PEM); unset: those of the system.", Path
    )
    redis_tls_certificate_file: Path | None = _setting(
        "REDIS_TLS_CERTIFICATE_FILE", "Certificate that is shown to Redis (PEM).", Path
    )
    redis_tls_key_file: Path | None = _setting("REDIS_TLS_KEY_FILE", "Its key (PEM); unset: in the same file.", Path)
    kafka_security_protocol: str = _setting(
        "KAFKA_SECURITY_PROTOCOL",
        "How Kafka is spoken to: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.",
        parse.one_of(KAFKA_PROTOCOLS, str.upper),
        "PLAINTEXT",
    )
    kafka_ssl_ca_file: Path | None = _setting(
        "KAFKA_SSL_CA_FILE", "Authorities that sign the brokers' certificates (PEM); unset: those of the system.", Path
    )
    kafka_ssl_certificate_file: Path | None = _setting(
        "KAFKA_SSL_CERTIFICATE_FILE", "Certificate that is shown to brokers (PEM).", Path
    )
    kafka_ssl_key_file: Path | None = _setting("KAFKA_SSL_KEY_FILE", "Its key (PEM); unset: in the same file.", Path)
    kafka_sasl_mechanism: str = _setting(
        "KAFKA_SASL_MECHANISM",
        "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.",
        parse.one_of(SASL_MECHANISMS, str.upper),
        "SCRAM-SHA-512",
    )
    kafka_sasl_username: str | None = _setting("KAFKA_SASL_USERNAME", "User of the brokers.", str)
    kafka_sasl_password: str | None = _setting("KAFKA_SASL_PASSWORD", "Its password.", str, secret=True)
    database_sslmode: str | None = _setting(
        "DATABASE_SSLMODE",
        "libpq's sslmode, such as verify-full; added to DATABASE_URL.",
        parse.one_of(SSL_MODES, str.lower),
    )
    database_ssl_ca_file: Path | None = _setting(
        "DATABASE_SSL_CA_FILE", "Authorities that sign Postgres' certificate (PEM); libpq's sslrootcert.", Path
    )
    database_ssl_certificate_file: Path | None = _setting(
        "DATABASE_SSL_CERTIFICATE_FILE", "Certificate that is shown to Postgres (PEM).", Path
    )
    database_ssl_key_file: Path | None = _setting("DATABASE_SSL_KEY_FILE", "Its key (PEM).", Path)
    host: str = _setting(
        "HOST", "Address the API listens on; beyond loopback only with an API key or web tokens.", str, "127.0.0.1"
    )
    port: int = _setting("PORT", "Port of the API.", parse.PORT, 3009)
    port_published_on_loopback: bool = _setting(
        "PORT_PUBLISHED_ON_LOOPBACK",
        "true in a container whose port is published on 127.0.0.1 only: HOST may then be 0.0.0.0.",
        parse.boolean,
        False,
    )
    api_hosts: tuple[str, ...] = _setting(
        "API_HOSTS",
        "Names under which others reach the API, comma-separated; others are refused.",
        parse.host_names,
        (),
    )
    cors_origins: tuple[str, ...] = _setting(
        "CORS_ORIGINS",
        "Sites whose pages may call the API from a browser, comma-separated; unset: none.",
        parse.origins,
        (),
    )
    jwt_keys: str | None = _setting(
        "JWT_KEYS",
        "Public keys of web tokens (JWT): address or path of a JWKS document, or a PEM public key or its path. Unset:"
        " USER_SERVICE_URL/.well-known/jwks.json if that is set and JWT_ISSUER too, else no web tokens.",
        str,
    )
    jwt_issuer: str | None = _setting("JWT_ISSUER", "Issuer (iss) that web tokens must have.", str)
    jwt_audience: str | None = _setting("JWT_AUDIENCE", "Audience (aud) that web tokens must have.", str)
    jwt_leeway_seconds: int = _setting(
        "JWT_LEEWAY_SECONDS", "Difference of clocks that web tokens are allowed [s].", parse.integer(0, 300), 30
    )
    user_service_url: str | None = _setting(
        "USER_SERVICE_URL", "The platform's user service, whose web tokens the API may accept.", parse.url
    )
    home: Path = _setting(
        "PERSONALIZE_HOME", "Folder of the embedded servers: data, logs, passwords.", Path, Path(".personalize")
    )
    data: Path = _setting(
        "PERSONALIZE_DATA", "Folder with the measuring data sets (OULAD and others).", Path, Path("../shared/data")
    )
    cache: Path | None = _setting(
        "PERSONALIZE_CACHE",
        "Folder of downloaded Kafka jars, shared by all checkouts; unset: $XDG_CACHE_HOME/personalize, else"
        " ~/.cache/personalize.",
        Path,
    )
    maven_repository: str | None = _setting(
        "PERSONALIZE_MAVEN_REPO", "Mirror to fetch the Kafka jars from, instead of jgo's default repository.", str
    )
    postgres_user: str | None = _setting(
        "PERSONALIZE_POSTGRES_USER",
        "System user the embedded Postgres runs as when started by root; unset: postgres if it exists, else nobody.",
        str,
    )
    postgres_port: int = _setting(
        "POSTGRES_PORT", "Port of the embedded Postgres; 0: a free one.", parse.PORT_OR_FREE, 0
    )
    kafka_port: int = _setting("KAFKA_PORT", "Port of the embedded Kafka; 0: a free one.", parse.PORT_OR_FREE, 0)
    embedded_redis_port: int = _setting(
        "EMBEDDED_REDIS_PORT", "Port of the embedded Redis; 0: a free one.", parse.PORT_OR_FREE, 0
    )
    worker_instance_id: str | None = _setting(
        "WORKER_INSTANCE_ID",
        "Stable name of this worker within its consumer group; unset: worker-0. Two live workers must differ.",
        str,
    )
    max_poll_records: int = _setting(
        "MAX_POLL_RECORDS", "Most records one transaction takes.", parse.integer(1, 1_000_000), 20_000
    )
    dead_letter_max_share: float = _setting(
        "DEAD_LETTER_MAX_SHARE",
        "Share of undecodable records above which the worker stops (exit 78).",
        parse.share,
        0.05,
    )
    dead_letter_min_count: int = _setting(
        "DEAD_LETTER_MIN_COUNT",
        "Records looked at before that share counts.",
        parse.integer(1, 1_000_000_000),
        1_000,
    )
    dedupe_days: int = _setting(
        "DEDUPE_DAYS", "Days of record time within which a repeated eventId is recognised.", parse.integer(1, 90), 7
    )
    list_tick_ms: int = _setting(
        "LIST_TICK_MS", "Least time between two rewrites of one learner's lists [ms].", parse.integer(10, 60_000), 250
    )
    metrics_port: int = _setting(
        "METRICS_PORT",
        "Port of /metrics of a worker, recommender or jobs process; 0: a free one, printed at start.",
        parse.PORT_OR_FREE,
        0,
    )
    metrics_host: str = _setting(
        "METRICS_HOST",
        "Address it listens on; the metrics hold no personal data, but say how busy you are.",
        str,
        "127.0.0.1",
    )
    reporting_password: str | None = _setting(
        "REPORTING_PASSWORD",
        "When set, `personalize migrate` lets the role personalize_reporting log in with it: Grafana's read-only access"
        " to the schema reporting.",
        parse.secret,
        secret=True,
    )
    log_format: str = _setting(
        "LOG_FORMAT",
        "json, console, or auto: console on a terminal, json elsewhere.",
        parse.one_of(LOG_FORMATS, str.lower),
        "auto",
    )
    recommendation_queue_concurrency: int = _setting(
        "RECOMMENDATION_QUEUE_CONCURRENCY",
        "Jobs of the queue `recommendation` that one `personalize jobs` process runs at once; 0: none.",
        parse.CONCURRENCY,
        1,
    )
    analytics_queue_concurrency: int = _setting(
        "ANALYTICS_QUEUE_CONCURRENCY", "The same for the queue `analytics`.", parse.CONCURRENCY, 1
    )
    training_queue_concurrency: int = _setting(
        "TRAINING_QUEUE_CONCURRENCY", "The same for the queue `training`.", parse.CONCURRENCY, 1
    )
    notification_queue_concurrency: int = _setting(
        "NOTIFICATION_QUEUE_CONCURRENCY", "The same for the queue `notification`.", parse.CONCURRENCY, 4
    )
    notification_webhook_url: str | None = _setting(
        "NOTIFICATION_WEBHOOK_URL",
        "Where unlocked achievements and milestones are posted to, https://…; unset: nowhere.",
        parse.webhook_url,
        secret=True,
    )
    notification_webhook_secret: str | None = _setting(
        "NOTIFICATION_WEBHOOK_SECRET", "Signs what is posted there (HMAC-SHA256).", parse.secret, secret=True
    )
    notification_webhook_allow_loopback: bool = _setting(
        "NOTIFICATION_WEBHOOK_ALLOW_LOOPBACK",
        "true: the webhook may be on this machine, and then without TLS. For trying it out.",
        parse.boolean,
        False,
    )
    notification_webhook_allow_private: bool = _setting(
        "NOTIFICATION_WEBHOOK_ALLOW_PRIVATE",
        "true: the webhook may be at an address of a private network.",
        parse.boolean,
        False,
    )
    badge_issuer_key_file: Path | None = _setting(
        "BADGE_ISSUER_KEY_FILE",
        "Ed25519 private key (PEM) that signs Open Badges credentials; unset: issuer-key.pem in PERSONALIZE_HOME. Made"
        " if it is not there. Several machines must share one.",
        Path,
    )
    badge_issuer_name: str = _setting(
        "BADGE_ISSUER_NAME", "Who issues the credentials, as shown to whoever checks one.", str, "Personalize"
    )
    public_url: str = _setting(
        "PUBLIC_URL", "Address under which others reach this API; stands in credentials.", str, "http://127.0.0.1:3009"
    )
    token_secret: str | None = _setting(
        "TOKEN_SECRET",
        "Signs consistency tokens, keys the hash of ids in logs; unset: generated in PERSONALIZE_HOME. Several"
        " machines must share one.",
        parse.secret,
        secret=True,
    )
    ai_model_service_url: str | None = _setting(
        "AI_MODEL_SERVICE_URL",
        "A service that holds lists of recommendations to a constitution of its own (docs/neighbours.md); unset: none.",
        parse.url,
    )
    openai_api_key: str | None = _setting(
        "OPENAI_API_KEY",
        "Has reasons worded more kindly for learners who consent to `share`; unset: reasons stay as they are.",
        str,
        secret=True,
    )
    openai_base_url: str = _setting(
        "OPENAI_BASE_URL", "Where that is asked for.", parse.url, "https://api.openai.com/v1"
    )
    openai_model: str = _setting("OPENAI_MODEL", "Which model words them.", str, "gpt-4o-mini")
    content_service_url: str | None = _setting(
        "CONTENT_SERVICE_URL",
        "Where `personalize import content` fetches the catalogue; unset: give the address.",
        parse.url,
    )
    content_service_token: str | None = _setting(
        "CONTENT_SERVICE_TOKEN", "Sent to it as a bearer token.", str, secret=True
    )
    log_level: str = _setting(
        "LOG_LEVEL", "DEBUG, INFO, WARNING or ERROR.", parse.one_of(LOG_LEVELS, str.upper), "INFO"
    )
    sources: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def from_env(cls, environ: Mapping[str, str], dotenv: Mapping[str, str] | None = None) -> Self:
        """Reads every field.

        An empty value counts as unset.

        Raises:
            SettingsError: naming the variable, what it may be, and where the bad value stands.
        """
        values: dict[str, Any] = {}
        sources: dict[str, str] = {}
        for item in fields(cls):
            variable = item.metadata.get("variable")
            if variable is None:
                continue
            sources[item.name] = "default"
            for source, mapping in (("environment", environ), (".env", dotenv or {})):
                text = mapping.get(variable, "").strip()
                if text:
                    values[item.name] = _parsed(
                        variable, text, item.metadata["parser"], source, item.metadata["secret"]
                    )
                    sources[item.name] = source
                    break
        if "cache" not in values and environ.get("XDG_CACHE_HOME"):
            values["cache"], sources["cache"] = Path(environ["XDG_CACHE_HOME"]) / "personalize", "XDG_CACHE_HOME"
        _choose_stack(values, sources)
        return cls(**values, sources=sources)

    @classmethod
    def load(cls) -> Self:
        """The settings of this process: its environment over `.env` in the working directory."""
        environ = os.environ  # noqa: TID251  this is the one place that reads it
        return cls.from_env(environ, read_dotenv(Path(".env")))


def process_environment(**extra: str) -> dict[str, str]:
    """This process's environment with additions, for a child of the same product."""
    return {**os.environ, **extra}  # noqa: TID251  this is the one place that reads it


def traces_wanted() -> bool:
    """Whether OpenTelemetry's own variables ask for traces over OTLP; its SDK reads the rest of them."""
    variables = os.environ  # noqa: TID251  this is the one place that reads it
    if variables.get("OTEL_SDK_DISABLED", "").lower() == "true" or variables.get("OTEL_TRACES_EXPORTER") == "none":
        return False
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return any(variables.get(name) for name in endpoints)


def _parsed(variable: str, text: str, parser: Parser, source: str, secret: bool) -> Any:
    try:
        return parser(text)
    except ValueError as error:
        shown = MASK if secret else repr(text)
        raise SettingsError(
            f"{variable}={shown} (from {source}) cannot be used.", f"set {variable} to {error}, or unset it."
        ) from None


def _choose_stack(values: dict[str, Any], sources: dict[str, str]) -> None:
    """Settles STACK when nobody named it, and refuses half a set of URLs rather than ignoring it."""
    needed = {"database_url": "DATABASE_URL", "kafka_bootstrap_servers": "KAFKA_BOOTSTRAP_SERVERS"}
    given = [name for field_name, name in needed.items() if field_name in values]
    missing = [name for field_name, name in needed.items() if field_name not in values]
    if "stack" not in values and given:
        if missing:
            raise SettingsError(
                f"{given[0]} is set but {missing[0]} is not.",
                f"set {missing[0]} too, or set STACK=embedded to use the embedded servers and ignore {given[0]}.",
            )
        values["stack"] = "external"
        sources["stack"] = "DATABASE_URL and KAFKA_BOOTSTRAP_SERVERS are set"
    if values.get("stack") == "external" and missing:
        raise SettingsError(
            f"STACK=external needs {' and '.join(missing)}.",
            f"set {' and '.join(missing)}, or unset STACK to use the embedded servers.",
        )
