"""What is done to the running system?  One function a fault; each leaves all servers and workers running.

Schedules are seeded.  `scale` shortens them: 1 is the full schedule, the short one of the continuous integration 0.25.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import psycopg
import redis

from personalize.bench.fault_input import Shape
from personalize.bench.processes import Supervised
from personalize.bench.servers import Servers
from personalize.errors import StackError

SESSION_TIMEOUT_SECONDS: Final = 10.0
_POLL_RECORDS: Final = "500"
_PROGRESS_SECONDS: Final = 30.0
TRANSACTIONS: Final = "SELECT count(*) FROM applied_range"
TERMINATE: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()
"""


@dataclass(slots=True)
class Chaos:
    """A running system and the dice."""

    own: Servers
    command: Sequence[str]
    dice: random.Random
    scale: float
    workers: dict[str, Supervised] = field(default_factory=dict)
    exits: list[int] = field(default_factory=list)
    _names: int = 0

    def times(self, count: int) -> int:
        """So many times in the full schedule, at least once."""
        return max(1, round(count * self.scale))

    def sleep(self, low: float, high: float) -> None:
        """Lets the system run for a while."""
        time.sleep(self.dice.uniform(low, high))

    def await_progress(self) -> None:
        """Waits until a transaction is committed, so that the next fault does not hit workers that still start."""
        before, deadline = self.transactions(), time.monotonic() + _PROGRESS_SECONDS
        while self.transactions() == before and time.monotonic() < deadline:
            time.sleep(0.05)

    def transactions(self) -> int:
        """How many were committed so far."""
        with psycopg.connect(self.own.endpoints.database_url, autocommit=True) as database:
            row = database.execute(TRANSACTIONS).fetchone()
            return int(row[0]) if row else 0

    def start_worker(self, name: str | None = None, instance: str | None = None) -> Supervised:
        """Starts a supervised worker with a stable id (its name unless given)."""
        if name is None:
            name = f"worker-{self._names}"
            self._names += 1
        extra = {
            "WORKER_INSTANCE_ID": instance or name,
            "MAX_POLL_RECORDS": _POLL_RECORDS,
            "LOG_LEVEL": "WARNING",
        }
        self.workers[name] = Supervised(self.own, name, self.command, extra)
        return self.workers[name]

    def stop_worker(self, name: str, *, kill: bool = False) -> None:
        """Ends a worker for good."""
        worker = self.workers.pop(name)
        if kill:
            worker.abandon()
        else:
            worker.stop()
        self.exits += worker.exits

    def any_worker(self) -> Supervised:
        """One of them."""
        return self.workers[self.dice.choice(sorted(self.workers))]

    def stop_all(self) -> None:
        """Ends every worker cleanly."""
        for name in list(self.workers):
            self.stop_worker(name)


def kill(chaos: Chaos) -> None:
    """kill -9 of a random worker every 0.1 to 1 s, 30 times; after three kills something must be committed first."""
    chaos.start_worker()
    for number in range(chaos.times(30)):
        if number % 3 == 0:
            chaos.await_progress()
        chaos.sleep(0.1, 1.0)
        chaos.any_worker().child.send(signal.SIGKILL)


def zombie(chaos: Chaos) -> None:
    """A worker stopped for longer than its session, while another takes over, then woken; twice."""
    chaos.start_worker()
    for _ in range(chaos.times(2)):
        chaos.await_progress()
        chaos.sleep(1.0, 2.0)
        stopped = chaos.any_worker().child
        stopped.send(signal.SIGSTOP)
        time.sleep(SESSION_TIMEOUT_SECONDS + chaos.dice.uniform(3.0, 6.0))
        stopped.send(signal.SIGCONT)
    chaos.sleep(2.0, 3.0)


def twin(chaos: Chaos) -> None:
    """A second process with the same static id, for a while."""
    name = next(iter(chaos.workers))
    for _ in range(chaos.times(3)):
        chaos.start_worker("twin", instance=name)
        chaos.sleep(4.0, 7.0)
        chaos.stop_worker("twin", kill=chaos.dice.random() < 0.5)


