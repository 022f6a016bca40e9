"""A worker that is killed (SIGKILL) around its first unlock.  Run as ``dying_worker.py POINT``.

Nothing here is imported by the product; the points are put into the running process from outside.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any


def in_the_transaction() -> None:
    """Behind the insert of the unlock, before the commit."""
    from projections import achievement_unlocks

    write = achievement_unlocks.put

    def killed(connection: Any, unlocks: Any, *rest: Any) -> None:
        write(connection, unlocks, *rest)
        if len(unlocks.learner):
            connection.execute("SELECT count(*) FROM achievement_unlock").fetchone()  # the insert has been carried out
            die()

    achievement_unlocks.put = killed


def before_the_announcement() -> None:
    """Behind the commit, before anything of the outbox is produced."""
    from streams import outbox_relay

    async def killed(*_: Any) -> None:
        die()

    outbox_relay.produce = killed


def before_the_strike() -> None:
    """Behind the broker's answer, before the outbox row is deleted."""
    from streams.outbox_relay import OutboxRelay

    def killed(*_: Any) -> None:
        die()

    OutboxRelay._strike = killed


def die() -> None:
    """Ends this process as the kernel does when memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)


POINTS = {point.__name__: point for point in (in_the_transaction, before_the_announcement, before_the_strike)}


def main() -> None:
    """Puts the point in and becomes an ordinary worker."""
    from personalize.cli import main as personalize

    POINTS[sys.argv[1]]()
    sys.argv = ["personalize", "worker"]
    personalize()


if __name__ == "__main__":
    main()
