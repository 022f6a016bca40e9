"""What may the text of a setting be? A parser a kind: it gives the value, or a ValueError that says what would fit."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

Parser = Callable[[str], Any]


def integer(low: int, high: int) -> Parser:
    """A parser of whole numbers from `low` to `high`, both included."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ValueError(f"a whole number from {low} to {high}") from None
        if not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return parse


def boolean(text: str) -> bool:
    """True or false, as a word or a digit."""
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in words:
        raise ValueError("true or false")
    return words[text.lower()]


def share(text: str) -> float:
    """A number above 0 and at most 1."""
    try:
        value = float(text)
    except ValueError:
        raise ValueError("a number above 0 and at most 1") from None
    if not 0 < value <= 1:
        raise ValueError("a number above 0 and at most 1")
    return value


def one_of(options: tuple[str, ...], normal: Callable[[str], str]) -> Parser:
    """A parser of one of `options`; `normal` brings what was written to their case."""

    def parse(text: str) -> str:
        if normal(text) not in options:
            raise ValueError("one of " + ", ".join(options))
        return normal(text)

    return parse


def postgres_url(text: str) -> str:
    """An address of a Postgres database."""
    if not text.startswith(("postgresql://", "postgres://")):
        raise ValueError("a URL such as postgresql://user:password@host:5432/database")
    return text


def kafka_servers(text: str) -> str:
    """Kafka brokers as host:port, separated by commas."""
    for server in text.split(","):
        host, _, port = server.strip().rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError("host:port, several separated by commas, for example 127.0.0.1:9092")
    return ",".join(server.strip() for server in text.split(","))


def redis_url(text: str) -> str:
    """An address of a Redis server, by `redis` or, with TLS, `rediss`."""
    if not re.fullmatch(r"rediss?://([^@/]*@)?[^@/:]+(:\d{1,5})?(/\d{0,2})?", text):
        raise ValueError("a URL such as rediss://user:password@redis.example.org:6379/0")
    return text


def webhook_url(text: str) -> str:
    """An address that is posted to, as it stands."""
    if not text.startswith(("https://", "http://")):
        raise ValueError("a URL such as https://example.org/hook")
    return text


def host_names(text: str) -> tuple[str, ...]:
    """Host names separated by commas, in lower case."""
    names = tuple(name.strip().lower() for name in text.split(",") if name.strip())
    if not names or not all(re.fullmatch(r"[a-z0-9._-]+", name) for name in names):
        raise ValueError("host names separated by commas, without ports, for example api.example.org")
    return names


def origins(text: str) -> tuple[str, ...]:
    """Origins of web pages separated by commas, in lower case."""
    sites = tuple(origin.strip().lower() for origin in text.split(",") if origin.strip())
    if not sites or not all(re.fullmatch(r"https?://[a-z0-9.-]+(:\d{1,5})?", origin) for origin in sites):
        raise ValueError("origins separated by commas, for example https://learn.example.org (no path, no *)")
    return sites


def url(text: str) -> str:
    """An address of a service, without a slash at its end."""
    if not text.startswith(("https://", "http://")):
        raise ValueError("a URL such as https://users.example.org")
    return text.rstrip("/")


def secret(text: str) -> str:
    """A secret that is long enough to be one."""
    if len(text) < 16:
        raise ValueError("at least 16 characters, for example the output of `openssl rand -hex 32`")
    return text


PORT: Final = integer(1, 65535)
PORT_OR_FREE: Final = integer(0, 65535)
CONCURRENCY: Final = integer(0, 64)
