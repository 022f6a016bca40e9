"""How do tests get the three servers from Docker?  By testcontainers, with the images that the compose file names.

The broker has to tell clients its address before it starts, so its host port is chosen here instead of by Docker.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from personalize.errors import StackError
from personalize.stack import ports
from personalize.stack.endpoints import Endpoints
from personalize.stack.kafka import PROPERTIES, answers_metadata
from personalize.stack.postgres import DATABASE, ROLE

KAFKA_IMAGE: Final = "apache/kafka:4.3.1"
POSTGRES_IMAGE: Final = "postgres:18"
REDIS_IMAGE: Final = "redis:7"
_READY_SECONDS: Final = 120.0


def kafka_environment(port: int) -> dict[str, str]:
    """The variables of the Kafka image: naming one replaces all its defaults, so the whole set is given."""
    properties = {
        **PROPERTIES,
        "listeners": f"PLAINTEXT://:{port},CONTROLLER://:9093",
        "advertised.listeners": f"PLAINTEXT://{ports.LOOPBACK}:{port}",
        "controller.quorum.voters": "1@localhost:9093",
        "log.dirs": "/var/lib/kafka/data",
    }
    return {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in properties.items()}


@contextmanager
def containers() -> Iterator[Endpoints]:
    """Runs the three servers in Docker for as long as the block lasts.

    Raises:
        StackError: Docker is not there, or a server does not come up.
    """
    from docker.errors import DockerException  # type: ignore[import-untyped]  # ships no types
    from testcontainers.core.container import DockerContainer
    from testcontainers.postgres import PostgresContainer
    from testcontainers.redis import RedisContainer

    password = secrets.token_hex(16)
    kafka_port = ports.choose(0, None, set(), "")
    try:
        with ExitStack() as started:
            loopback_only: Any = (ports.LOOPBACK, kafka_port)  # Docker takes a pair, the library's types do not say so
            kafka = DockerContainer(KAFKA_IMAGE).with_bind_ports(kafka_port, loopback_only)
            for name, value in kafka_environment(kafka_port).items():
                kafka = kafka.with_env(name, value)
            started.enter_context(kafka)
            postgres = started.enter_context(
                PostgresContainer(POSTGRES_IMAGE, username=ROLE, password=password, dbname=DATABASE, driver=None)
            )
            redis = started.enter_context(RedisContainer(REDIS_IMAGE, password=password))
            _await("kafka", lambda: answers_metadata(kafka_port))
            yield Endpoints(
                kafka=f"{ports.LOOPBACK}:{kafka_port}",
                database_url=postgres.get_connection_url(),
                redis_host=redis.get_container_host_ip(),
                redis_port=int(redis.get_exposed_port(6379)),
                redis_password=password,
            )
    except DockerException as error:
        raise StackError(
            f"STACK=testcontainers needs Docker, and it does not answer ({error}).",
            "start Docker, or unset STACK for the embedded servers.",
        ) from error


def _await(name: str, answers: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not answers():
        if time.monotonic() > deadline:
            raise StackError(f"{name} did not answer within {_READY_SECONDS:.0f} s.", "look at `docker logs`.")
        time.sleep(0.1)
