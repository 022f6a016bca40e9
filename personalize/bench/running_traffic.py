"""What loads the servers while something else is measured? A process of its own that publishes at a steady rate."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from personalize.bench.processes import module, start
from personalize.bench.running_api import finish
from personalize.bench.servers import Servers
from personalize.errors import ProblemError


@dataclass(slots=True)
class Traffic:
    """The process that publishes."""

    pid: int
    reached: dict[str, Any] = field(default_factory=dict)
    """What it says it reached; empty until it has ended."""


@contextmanager
def traffic(own: Servers, rate: float, *arguments: str, least_share: float = 0.0) -> Iterator[Traffic]:
    """Traffic at ``rate`` records a second, for as long as the context is open.

    Args:
        own: the servers.
        rate: records a second over both topics.
        arguments: more of them for ``personalize.bench.traffic``.
        least_share: of the rate that has to be reached.

    Raises:
        ProblemError: at the end: less than that was reached.
    """
    command = module("traffic", "--bootstrap", own.endpoints.kafka, "--rate", str(rate), *arguments)
    process = start(own, "traffic", command)
    made = Traffic(process.pid)
    try:
        yield made
    finally:
        process.send(signal.SIGTERM)  # it prints what it reached
    made.reached = finish(own.home, "traffic", process, 30.0)
    if made.reached["events_per_second"] < least_share * rate:
        raise ProblemError(
            f"The traffic reached {made.reached['events_per_second']:.0f} of {rate:.0f} events a second.",
            "free the machine, or ask for less with --rate.",
        )
