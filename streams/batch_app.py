"""How does a Faust process begin and end here?  An application over polls, its Kafka settings, and its exit codes.

The private methods of faust 0.15.3 that it overrides are checked by ``streams.startup_checks``.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import Protocol

import faust
from faust.auth import Credentials

from projections.stores.kafka import security_of
from streams.transport import EXIT_CRASHED, OffsetStore, PollScheduler, Transport

STOP_DEADLINE_SECONDS = 5.0

logger = logging.getLogger(__name__)


class BatchApp(faust.App):
    """A Faust application over polls."""

    offset_store: OffsetStore

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)

    async def on_stop(self) -> None:
        """Stops, within a bound: aiokafka retries a commit for as long as the broker is away, which would block it."""
        deadline = threading.Timer(STOP_DEADLINE_SECONDS, os._exit, [EXIT_CRASHED])
        deadline.daemon = True
        deadline.start()
        await self.offset_store.drain()
        await super().on_stop()

    def _crash(self, reason: BaseException) -> None:
        # Faust would keep a half-dead worker running; a new process resumes from the store.  An exception that knows
        # its exit code is about the input, and its message was written for people; any other is a bug of ours.
        code = getattr(reason, "exit_code", None)
        if code is None:
            logger.critical("worker crashed: %s", type(reason).__name__, exc_info=reason)
        else:
            logger.critical("worker ends: %s", reason)
        logging.shutdown()
        os._exit(EXIT_CRASHED if code is None else code)


class AppSettings(Protocol):
    """What a process says of itself and of its broker."""

    @property
    def kafka_bootstrap(self) -> str:
        """``host:port[,host:port]``"""

    @property
    def instance_id(self) -> str:
        """Kafka's static member id."""

    @property
    def max_poll_records(self) -> int:
        """Most records of one poll."""

    @property
    def session_timeout_seconds(self) -> float:
        """A member that is silent for so long loses its partitions."""


def _credentials(address: str) -> Credentials | None:
    """The same as `client_options`, in Faust's words."""
    security = security_of(address)
    if security is None:
        return None
    context = security.tls.context() if security.tls is not None else None
    if security.mechanism is None:
        return faust.SSLCredentials(context=context) if context is not None else None
    return faust.SASLCredentials(
        username=security.username, password=security.password, mechanism=security.mechanism, ssl_context=context
    )


def batch_app(group: str, settings: AppSettings) -> BatchApp:
    """A Faust application over whole polls, not started; the one place of its Kafka settings."""
    return BatchApp(
        group,
        broker=f"kafka://{settings.kafka_bootstrap.replace(',', ';kafka://')}",
        broker_credentials=_credentials(settings.kafka_bootstrap),
        store="memory://",
        autodiscover=False,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        stream_wait_empty=False,
        # Polls, not records: one being recorded, one decoded, two waiting.
        stream_buffer_maxsize=2,
        table_standby_replicas=0,
        ConsumerScheduler=PollScheduler,
        broker_max_poll_records=settings.max_poll_records,
        consumer_max_fetch_size=4 * 1024 * 1024,
        broker_session_timeout=settings.session_timeout_seconds,
        broker_heartbeat_interval=1.0,
        broker_rebalance_timeout=settings.session_timeout_seconds,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=settings.instance_id,
        broker_check_crcs=False,
        loghandlers=[],
    )
