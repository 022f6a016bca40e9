"""What a transaction changed is told at once, whatever the lists do."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import redis

from personalize.stack import Endpoints
from projections.recorded import Recorded
from projections.stores.redis_changes import PROFILE, STREAM, change
from streams.change_teller import ChangeTeller
from streams.settings import WorkerSettings


def settings_of(stack: Endpoints) -> WorkerSettings:
    """The worker's settings for the session's servers; only Redis is asked."""
    return WorkerSettings(
        kafka_bootstrap=stack.kafka,
        database_url=stack.database_url,
        redis=stack.redis,
    )


def test_a_transaction_is_told_without_a_list_being_written(stack: Endpoints) -> None:
    """Listeners hear whose read models moved although no list tick has run; transactions keep their order."""
    with redis.Redis(host=stack.redis_host, port=stack.redis_port, password=stack.redis_password) as client:
        before: Any = client.xinfo_stream(STREAM)["last-generated-id"] if client.exists(STREAM) else b"0-0"

        async def two_transactions() -> list[Any]:
            teller = ChangeTeller(settings_of(stack))
            running = asyncio.create_task(teller.run())
            for seq, learner in ((41, 7001), (42, 7002)):
                teller.tell(Recorded(applied_seq=seq, touched=np.array([learner], np.int64)))
            async with asyncio.timeout(10):
                while len(found := client.xrange(STREAM, min=b"(" + before)) < 2:
                    await asyncio.sleep(0.01)
            running.cancel()
            return found

        told = asyncio.run(two_transactions())
    seen = [read for one in told if (read := change(*one))]
    assert [(one.kind, one.position, one.learners) for one in seen] == [(PROFILE, 41, (7001,)), (PROFILE, 42, (7002,))]
