"""A running API for tests: the real server in a thread, on real Kafka, Postgres and Redis, and a worker at hand."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

sys.path.insert(0, str(Path(__file__).parent))

from api_kit import SECRET, Fold, create_topics, running

from api.dependencies import ApiSettings
from api.limits import Limits
from personalize.stack import Endpoints
from projections import migrate
from projections.stores.redis import RedisAddress

REDIS_DATABASE = 8


@pytest.fixture(scope="module")
def settings(stack: Endpoints, module_database_url: str) -> ApiSettings:
    """Settings of an API on the session's servers, with a database of the module's own."""
    create_topics(stack.kafka)
    with redis.Redis(
        host=stack.redis_host, port=stack.redis_port, password=stack.redis_password, db=REDIS_DATABASE
    ) as client:
        client.flushdb()  # keys of learners begin anew in each database
    return ApiSettings(
        database_url=module_database_url,
        kafka_bootstrap_servers=stack.kafka,
        token_secret=SECRET,
        redis=RedisAddress(
            host=stack.redis_host, port=stack.redis_port, password=stack.redis_password, database=REDIS_DATABASE
        ),
        migration_head=migrate.head(),
        # A busy machine is no failure; what is refused in time is tested with the usual limits.
        limits=Limits(answer_seconds=20.0),
    )


@pytest.fixture(scope="module")
def api(settings: ApiSettings) -> Iterator[httpx.Client]:
    """A client of a running API."""
    with running(settings) as client:
        yield client


@pytest.fixture(scope="module")
def fold(settings: ApiSettings) -> Iterator[Fold]:
    """Folds what stands in the topics when it is told to, as a worker would."""
    made = Fold(settings)
    yield made
    made.close()
