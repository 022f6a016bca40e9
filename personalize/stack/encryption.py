"""How are external servers spoken to?  Settings of TLS and users become addresses that every client understands.

What does not fit together is refused here, by the names of the settings: a client would say it later and less clearly.
"""

from __future__ import annotations

import ssl
from dataclasses import fields
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from personalize.errors import SettingsError
from personalize.settings import Settings
from projections.stores.kafka import KafkaAddress, KafkaSecurity
from projections.stores.tls import Tls

_PREFIXES: Final = ("KAFKA_SECURITY", "KAFKA_SSL", "KAFKA_SASL", "REDIS_URL", "REDIS_TLS", "DATABASE_SSL")


def kafka_address(settings: Settings) -> str:
    """The brokers, with what they ask for.

    Raises:
        SettingsError: settings that do not fit together, or a file that cannot be read.
    """
    assert settings.kafka_bootstrap_servers is not None
    protocol, mechanism = settings.kafka_security_protocol, settings.kafka_sasl_mechanism
    named = settings.kafka_sasl_username, settings.kafka_sasl_password
    if not protocol.startswith("SASL_") and any(named):
        raise SettingsError(
            f"KAFKA_SASL_USERNAME or KAFKA_SASL_PASSWORD is set, and KAFKA_SECURITY_PROTOCOL is {protocol}.",
            "set KAFKA_SECURITY_PROTOCOL=SASL_SSL.",
        )
    if protocol.startswith("SASL_") and not all(named):
        raise SettingsError(
            f"KAFKA_SECURITY_PROTOCOL={protocol} needs a user.", "set KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD."
        )
    tls = _tls(settings, "KAFKA_SSL", wanted=protocol.endswith("SSL"), how="KAFKA_SECURITY_PROTOCOL=SSL or SASL_SSL")
    if protocol == "PLAINTEXT":
        return settings.kafka_bootstrap_servers
    security = KafkaSecurity(
        tls=tls,
        mechanism=mechanism if protocol.startswith("SASL_") else None,
        username=settings.kafka_sasl_username or "",
        password=settings.kafka_sasl_password or "",
    )
    return KafkaAddress(settings.kafka_bootstrap_servers, security)


def redis_address(settings: Settings) -> dict[str, Any]:
    """The fields of `Endpoints` that say where Redis is; raises SettingsError like ``kafka_address``."""
    if settings.redis_url is None:
        _tls(settings, "REDIS_TLS", wanted=False, how="REDIS_URL=rediss://…")
        return {
            "redis_host": settings.redis_host,
            "redis_port": settings.redis_port,
            "redis_password": settings.redis_password,
        }
    url = urlsplit(settings.redis_url)
    return {
        "redis_host": url.hostname or "",
        "redis_port": url.port or 6379,
        "redis_username": unquote(url.username) if url.username else None,
        "redis_password": unquote(url.password) if url.password else settings.redis_password,
        "redis_database": int(url.path.strip("/") or 0),
        "redis_tls": _tls(settings, "REDIS_TLS", wanted=url.scheme == "rediss", how="REDIS_URL=rediss://…"),
    }


def database_url(settings: Settings) -> str:
    """The database, with libpq's words for TLS; those that stand in the URL already win."""
    assert settings.database_url is not None
    _tls(settings, "DATABASE_SSL", wanted=settings.database_sslmode is not None, how="DATABASE_SSLMODE=verify-full")
    said = {
        "sslmode": settings.database_sslmode,
        "sslrootcert": settings.database_ssl_ca_file,
        "sslcert": settings.database_ssl_certificate_file,
        "sslkey": settings.database_ssl_key_file,
    }
    url = urlsplit(settings.database_url)
    asked = {name: str(value) for name, value in said.items() if value is not None} | dict(parse_qsl(url.query))
    return urlunsplit(url._replace(query=urlencode(asked, safe="/:"))) if asked else settings.database_url


def given(settings: Settings) -> dict[str, str]:
    """The variables of all this that somebody set, for processes that are started from here."""
    found = {}
    for item in fields(settings):
        variable = item.metadata.get("variable", "")
        value = getattr(settings, item.name)
        if variable.startswith(_PREFIXES) and value is not None and settings.sources.get(item.name) != "default":
            found[variable] = str(value)
    return found


def _tls(settings: Settings, prefix: str, *, wanted: bool, how: str) -> Tls | None:
    files: dict[str, Path | None] = {
        each: getattr(settings, f"{prefix.lower()}_{each}") for each in ("ca_file", "certificate_file", "key_file")
    }
    named = {f"{prefix}_{each.upper()}": path for each, path in files.items() if path is not None}
    if not wanted:
        if named:
            raise SettingsError(f"{', '.join(named)} is set, and nothing says that TLS is spoken.", f"set {how}.")
        return None
    for variable, path in named.items():
        if not path.is_file():
            raise SettingsError(f"{variable}: there is no file {path}.", "name a file in PEM.")
    if files["key_file"] is not None and files["certificate_file"] is None:
        raise SettingsError(f"{prefix}_KEY_FILE is set without a certificate.", f"set {prefix}_CERTIFICATE_FILE too.")
    tls = Tls(**{each: str(path) if path is not None else None for each, path in files.items()})
    try:
        tls.context()
    except ssl.SSLError as error:
        raise SettingsError(f"{', '.join(named)}: {error.reason or error}.", "name files in PEM.") from error
    return tls
