"""Idempotency keys: the same key is the same request, whoever answers, and never another one."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from api_kit import Fold, interaction, problem_of

from api.access.callers import ANYBODY, Caller
from api.access.rules import PROTECTED
from api.dependencies import ApiSettings
from api.idempotency import Idempotency
from api.problems import Answer, ProblemError, problem
from projections.stores.redis_bookkeeping import Bookkeeping


def key() -> dict[str, str]:
    """The header of a new key."""
    return {"idempotency-key": uuid.uuid4().hex}


def test_events_without_ids_are_published_once(api: httpx.Client, fold: Fold) -> None:
    """The second answer is the first again, with its minted ids; nothing more is published."""
    header, user = key(), f"i-{uuid.uuid4().hex[:8]}"
    first = api.post("/api/interactions", json=[interaction(user)], headers=header)
    again = api.post("/api/interactions", json=[interaction(user)], headers=header)
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert len([record for record in fold.records() if record.key == user.encode()]) == 1
    other = api.post("/api/interactions", json=[interaction(user)], headers=key())
    assert other.json()["eventIds"] != first.json()["eventIds"]


def test_another_body_is_refused(api: httpx.Client) -> None:
    """A key that was used cannot mean something else."""
    header = key()
    assert api.post("/api/interactions", json=interaction("i-1"), headers=header).status_code == 202
    refused = problem_of(api.post("/api/interactions", json=interaction("i-2"), headers=header))
    assert (refused["status"], refused["type"]) == (422, "/problems/idempotency-key-reused")


def test_failures_are_not_kept(api: httpx.Client) -> None:
    """After a refusal the same key may carry the corrected request."""
    header = key()
    assert api.post("/api/interactions", json={"userId": "i-3"}, headers=header).status_code == 422
    assert api.post("/api/interactions", json=interaction("i-3"), headers=header).status_code == 202


def test_commands_keep_their_id(api: httpx.Client, fold: Fold) -> None:
    """A command without a verdict yet is asked again under the same id, and then answered with its verdict."""
    header, body = key(), {"userId": f"i-{uuid.uuid4().hex[:8]}"}
    pending = api.post("/api/profile", json=body, headers={**header, "prefer": "wait=0"})
    assert pending.status_code == 202
    with fold.meanwhile():
        done = api.post("/api/profile", json=body, headers={**header, "prefer": "wait=10"})
    assert (done.status_code, done.json()["commandId"]) == (201, pending.json()["commandId"])
    again = api.post("/api/profile", json=body, headers=header)
    assert (again.status_code, again.json(), again.headers["location"]) == (201, done.json(), done.headers["location"])


@pytest.fixture
def bookkeeping(settings: ApiSettings) -> Iterator[Any]:
    """Makes a Bookkeeping in the loop that asks for it."""
    assert settings.redis is not None
    return lambda: Bookkeeping(settings.redis)


def test_under_way_and_other_callers(bookkeeping: Any) -> None:
    """While a request is under way its key is a 409; another caller's equal key is another key; a crash frees it."""

    def scope(caller: Caller) -> dict[str, Any]:
        return {"method": "POST", "raw_path": b"/x", "query_string": b"", "state": {PROTECTED: caller}}

    async def main() -> None:
        store = bookkeeping()
        idempotency = Idempotency(store)
        headers = {b"idempotency-key": uuid.uuid4().hex.encode()}
        gate = asyncio.Event()
        served: list[int] = []

        async def slow() -> Answer:
            served.append(1)
            await gate.wait()
            return Answer(200, [(b"x", b"y")], b"\x00\xff")

        async def fails() -> Answer:
            raise problem(503, "later")

        first = asyncio.create_task(idempotency.once(scope(ANYBODY), headers, b"b", slow))
        while not served:
            await asyncio.sleep(0.01)
        with pytest.raises(ProblemError) as refused:
            await idempotency.once(scope(ANYBODY), headers, b"b", slow)
        assert refused.value.problem.status == 409
        other = asyncio.create_task(idempotency.once(scope(Caller(name="key:other")), headers, b"else", slow))
        gate.set()
        assert (await other) == (await first)
        replayed = await idempotency.once(scope(ANYBODY), headers, b"b", fails)
        assert (replayed.status, replayed.body, replayed.headers[0]) == (200, b"\x00\xff", (b"x", b"y"))
        assert len(served) == 2
        fresh = {b"idempotency-key": uuid.uuid4().hex.encode()}
        with pytest.raises(ProblemError):
            await idempotency.once(scope(ANYBODY), fresh, b"b", fails)
        assert (await idempotency.once(scope(ANYBODY), fresh, b"b", slow)).status == 200
        await store.close()

    asyncio.run(main())
