"""Real servers for tests: one embedded stack a session (or what STACK says), a fresh database and fresh topics a test.

Nothing starts unless a test asks for it; tests that ask are marked `servers` on their own.
"""

from __future__ import annotations

import asyncio
import gc
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import redis
from hypothesis import settings as hypothesis_settings
from psycopg import sql

from personalize.settings import Settings
from personalize.stack import Endpoints, session

# A slow machine is no failure, so examples have no deadline.
hypothesis_settings.register_profile("usual", deadline=None)
hypothesis_settings.register_profile("thorough", deadline=None, max_examples=1_000)
hypothesis_settings.load_profile("usual")

SERVER_FIXTURES = {"stack", "kafka", "database_url", "module_database_url", "redis_client"}


# Files that take longest, longest first: processes that share the suite out by file should not end with one of them.
SLOW_FILES = (
    "tests/bench/test_benches.py",
    "tests/streams/test_worker.py",
    "tests/stack/test_local_stack.py",
    "tests/api/test_contract.py",
    "tests/stack/test_run.py",
    "tests/streams/test_learner_processes.py",
    "tests/laws/test_fold_laws.py",
    "tests/jobs/test_jobs_command.py",
    "tests/recommender/test_engine.py",
    "tests/schemas/test_json_schema.py",
    "tests/models/test_achievements.py",
    "tests/stack/test_users.py",
    "tests/models/learner/test_learner_fold.py",
    "tests/bench/test_quality.py",
)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """Clears away what tests left unclosed, with its warnings, before plugins import what they need for their reports.

    A warning amid an import's parsing is a SystemError of Python 3.11, and ends a good run with an error.
    """
    gc.collect()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks every test that uses a real server, so that `-m "not servers"` leaves them out; slow files come first."""
    for item in items:
        if SERVER_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.servers)
    place = {name: number for number, name in enumerate(SLOW_FILES)}
    items.sort(key=lambda item: place.get(item.nodeid.partition("::")[0], len(place)))


@pytest.fixture(scope="session")
def make_folder() -> Iterator[Callable[[], Path]]:
    """Makes temporary folders that every user may pass through, as Postgres' user must; pytest's own are closed."""
    with ExitStack() as made:

        def make() -> Path:
            folder = Path(made.enter_context(tempfile.TemporaryDirectory(prefix="personalize-test-")))
            folder.chmod(0o711)
            return folder

        yield make


@pytest.fixture(scope="session")
def stack(make_folder: Callable[[], Path]) -> Iterator[Endpoints]:
    """Kafka, Postgres and Redis, started on first use and stopped at the end of the session.

    An embedded Postgres does not wait for the disk: a commit outlives every process that a test may kill, and the
    machine it need not outlive.
    """
    settings = Settings.load()
    with session(settings, make_folder() / "stack") as endpoints:
        if settings.stack == "embedded":
            with psycopg.connect(endpoints.database_url, autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET fsync = off")
                connection.execute("ALTER SYSTEM SET full_page_writes = off")
                connection.execute("SELECT pg_reload_conf()")
        yield endpoints


def _replace_database(url: str, name: str) -> str:
    head, _, options = url.partition("?")
    return head.rsplit("/", 1)[0] + f"/{name}" + (f"?{options}" if options else "")


def _create_database(admin_url: str, template: str = "template1") -> str:
    name = f"test_{uuid.uuid4().hex[:16]}"
    with psycopg.connect(admin_url, autocommit=True) as connection:
        create = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
    return name


def _drop_database(admin_url: str, name: str) -> None:
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def migrated_template(stack: Endpoints) -> Iterator[str]:
    """The name of a migrated database that nobody uses: copying it is several times as fast as migrating again."""
    from projections.migrate import upgrade

    name = _create_database(stack.database_url)
    upgrade(_replace_database(stack.database_url, name))
    yield name
    _drop_database(stack.database_url, name)


def _fresh_database(admin_url: str, template: str) -> Iterator[str]:
    name = _create_database(admin_url, template)
    yield _replace_database(admin_url, name)
    _drop_database(admin_url, name)


@pytest.fixture
def database_url(stack: Endpoints, migrated_template: str) -> Iterator[str]:
    """The URL of a new, migrated database of this test's own."""
    yield from _fresh_database(stack.database_url, migrated_template)


@pytest.fixture(scope="module")
def module_database_url(stack: Endpoints, migrated_template: str) -> Iterator[str]:
    """The URL of a new, migrated database that the tests of one module share."""
    yield from _fresh_database(stack.database_url, migrated_template)


@dataclass(frozen=True)
class KafkaForTests:
    """A broker, and topics that no other test sees."""

    bootstrap: str

    def create_topic(self, prefix: str = "test", partitions: int = 8, config: Mapping[str, str] | None = None) -> str:
        """Makes a topic with a unique name and returns the name."""
        name = f"{prefix}-{uuid.uuid4().hex[:12]}"
        asyncio.run(self._create({name: (partitions, dict(config or {}))}))
        return name

    def create_topics(self, topics: Mapping[str, int]) -> None:
        """Makes topics with exactly these names and partition counts, unless they are there; for tests that isolate
        by group, not by name.
        """
        from schemas.topics import TOPICS

        # The broker is shared by the session: a topic of the product must be as declared, whoever makes it first.
        declared = {topic.name: topic.config() for topic in TOPICS}
        wanted = {name: (count, declared.get(name, {})) for name, count in topics.items()}
        asyncio.run(self._create(wanted, may_be_there=True))

    async def _create(self, topics: Mapping[str, tuple[int, dict[str, str]]], *, may_be_there: bool = False) -> None:
        from aiokafka.admin import AIOKafkaAdminClient, NewTopic
        from aiokafka.errors import TopicAlreadyExistsError, for_code

        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            answer = await admin.create_topics(
                [NewTopic(name, count, 1, topic_configs=config) for name, (count, config) in topics.items()]
            )
            for name, code, *_ in answer.topic_errors:
                if code and not (may_be_there and code == TopicAlreadyExistsError.errno):
                    raise for_code(code)(name)
        finally:
            await admin.close()


@pytest.fixture(scope="session")
def kafka(stack: Endpoints) -> KafkaForTests:
    """The broker of the session, with a maker of uniquely named topics."""
    return KafkaForTests(stack.kafka)


@pytest.fixture
def redis_client(stack: Endpoints) -> Iterator[redis.Redis]:
    """A client of an empty Redis database of the session's server."""
    with redis.Redis(
        host=stack.redis_host, port=stack.redis_port, password=stack.redis_password, db=9, decode_responses=False
    ) as client:
        client.flushdb()
        yield client
        client.flushdb()
