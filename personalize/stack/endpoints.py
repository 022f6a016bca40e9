"""Where does everyone find the three servers?  In one value."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Addresses and passwords of a running Kafka, Postgres and Redis."""

    kafka: str  # host:port, comma-separated
    database_url: str = field(repr=False)  # postgresql://user:password@host:port/database
    redis_host: str
    redis_port: int
    redis_password: str | None = field(default=None, repr=False)

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
        return variables
