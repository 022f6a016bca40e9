"""Can this worker be trusted to start?  What must hold of the libraries before the first record is read.

Each check names the fault that it prevents; a failing one raises ``StartupError`` with the fix, and the worker exits
before it touches a partition.
"""

from __future__ import annotations

import importlib
import inspect
from importlib.metadata import version
from typing import Any

PINNED = {"faust-streaming": "0.15.3", "mode-streaming": "0.7.1", "aiokafka": "0.14.0"}
CODECS = ("gzip", "snappy", "lz4", "zstd")


class StartupError(RuntimeError):
    """Something that the worker relies on is not there; the message says what to do."""


def check_versions() -> None:
    """The transport overrides private names, which only these versions are known to have."""
    for distribution, wanted in PINNED.items():
        found = version(distribution)
        if found != wanted:
            raise StartupError(
                f"{distribution} {found} is installed, the transport is proven on {wanted}: run `make install`"
            )


def check_cython_streams() -> None:
    """Faust's pure Python stream acknowledges messages of a stale generation unprocessed: data loss."""
    streams: Any = importlib.import_module("faust.streams")
    if getattr(streams, "_CStreamIterator", None) is None:
        raise StartupError("Faust's compiled streams are not loaded: unset NO_CYTHON and reinstall faust-streaming")


def check_codecs() -> None:
    """Without a codec one compressed record would crash the worker, again and again."""
    codecs: Any = importlib.import_module("aiokafka.codec")
    missing = [name for name in CODECS if not getattr(codecs, f"has_{name}")()]
    if missing:
        raise StartupError(f"aiokafka cannot decompress {', '.join(missing)}: install its codec package (cramjam)")


def check_private_names() -> None:
    """The overrides in ``streams.transport`` and ``streams.batch_app`` must override something."""
    app: Any = importlib.import_module("faust.app.base")
    driver: Any = importlib.import_module("faust.transport.drivers.aiokafka")
    fetcher: Any = importlib.import_module("aiokafka.consumer.consumer")
    wanted = {
        app.App: ("_new_transport", "_crash", "on_stop"),
        driver.AIOKafkaConsumerThread: ("_create_worker_consumer", "_seek_wait", "_fetch_records", "_ensure_consumer"),
        driver.Consumer: (
            "_new_consumer_thread",
            "_to_message",
            "seek_to_committed",
            "_filter_committable_offsets",
            "_should_commit",
            "on_buffer_full",
            "on_buffer_drop",
            "verify_all_partitions_active",
        ),
    }
    for owner, names in wanted.items():
        gone = [name for name in names if not hasattr(owner, name)]
        if gone:
            raise StartupError(f"{owner.__module__}.{owner.__name__} lacks {', '.join(gone)}: wrong faust-streaming?")
    records: Any = importlib.import_module("aiokafka.consumer.fetcher")
    if "self._consumer_record(" not in inspect.getsource(records.PartitionRecords):
        raise StartupError("aiokafka does not build its records where expected: wrong aiokafka?")
    source = inspect.getsource(fetcher.AIOKafkaConsumer)
    for name in ("_fetch_max_wait_ms", "_partition_assignment_strategy", "_isolation_level"):
        if f"self.{name}" not in source:
            raise StartupError(f"aiokafka's consumer does not use {name}: wrong aiokafka?")


def check_all() -> None:
    """Runs every check, the cheapest first."""
    check_versions()
    check_cython_streams()
    check_codecs()
    check_private_names()
