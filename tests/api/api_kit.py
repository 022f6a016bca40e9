"""What the API's tests share: a server in a thread, a worker that folds when told, and a network that can fail."""

from __future__ import annotations

import asyncio
import contextlib
import json
import select
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from api.dependencies import ApiSettings
from api.server import _config, _Server, bind
from projections import changes, recommendation_lists
from projections.poll import TopicPartition
from projections.recorder import Recorder
from projections.stores.postgres import connect
from projections.stores.redis import Mirror
from schemas.topics import CATALOGUE, IMPRESSIONS, INTERACTIONS, LEARNER_COMMANDS, TOPICS
from streams.intake import decode_slice

SECRET = "a secret of the tests, 32 bytes long"
PARTITIONS = 8
FOLDED_TOPICS = (INTERACTIONS.name, LEARNER_COMMANDS.name, IMPRESSIONS.name, CATALOGUE.name)
_PLACES = [KafkaPartition(topic, part) for topic in FOLDED_TOPICS for part in range(PARTITIONS)]


@contextlib.contextmanager
def running(settings: ApiSettings) -> Iterator[httpx.Client]:
    """Serves the API in a thread on a free port, and yields a client of it."""
    listener = bind("127.0.0.1", 0)
    started = threading.Event()
    server = _Server(_config(settings), started.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        assert started.wait(30)
        with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()
    assert not thread.is_alive()


def create_topics(bootstrap: str) -> None:
    """Makes the topics that the API writes to, unless another module did."""

    async def create() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            present = set(await admin.list_topics())
            # As declared: other tests of the session look at the product's topics too.
            config = {topic.name: topic.config() for topic in TOPICS}
            missing = [
                NewTopic(name, PARTITIONS, 1, topic_configs=config.get(name))
                for name in FOLDED_TOPICS
                if name not in present
            ]
            if missing:
                await admin.create_topics(missing)
            while not await _have_leaders(admin):
                await asyncio.sleep(0.1)
        finally:
            await admin.close()

    asyncio.run(create())


async def _have_leaders(admin: AIOKafkaAdminClient) -> bool:
    topics = await admin.describe_topics(list(FOLDED_TOPICS))
    return all(
        topic["error_code"] == 0 and all(part["leader"] >= 0 for part in topic["partitions"]) for topic in topics
    )


def until(condition: Callable[[], Any], seconds: float = 20.0) -> Any:
    """The first true value of a condition that comes true by itself; fails when it does not."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.02)
    return value


class Fold:
    """Applies the topics to the database, with the real recorder and list writer, up to their ends at the call.

    It begins where the topics end when it is made: they are shared with other modules, the database is not.
    """

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings
        self._recorder = Recorder(settings.database_url, "test")
        assert settings.redis is not None
        self.mirror = Mirror(settings.redis)
        self._lists = connect(settings.database_url, autocommit=True)
        for (topic, part), end in asyncio.run(self._ends()).items():
            self._lists.execute(
                "INSERT INTO stream_offset (projection, topic, part, next_offset) VALUES ('worker', %s, %s, %s)",
                (topic, part, end),
            )

    def __call__(self, *, lists: bool = True) -> None:
        asyncio.run(self._fold_all(lists))

    @contextlib.contextmanager
    def meanwhile(self) -> Iterator[None]:
        """Folds what arrives, in a thread, while the block runs."""
        ended = threading.Event()

        async def work() -> None:
            async with self._consuming() as consumer:
                folded: dict[KafkaPartition, int] = {}
                while not ended.is_set():
                    ends = await consumer.end_offsets(_PLACES)
                    if ends == folded:
                        await asyncio.sleep(0.02)
                    else:
                        await self._fold(consumer, ends)
                        folded = ends

        thread = threading.Thread(target=asyncio.run, args=(work(),))
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def close(self) -> None:
        """Ends the connections."""
        self._recorder.reset()
        self._lists.close()
        self.mirror.close()

    def records(self) -> list[Any]:
        """Everything that stands in the topics."""

        async def read() -> list[Any]:
            async with self._consuming() as consumer:
                return await _read(consumer, {}, await consumer.end_offsets(_PLACES))

        return asyncio.run(read())

    @contextlib.asynccontextmanager
    async def _consuming(self) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(bootstrap_servers=self._settings.kafka_bootstrap_servers, enable_auto_commit=False)
        await consumer.start()
        try:
            consumer.assign(_PLACES)
            yield consumer
        finally:
            await consumer.stop()

    async def _ends(self) -> dict[tuple[str, int], int]:
        async with self._consuming() as consumer:
            return {(p.topic, p.partition): end for p, end in (await consumer.end_offsets(_PLACES)).items()}

    async def _fold_all(self, lists: bool) -> None:
        async with self._consuming() as consumer:
            await self._fold(consumer, await consumer.end_offsets(_PLACES), lists=lists)

    async def _fold(self, consumer: AIOKafkaConsumer, ends: dict[KafkaPartition, int], *, lists: bool = True) -> None:
        bounds = {TopicPartition(topic, part): (0, 1 << 40) for topic, part in _PLACES}
        cursors = self._recorder.claim(bounds)
        starts = {(p.topic, p.part): cursor.next_offset for p, cursor in cursors.items()}
        records = await _read(consumer, starts, ends)
        slices = []
        for partition, cursor in cursors.items():
            mine = [r for r in records if (r.topic, r.partition) == (partition.topic, partition.part)]
            if mine:
                slices.append(decode_slice(partition.topic, partition.part, cursor.next_offset, mine, PARTITIONS))
        if not slices:
            return
        recorded = self._recorder.record(slices)
        changes.add(
            self.mirror,
            changes.of_transaction(recorded.applied_seq, recorded.touched.tolist(), recorded.announced),
        )
        if lists:
            catalogue = recommendation_lists.refresh(self._lists, None)
            recommendation_lists.write_lists(self._lists, recorded.touched.tolist(), catalogue, self.mirror)
            changes.add(self.mirror, [changes.of_lists(recorded.touched.tolist(), recorded.applied_seq)])
        assert self.mirror.flush()


async def _read(
    consumer: AIOKafkaConsumer, starts: dict[tuple[str, int], int], ends: dict[KafkaPartition, int]
) -> list[Any]:
    found: list[Any] = []
    for place in _PLACES:
        consumer.seek(place, starts.get(place, 0))
    while any([await consumer.position(place) < ends[place] for place in _PLACES]):
        for batch in (await consumer.getmany(timeout_ms=200)).values():
            found += batch
    return [r for r in found if r.offset < ends[KafkaPartition(r.topic, r.partition)]]


class Network:
    """A TCP relay in front of a server, which can cut connections, refuse them, or swallow everything."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._mode = "works"
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._ended = False
        self._thread = threading.Thread(target=self._relay, daemon=True)
        self._thread.start()

    def works(self) -> None:
        """Relays."""
        self._mode = "works"

    def cut(self) -> None:
        """Ends every connection, and each new one at once."""
        self._mode = "cut"
        until(lambda: not self._pairs)

    def swallow(self) -> None:
        """Keeps connections open and lets nothing through, like a stopped process."""
        self._mode = "swallow"

    def close(self) -> None:
        """Ends the relay."""
        self._ended = True
        self._thread.join(5)
        for pair in self._pairs:
            _close(pair)
        self._listener.close()

    def _relay(self) -> None:
        while not self._ended:
            ends = [end for pair in self._pairs for end in pair] if self._mode == "works" else []
            ready = select.select([self._listener, *ends], [], [], 0.02)[0]
            if self._mode == "cut":
                for pair in self._pairs:
                    _close(pair)
                self._pairs = []
            if self._listener in ready:
                self._accept()
            for pair in list(self._pairs):
                if self._mode == "works" and not all(_pass(a, b) for a, b in (pair, pair[::-1]) if a in ready):
                    _close(pair)
                    self._pairs.remove(pair)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            if self._mode == "cut":
                raise ConnectionRefusedError
            # What is swallowed never arrives anywhere: the target need not exist.
            other = socket.create_connection(self._target) if self._mode == "works" else socket.socket()
        except OSError:
            client.close()
            return
        self._pairs.append((client, other))


def _pass(source: socket.socket, target: socket.socket) -> bool:
    try:
        data = source.recv(65536)
        if data:
            target.sendall(data)
        return bool(data)
    except OSError:
        return False


def _close(pair: tuple[socket.socket, socket.socket]) -> None:
    for end in pair:
        end.close()


def problem_of(response: httpx.Response) -> dict[str, Any]:
    """The problem that a response states, after checking that it has the one shape of them all."""
    assert response.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = response.json()
    assert found["status"] == response.status_code
    assert found["type"].startswith("/problems/")
    assert found["title"]
    assert found["requestId"] == response.headers["x-request-id"]
    return found


def raw(client: httpx.Client, data: bytes, seconds: float = 15.0) -> bytes:
    """Everything that the server answers to these bytes on a connection of their own."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 80), timeout=seconds) as connection:
        connection.sendall(data)
        answer = b""
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while block := connection.recv(65536):
                answer += block
        return answer


def interaction(user: str = "u-1", **fields: Any) -> dict[str, Any]:
    """A valid interaction."""
    return {"userId": user, "interactionType": "VIEW", "contentType": "video", "contentId": "c-1", **fields}


def lines(*items: Any) -> bytes:
    """NDJSON of items; bytes stand as they are."""
    return b"\n".join(item if isinstance(item, bytes) else json.dumps(item).encode() for item in items)