def storm(chaos: Chaos) -> None:
    """Workers join and leave, by SIGTERM or SIGKILL, 14 times; one to four run."""
    for _ in range(chaos.times(14)):
        chaos.sleep(1.0, 4.0)
        if len(chaos.workers) < 2 or (len(chaos.workers) < 4 and chaos.dice.random() < 0.5):
            chaos.start_worker()
        else:
            chaos.stop_worker(chaos.dice.choice(sorted(chaos.workers)), kill=chaos.dice.random() < 0.5)


def postgres(chaos: Chaos) -> None:
    """Backends terminated eight times, a fast restart, and a kill -9 of the whole server."""
    chaos.start_worker()
    for _ in range(chaos.times(8)):
        chaos.sleep(0.3, 1.5)
        with psycopg.connect(chaos.own.endpoints.database_url, autocommit=True) as database:
            database.execute(TERMINATE)
    chaos.own.stack.stop_server("postgres")
    chaos.sleep(0.5, 2.0)
    _start_again(chaos, "postgres")
    chaos.sleep(2.0, 3.0)
    chaos.own.stack.kill_server("postgres")
    chaos.sleep(0.5, 2.0)
    _start_again(chaos, "postgres")
    chaos.sleep(1.0, 2.0)


def broker(chaos: Chaos) -> None:
    """kill -9 of the broker, away for up to 30 s; a worker starts meanwhile."""
    chaos.await_progress()
    chaos.own.stack.kill_server("kafka")
    chaos.sleep(1.0, 2.0)
    chaos.start_worker()
    time.sleep(chaos.dice.uniform(20.0, 30.0) * max(chaos.scale, 0.25))
    _start_again(chaos, "kafka")
    chaos.sleep(3.0, 5.0)


def redis_flush(chaos: Chaos) -> None:
    """Redis emptied again and again, and killed."""
    at = chaos.own.endpoints
    for _ in range(chaos.times(8)):
        chaos.sleep(0.3, 1.5)
        with redis.Redis(host=at.redis_host, port=at.redis_port, password=at.redis_password) as client:
            client.flushall()
    chaos.own.stack.kill_server("redis")
    chaos.sleep(2.0, 4.0)
    _start_again(chaos, "redis")
    chaos.sleep(1.0, 2.0)


def some_kills(chaos: Chaos) -> None:
    """kill -9 of a worker at work, eight times, while the input itself is hostile."""
    chaos.start_worker()
    for _ in range(chaos.times(8)):
        chaos.await_progress()
        chaos.sleep(0.2, 2.0)
        chaos.any_worker().child.send(signal.SIGKILL)


def nothing(chaos: Chaos) -> None:
    """No fault: the control that the reference itself is right."""
    chaos.sleep(2.0, 3.0)


def three_workers(chaos: Chaos) -> None:
    """No fault, but three workers: eight partitions do not divide by three."""
    chaos.start_worker()
    chaos.start_worker()
    chaos.sleep(8.0, 9.0)


def _start_again(chaos: Chaos, name: str) -> None:
    # Right after a kill -9, children of the old server may still hold what the new one needs.
    for pause in (0.5, 1.0, 2.0, 4.0, 0.0):
        try:
            chaos.own.stack.start_server(name)
        except StackError:
            if not pause:
                raise
            time.sleep(pause)
        else:
            return


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done, and what the stream looks like meanwhile."""

    act: Callable[[Chaos], None]
    shape: Shape = field(default_factory=Shape)


_ORDINARY: Final = Shape()
FAULTS: Final[dict[str, Fault]] = {
    "kill": Fault(kill),
    "zombie": Fault(zombie),
    "twin": Fault(twin),
    "storm": Fault(storm),
    "postgres": Fault(postgres),
    "broker": Fault(broker),
    "redis": Fault(redis_flush),
    "duplicates": Fault(some_kills, replace(_ORDINARY, duplicates=0.4)),
    "poison": Fault(some_kills, replace(_ORDINARY, poison=0.035)),
    "out_of_order": Fault(some_kills, replace(_ORDINARY, late=0.7, future=0.02)),
}
ALL: Final[dict[str, Fault]] = {**FAULTS, "none": Fault(nothing), "three_workers": Fault(three_workers)}
"""With the controls, which do no harm and must come out right as well."""
