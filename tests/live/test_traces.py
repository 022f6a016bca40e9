"""One request is one trace, over three processes: what they send to a collector says so."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from personalize.live_run import LiveRun

pytestmark = pytest.mark.dashboards
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPANS = {
    ("personalize-api", "POST /api/interactions"),
    ("personalize-worker", "interactions transaction"),
    ("personalize-recommender", "interactions lists"),
}


def test_api_worker_and_recommender_share_a_trace(
    engine: LiveRun, collected: Callable[[str], set[tuple[str, str]]]
) -> None:
    engine.await_recommender()
    event = {"userId": "ada", "interactionType": "VIEW", "contentType": "video", "contentId": "algebra-1-video"}
    caller = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    assert engine.ask("POST", "/api/interactions", event, headers=caller).status == 202
    deadline = time.monotonic() + 60
    while not collected(TRACE) >= SPANS:
        assert time.monotonic() < deadline, f"only {collected(TRACE)} came"
        time.sleep(0.2)
    assert collected(TRACE) == SPANS
