"""How is an answer that lies ready given?  With what it reflects and its version, or as 304 to who has that already."""

from __future__ import annotations

from api.caches import Kept, not_modified
from api.dependencies import Dependencies
from api.freshness import Awaited
from api.problems import Answer


def kept_answer(dependencies: Dependencies, headers: dict[bytes, bytes], kept: Kept, awaited: Awaited) -> Answer:
    """The answer; one that is marked as stale is no version to come back to."""
    answer = dependencies.freshness.headers(kept.seen, awaited, dependencies.now_ms())
    if not awaited.stale:
        answer.append((b"etag", kept.etag))
        if not_modified(headers, kept.etag):
            return Answer(304, answer, b"")
    return Answer(200, [(b"content-type", b"application/json"), *answer], kept.body)
