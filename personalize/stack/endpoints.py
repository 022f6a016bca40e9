"""Where does everyone find the three servers?  In one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from projections.stores.redis import RedisAddress
from projections.stores.tls import Tls


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Addresses and passwords of a running Kafka, Postgres and Redis."""

    kafka: str  # host:port, comma-separated
    database_url: str = field(repr=False)  # postgresql://user:password@host:port/database
    redis_host: str
    redis_port: int
    redis_password: str | None = field(default=None, repr=False)
    redis_username: str | None = None
    redis_database: int = 0
    redis_tls: Tls | None = None
    security: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables that say how these servers are spoken to, as they were given."""

    @property
    def redis(self) -> RedisAddress:
        """Redis' address."""
        return RedisAddress(
            host=self.redis_host,
            port=self.redis_port,
            username=self.redis_username,
            password=self.redis_password,
            database=self.redis_database,
            tls=self.redis_tls,
        )

    def environment(self) -> dict[str, str]:
        """The same as the variables that a worker or API started elsewhere reads."""
        variables = {
            "STACK": "external",
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka,
            "DATABASE_URL": self.database_url,
            "REDIS_HOST": self.redis_host,
            "REDIS_PORT": str(self.redis_port),
        }
        if self.redis_password:
            variables["REDIS_PASSWORD"] = self.redis_password
        return {**variables, **self.security}
