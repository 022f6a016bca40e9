"""Other services add to lists when they answer rightly and in time; slow, wrong or down, they change nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from api_kit import Fold, interaction, running, until

from api.dependencies import ApiSettings
from api.metrics import Metrics
from api.neighbours import client
from api.neighbours.finishing import Finishing, finishing
from api.neighbours.settings import NeighbourSettings
from projections.reads import ready_list
from projections.reads.ready_list import ReadyList

Behaviour = Callable[[str, dict[str, Any], dict[str, str]], Any]
"""(path, question, headers) -> answer as JSON, bytes as they are, or an int: that status."""


class FakeService:
    """A local HTTP server that answers as told, and remembers what it was asked."""

    def __init__(self, behave: Behaviour, delay_seconds: float = 0.0) -> None:
        self.asked: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self._behave = behave
        self._delay = delay_seconds
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> FakeService:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            await self._answer(reader, writer)
        finally:
            self._serving.discard(task)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        question = json.loads(await reader.readexactly(int(headers["content-length"])))
        path = head[0].split()[1]
        self.asked.append((path, question, headers))
        await asyncio.sleep(self._delay)
        answer = self._behave(path, question, headers)
        status, body = (answer, b"") if isinstance(answer, int) else (200, answer)
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        writer.write(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (status, len(data), data))
        await writer.drain()


def some_list() -> ReadyList:
    items = [
        {
            "type": "hybrid",
            "contentId": f"c-{rank}",
            "contentType": "video",
            "title": f"Title {rank}",
            "reason": "Because you like algebra." if rank % 2 else "Popular.",
            "rank": rank,
        }
        for rank in range(1, 5)
    ]
    packed = ready_list.pack([msgspec.json.encode(item) for item in items], generated_at_ms=7, as_of_ms=5)
    return msgspec.structs.replace(packed, slot_rank=4, explored=True, propensity=0.1)


async def _yes(_: str) -> bool:
    return True


async def _no(_: str) -> bool:
    return False


def shown(ready: ReadyList) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ready.body(100))
    return found


def outcomes(metrics: Metrics, neighbour: str) -> dict[str, float]:
    return {
        sample.labels["outcome"]: sample.value
        for family in metrics.neighbours.collect()
        for sample in family.samples
        if sample.name.endswith("_total") and sample.labels["neighbour"] == neighbour
    }


def made(settings: NeighbourSettings, metrics: Metrics, consents: Any = _yes) -> Finishing:
    found = finishing(settings, consents, metrics)
    assert found is not None
    return found


def kinder(_path: str, question: dict[str, Any], _headers: dict[str, str]) -> Any:
    reasons = json.loads(question["messages"][1]["content"])
    return {"choices": [{"message": {"content": json.dumps({"reasons": [f"Kindly: {r}" for r in reasons]})}}]}


def test_nothing_is_configured_nothing_is_asked() -> None:
    """Without addresses there is nothing behind the lists at all."""
    assert finishing(NeighbourSettings(), _yes, Metrics()) is None


def test_violations_leave_the_list_from_the_next_read_on() -> None:
    """The first answer waits for nobody; the next is without the item, its ranks closed up, the draw undone."""

    def forbid(path: str, question: dict[str, Any], _headers: dict[str, str]) -> Any:
        assert path == "/v1/validate-list"
        assert set(question["items"][0]) == {"contentId", "title", "contentType", "type", "reason"}
        return {"violations": [{"contentId": "c-2", "rule": "no gambling"}]}

    async def run() -> None:
        async with FakeService(forbid) as service:
            metrics = Metrics()
            work = made(NeighbourSettings(ai_model_service_url=service.url), metrics)
            ready = some_list()
            assert work.finished("u-1", ready) is ready
            await work.settle()
            found = work.finished("u-1", ready)
            assert [item["contentId"] for item in shown(found)] == ["c-1", "c-3", "c-4"]
            assert [item["rank"] for item in shown(found)] == [1, 2, 3]
            assert (found.slot_rank, found.explored, found.propensity) == (0, False, 1.0)
            assert (found.generated_at_ms, found.as_of_ms) == (7, 5)
            assert len(service.asked) == 1
            assert outcomes(metrics, "ai-models") == {"ok": 1.0}
            assert "personalize_api_list_violations_total 1.0" in metrics.exposition().decode()
            await work.close()

    asyncio.run(run())


def test_reasons_are_worded_only_with_consent_and_without_ids() -> None:
    """The model sees distinct reasons and a key, nothing of the learner; without consent it is not asked."""

    async def run() -> None:
        async with FakeService(kinder) as service:
            settings = NeighbourSettings(openai_api_key="sk-1", openai_base_url=service.url, openai_model="m")
            metrics = Metrics()
            refused = made(settings, metrics, _no)
            assert refused.finished("secret-learner", some_list()).ends
            await refused.settle()
            assert service.asked == []
            work = made(settings, metrics)
            work.finished("secret-learner", some_list())
            await work.settle()
            found = shown(work.finished("secret-learner", some_list()))
            assert {item["reason"] for item in found} == {"Kindly: Because you like algebra.", "Kindly: Popular."}
            ((path, question, headers),) = service.asked
            assert path == "/chat/completions"
            assert headers["authorization"] == "bearer sk-1"
            assert "secret-learner" not in json.dumps(question)
            assert "c-1" not in json.dumps(question)
            await work.close()
            await refused.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (500, "error"),
        (302, "error"),
        (b"no json", "wrong"),
        ({"violations": "many"}, "wrong"),
        ({"violations": [{"contentId": "of another list", "rule": "r"}]}, "wrong"),
        (b" " * (client.MOST_ANSWER_BYTES + 1), "wrong"),
    ],
)
def test_a_wrong_answer_changes_nothing(answer: Any, outcome: str) -> None:
    """Whatever comes back that cannot be used, the list stays as it was; the next read asks again."""

    async def run() -> None:
        async with FakeService(lambda *_: answer) as service:
            metrics = Metrics()
            work = made(NeighbourSettings(ai_model_service_url=service.url), metrics)
            ready = some_list()
            for _ in range(2):
                assert work.finished("u", ready) is ready
                await work.settle()
            assert outcomes(metrics, "ai-models") == {outcome: 2.0}
            await work.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    "content",
    ["[]", '{"reasons": ["one"]}', '{"reasons": ["<script>", "b"]}', '{"reasons": ["", "b"]}', '{"reasons": [1, 2]}'],
)
def test_words_that_cannot_be_used_are_not(content: str) -> None:
    """Too few, empty, marked-up or no reasons: the list keeps its own."""

    async def run() -> None:
        async with FakeService(lambda *_: {"choices": [{"message": {"content": content}}]}) as service:
            metrics = Metrics()
            work = made(NeighbourSettings(openai_api_key="k", openai_base_url=service.url), metrics)
            ready = some_list()
            work.finished("u", ready)
            await work.settle()
            assert work.finished("u", ready) is ready
            assert outcomes(metrics, "openai")["wrong"] >= 1
            await work.settle()
            await work.close()

    asyncio.run(run())


def test_a_slow_service_is_given_up_and_one_that_is_down_is_left_alone() -> None:
    """After three failures in a row nothing is asked any more for a while, and lists are served as ever."""

    async def run() -> None:
        metrics = Metrics()
        async with FakeService(lambda *_: {"violations": []}, delay_seconds=5.0) as slow:
            work = made(NeighbourSettings(ai_model_service_url=slow.url, timeout_seconds=0.05), metrics)
            for _ in range(5):
                ready = some_list()
                assert work.finished("u", ready) is ready
                await work.settle()
            assert len(slow.asked) == client.FAILURES_TO_REST
            assert outcomes(metrics, "ai-models") == {"timeout": 3.0, "skipped": 2.0}
            await work.close()
        down = made(NeighbourSettings(openai_api_key="k", openai_base_url="http://127.0.0.1:1"), metrics)
        ready = some_list()
        assert down.finished("u", ready) is ready
        await down.settle()
        assert outcomes(metrics, "openai") == {"error": 1.0}
        await down.close()

    asyncio.run(run())


def test_a_service_that_rested_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the rest one question tries whether it is back."""
    monkeypatch.setattr(client, "REST_SECONDS", 0.0)
    answers: list[Any] = [500, 500, 500, {"violations": []}]

    async def run() -> None:
        async with FakeService(lambda *_: answers.pop(0)) as service:
            metrics = Metrics()
            work = made(NeighbourSettings(ai_model_service_url=service.url), metrics)
            for _ in range(4):
                work.finished("u", some_list())
                await work.settle()
            assert outcomes(metrics, "ai-models") == {"error": 3.0, "ok": 1.0}
            await work.close()

    asyncio.run(run())


def test_lists_over_http(settings: ApiSettings, fold: Fold) -> None:
    """While the service is down, lists are served all the same, and its failures are counted."""
    down = replace(settings, neighbours=NeighbourSettings(ai_model_service_url="http://127.0.0.1:1"))
    with running(down) as api:
        api.post("/api/interactions", json=[interaction("n-1", contentId=f"c-{number}") for number in range(3)])
        fold()
        assert {api.get("/api/recommendations/n-1").status_code for _ in range(3)} == {200}
        until(lambda: 'neighbour="ai-models",outcome="error"' in api.get("/metrics").text)
