"""Settings of a jobs process that meets nobody else's streams, and the kit of this folder."""

import sys
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from personalize.stack import Endpoints
from streams.jobs.settings import JobSettings

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def job_settings(stack: Endpoints, database_url: str, redis_client) -> JobSettings:
    """A database, a Redis database and streams of this test's own; messages of the dead are taken over after 1 s."""
    return JobSettings(
        kafka_bootstrap=stack.kafka,
        database_url=database_url,
        redis=replace(stack.redis, database=9),
        prefix=f"test:{uuid.uuid4().hex[:8]}",
        idle_ms=1_000,
        tick_seconds=0.2,
    )
