"""Changes arrive as they happen, for whom they concern, and a client that comes back misses nothing or is told so."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest
from api_kit import Fold, interaction, problem_of, running, until

from api import stream
from api.dependencies import ApiSettings
from api.problems import ProblemError
from api.stream import RESET, Client, Streams
from projections.stores.redis_changes import Change, ChangesAwayError


class Listener:
    """Reads a stream in a thread."""

    def __init__(self, api: httpx.Client, **parameters: str) -> None:
        headers = {"last-event-id": parameters.pop("last_id")} if "last_id" in parameters else {}
        self.events: list[tuple[str, str, Any]] = []
        self.ended = threading.Event()
        self._open = threading.Event()
        self._client = httpx.Client(base_url=api.base_url, timeout=60)
        self._thread = threading.Thread(target=self._read, args=(parameters, headers), daemon=True)
        self._thread.start()
        assert self._open.wait(20)

    def _read(self, parameters: dict[str, str], headers: dict[str, str]) -> None:
        with (
            contextlib.suppress(httpx.HTTPError),
            self._client.stream("GET", "/api/stream", params=parameters, headers=headers) as response,
        ):
            assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
            self._socket = response.extensions["network_stream"].get_extra_info("socket")
            found: dict[str, str] = {}
            for line in response.iter_lines():
                name, _, value = line.partition(": ")
                if name == "retry":
                    self._open.set()
                elif line:
                    found[name] = value
                elif "event" in found:
                    self.events.append((found["event"], found.get("id", ""), json.loads(found["data"])))
                    found = {}
        self.ended.set()

    def of(self, kind: str) -> list[tuple[str, Any]]:
        return [(entry_id, data) for event, entry_id, data in list(self.events) if event == kind]

    def close(self) -> None:
        with contextlib.suppress(OSError):  # the server was faster
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the reader, who would wait for the next heartbeat
        self._thread.join(20)
        self._client.close()


@pytest.fixture
def listen(api: httpx.Client) -> Iterator[Any]:
    listeners: list[Listener] = []

    def open_one(**parameters: str) -> Listener:
        listeners.append(Listener(api, **parameters))
        return listeners[-1]

    yield open_one
    for listener in listeners:
        listener.close()


def complete(api: httpx.Client, fold: Fold, user: str, count: int = 1) -> None:
    events = [interaction(user, interactionType="COMPLETE", contentId=f"c-{n}") for n in range(count)]
    assert api.post("/api/interactions", json=events).status_code == 202
    fold()


def test_each_hears_what_concerns_them(api: httpx.Client, fold: Fold, listen: Any) -> None:
    """A learner's stream tells of that learner alone, one that names none of everybody, and all of what is popular."""
    complete(api, fold, "s-1")
    mine, others, stranger = listen(userId="s-1"), listen(userId="s-2"), listen(userId="s-9")
    everybody = listen(topics="achievement,profile")
    complete(api, fold, "s-1", 12)
    unlocked = until(lambda: mine.of("achievement"))
    assert {data["userId"] for _, data in unlocked} == {"s-1"}
    assert unlocked[0][1]["achievementId"]
    assert until(lambda: mine.of("profile"))[0][1]["userId"] == "s-1"
    assert until(lambda: mine.of("recommendations"))
    assert until(lambda: mine.of("trending"))[0][1][0]["contentId"].startswith("c-")
    assert until(lambda: everybody.of("achievement"))[0][1]["userId"] == "s-1"
    assert until(lambda: everybody.of("profile"))[0][1]["learners"] == 1
    assert not everybody.of("trending")
    assert not others.of("profile")
    assert not others.of("achievement")
    complete(api, fold, "s-9")  # unknown when the stream was opened
    assert until(lambda: stranger.of("profile"))[0][1]["userId"] == "s-9"


