"""Which servers does this command use?  The embedded ones, Docker's, or those named by URL: one function for all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from personalize.errors import StackError
from personalize.settings import Settings
from personalize.stack.encryption import database_url, given, kafka_address, redis_address
from personalize.stack.endpoints import Endpoints
from personalize.stack.local import embedded, endpoints_of
from personalize.stack.state import StateFile


def external(settings: Settings) -> Endpoints:
    """The servers named by URL (settings guarantee that the URLs are there)."""
    return Endpoints(
        kafka=kafka_address(settings),
        database_url=database_url(settings),
        **redis_address(settings),
        security=given(settings),
    )


def running(settings: Settings, home: Path | None = None) -> Endpoints:
    """Where the servers are that already run; starts nothing.

    Raises:
        StackError: STACK=embedded and they do not run, or STACK=testcontainers, which lives only as long as a session.
    """
    if settings.stack == "external":
        return external(settings)
    if settings.stack == "testcontainers":
        raise StackError(
            "STACK=testcontainers starts servers for one test session only.",
            "unset STACK for the embedded servers, or set STACK=external with URLs.",
        )
    home = (home or settings.home).absolute()
    state = StateFile(home).read()
    if not state.ready or state.supervisor is None or state.supervisor.process() is None:
        raise StackError(f"The local stack of {home} is not running.", "personalize up")
    return endpoints_of(home, state)


@contextmanager
def session(settings: Settings, home: Path) -> Iterator[Endpoints]:
    """Servers for one test session or benchmark: started and stopped here, except external ones.

    Raises:
        StackError: they cannot be started.
    """
    if settings.stack == "external":
        yield external(settings)
    elif settings.stack == "testcontainers":
        from personalize.stack.containers import containers

        with containers() as endpoints:
            yield endpoints
    else:
        with embedded(home, settings) as endpoints:
            yield endpoints
