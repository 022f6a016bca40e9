"""How is another service asked?  With a time-out, a bounded answer, and a rest after it failed repeatedly."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import httpx

from api.metrics import Metrics

TIMEOUT_SECONDS = 2.0
MOST_ANSWER_BYTES = 256 * 1024
FAILURES_TO_REST = 3
"""So many in a row, and the service is left alone."""
REST_SECONDS = 30.0
"""For this long; then one question tries whether it is back."""


class SkippedError(Exception):
    """The service gave no usable answer; what it would have added is left out."""


class Neighbour:
    """Asks one service.

    Args:
        name: label of its metrics.
        base_url: where it is.
        metrics: where questions are counted by outcome.
        headers: of every question, such as a key.
        timeout_seconds: for the whole answer to begin and each part to arrive.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        metrics: Metrics,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._metrics = metrics
        self._clock = clock
        self._client = httpx.AsyncClient(
            base_url=base_url.rstrip("/") + "/",
            headers={"accept": "application/json", "user-agent": "personalize", **(headers or {})},
            timeout=timeout_seconds,
            follow_redirects=False,
            trust_env=False,
            limits=httpx.Limits(max_connections=16, max_keepalive_connections=4),
        )
        self._failures = 0
        self._rest_until = -1.0

    async def ask(self, path: str, body: bytes) -> bytes:
        """What the service answers to a POST with JSON.

        Raises:
            SkippedError: it rests, does not answer in time, or answers with anything but 200 and a bounded body.
        """
        if self._clock() < self._rest_until:
            self.count("skipped")
            raise SkippedError
        try:
            answer = await self._post(path, body)
        except httpx.TimeoutException:
            raise self._failed("timeout") from None
        except httpx.HTTPError:
            raise self._failed("error") from None
        self._failures = 0
        return answer

    def wrong(self) -> SkippedError:
        """Notes that an answer could not be used; the error to raise."""
        return self._failed("wrong")

    def count(self, outcome: str) -> None:
        """Counts a question: ok, timeout, error, wrong (an answer that cannot be used), skipped."""
        self._metrics.neighbours.labels(self._name, outcome).inc()

    async def close(self) -> None:
        """Ends the connections."""
        await self._client.aclose()

    async def _post(self, path: str, body: bytes) -> bytes:
        headers = {"content-type": "application/json"}
        async with self._client.stream("POST", path, content=body, headers=headers) as response:
            found = b""
            async for chunk in response.aiter_bytes():
                found += chunk
                if len(found) > MOST_ANSWER_BYTES:
                    raise self._failed("wrong")
            if response.status_code != 200:
                raise self._failed("error")
            return found

    def _failed(self, outcome: str) -> SkippedError:
        self.count(outcome)
        self._failures += 1
        if self._failures >= FAILURES_TO_REST:
            self._rest_until = self._clock() + REST_SECONDS
        return SkippedError()