def test_a_stream_is_resumed_where_it_was_left(api: httpx.Client, fold: Fold, listen: Any) -> None:
    """What came while the client was away is told in order, each once; an id that is too old gives a reset."""
    complete(api, fold, "s-3")
    first = listen(userId="s-3", topics="profile")
    for _ in range(3):
        complete(api, fold, "s-3")
    seen = until(lambda: len(first.of("profile")) == 3 and first.of("profile"))
    first.close()
    complete(api, fold, "s-3")
    again = listen(userId="s-3", topics="profile", last_id=seen[0][0])
    complete(api, fold, "s-3")
    told = until(lambda: len(again.of("profile")) >= 4 and again.of("profile"))
    assert [entry_id for entry_id, _ in told][:2] == [entry_id for entry_id, _ in seen[1:]]
    assert len({entry_id for entry_id, _ in told}) == len(told) == 4
    assert not again.of("reset")
    for unknown in ("1-0", "of another system"):
        assert until(partial(listen(last_id=unknown).of, "reset"))


def test_refusals(api: httpx.Client) -> None:
    """Unknown topics, bad ids and parameters are named."""
    for parameters, headers in (({"topics": "weather"}, {}), ({"userId": "u" * 129}, {}), ({"user": "u"}, {})):
        assert problem_of(api.get("/api/stream", params=parameters, headers=headers))["status"] == 400


def test_it_ends_with_the_server(settings: ApiSettings) -> None:
    """An open stream does not hold up the end of the process."""
    with running(settings) as api:
        listener = Listener(api)
        began = time.monotonic()
    assert listener.ended.wait(20)
    assert time.monotonic() - began < 9  # requests under way would be given 10 s
    listener.close()


class FakeChanges:
    """A stream of changes that a test writes."""

    def __init__(self) -> None:
        self.entries: asyncio.Queue[list[Change]] = asyncio.Queue()
        self.away = False

    async def newest(self) -> str:
        return "0-0"

    async def after(self, _: str) -> list[Change]:
        if self.away:
            self.away = False
            raise ChangesAwayError
        return await self.entries.get()

    async def close(self) -> None:
        return


async def _nothing(*_: Any) -> Any:
    return {}


def _streams(changes: FakeChanges) -> Streams:
    return Streams(changes, _nothing, _nothing, _nothing, ValueError)  # type: ignore[arg-type]


def test_a_slow_client_is_told_to_read_again() -> None:
    """What waits for a client is bounded: one event too many and all of it becomes a reset."""
    client = Client(topics=frozenset(), user_id=None, learner_key=None)
    for number in range(stream.MOST_WAITING):
        client.put(b"%d" % number)
    assert len(client.waiting) == stream.MOST_WAITING
    client.put(b"one more")
    assert list(client.waiting) == [RESET]


def test_quiet_and_lost_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quiet stream beats its heart; one that lost Redis says reset and goes on when Redis is back."""
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.02)
    monkeypatch.setattr(stream, "AGAIN_SECONDS", 0.0)

    async def run() -> list[bytes]:
        changes = FakeChanges()
        streams = _streams(changes)
        client = Client(topics=frozenset({"profile"}), user_id="u", learner_key=7)
        events = await streams.open(client, None)
        heard = [await anext(events), await anext(events)]
        assert streams.count == 1
        changes.away = True
        changes.entries.put_nowait([Change("5-0", "profile", 3, (7,), {})])
        while b"event: reset" not in b"".join(heard) or b"id: 6-0" not in b"".join(heard):
            heard.append(await anext(events))
            if b"event: reset" in heard[-1]:
                changes.entries.put_nowait([Change("6-0", "profile", 4, (), {})])
        await events.aclose()  # type: ignore[attr-defined]
        assert streams.count == 0
        await streams.close()
        return heard

    heard = asyncio.run(run())
    assert heard[0].startswith(b"retry: ")
    assert heard[1] == b":\n\n"


def test_clients_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One client too many is refused, with a time to come back."""
    monkeypatch.setattr(stream, "MOST_CLIENTS", 1)

    async def run() -> None:
        streams = _streams(FakeChanges())
        events = await streams.open(Client(topics=frozenset(), user_id=None, learner_key=None), None)
        await anext(events)
        with pytest.raises(ProblemError) as refused:
            await streams.open(Client(topics=frozenset(), user_id=None, learner_key=None), None)
        assert refused.value.problem.status == 503
        await events.aclose()  # type: ignore[attr-defined]
        await streams.close()

    asyncio.run(run())
