"""Worker and recommender over an empty log and database; makes the shared builders of this folder importable."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from personalize.stack import Endpoints
from projections.stores.redis import RedisAddress

sys.path.insert(0, str(Path(__file__).parent))

from recommender_kit import Bench


@pytest.fixture
def bench(database_url: str, stack: Endpoints) -> Iterator[Bench]:
    """Worker and recommender over an empty log and database."""
    redis = RedisAddress(host=stack.redis_host, port=stack.redis_port, password=stack.redis_password, database=9)
    made = Bench(database_url, redis)
    yield made
    made.close()
