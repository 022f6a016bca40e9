"""How does Kafka start in under a second?  Java replays what it loaded and linked in a training run (JEP 483, JEP 514).

A second, empty broker is started beside the real one, at the lowest priority, asked one question, and stopped; Java
writes the cache when it ends.  The file's name holds a hash of all that would make it invalid; it appears only when
whole.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from personalize.children import spawn
from personalize.settings import Settings
from personalize.stack import jars, ports
from personalize.stack.kafka import KafkaServer
from personalize.stack.places import cache_folder

_READY_SECONDS: Final = 180.0
_WRITE_SECONDS: Final = 180.0


def train(home: Path, settings: Settings) -> bool:
    """Makes the cache for this JRE, these jars and these flags; False if it is there, in the making, or failed."""
    cache = cache_folder(settings, home)
    if not os.access(cache, os.W_OK):
        return False
    with (cache / "start-up-cache.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        with tempfile.TemporaryDirectory(prefix="training-", dir=home) as scratch:
            kafka = KafkaServer(Path(scratch), cache)
            wanted = kafka.aot_cache()
            if wanted.is_file():
                return False
            for old in cache.glob("kafka-*.aot"):
                if time.time() - old.stat().st_atime > 30 * 86_400:  # of a JRE or checkout that is gone
                    old.unlink()
            output = Path(scratch) / "kafka.aot"
            if not _run_once(kafka, output, Path(scratch) / "training.log"):
                return False
            unfinished = wanted.with_suffix(".unfinished")
            shutil.copyfile(output, unfinished)
            unfinished.replace(wanted)
            return True


def _run_once(kafka: KafkaServer, output: Path, log: Path) -> bool:
    kafka.prepare()
    broker = ports.choose(0, None, set(), "")
    at = {"kafka": broker, "kafka_controller": ports.choose(0, None, {broker}, "")}
    launch = kafka.launch_training(at, output)
    child = spawn(launch.command, environment=launch.environment, log=log, death_signal=signal.SIGKILL)
    deadline = time.monotonic() + _READY_SECONDS
    while not kafka.answers(at) and child.exit_code() is None and time.monotonic() < deadline:
        time.sleep(0.2)
    child.stop(launch.stop_signal, _WRITE_SECONDS)
    return output.is_file()


def main(arguments: list[str]) -> int:
    """Trains in this home, or, without one, beforehand: in a temporary folder, with the jars fetched if need be."""
    settings = Settings.load()
    with tempfile.TemporaryDirectory(prefix="personalize-training-") as scratch:
        home = Path(arguments[0] if arguments else scratch)
        jars.ensure(cache_folder(settings, home), settings.maven_repository)
        print("written" if train(home, settings) else "not written", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
