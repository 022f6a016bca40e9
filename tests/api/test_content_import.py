"""The catalogue comes from a content service page by page; one that is slow, wrong or down is named."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from api_kit import Fold

from api.dependencies import ApiSettings
from personalize import content_service
from personalize.commands.import_ import publish
from personalize.content_service import Pages
from personalize.errors import ProblemError

Answer = Callable[[dict[str, str], dict[str, str]], tuple[int, Any]]


@contextmanager
def service(answer: Answer) -> Iterator[str]:
    """A local content service that answers (query, headers) -> (status, JSON or bytes)."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            status, body = answer(query, {name.lower(): value for name, value in self.headers.items()})
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/items"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def piece(number: int) -> dict[str, Any]:
    return {"contentId": f"imported-{number}", "contentType": "video", "title": f"Piece {number}"}


def paged(query: dict[str, str], headers: dict[str, str]) -> tuple[int, Any]:
    """Three pages of two pieces, the middle one with a piece that is none; only for who has the token."""
    if headers.get("authorization") != "Bearer t":
        return 401, {}
    page = int(query.get("cursor", "0"))
    items: list[Any] = [piece(2 * page), piece(2 * page + 1)]
    if page == 1:
        items.append({"contentId": "imported-x"})
    return 200, {"items": items, "nextCursor": str(page + 1) if page < 2 else None, "total": 6}


def test_every_page_is_in_the_catalogue(api: httpx.Client, fold: Fold, settings: ApiSettings) -> None:
    """All good pieces are published and readable, the bad one is named with its place."""
    with service(paged) as address:
        pages = Pages(address, "t")
        assert asyncio.run(publish(settings.kafka_bootstrap_servers, pages, quiet=True)) == 6
        pages.close()
    assert pages.pages == 3
    assert [(each["page"], each["item"], each["field"]) for each in pages.refused] == [(2, 2, "/contentType")]
    fold(lists=False)
    assert api.get("/api/content/imported-5").json()["title"] == "Piece 5"
    assert api.get("/api/content/imported-x").status_code == 404


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, b"<html>"), "cannot be used"),
        ((200, {"content": []}), "cannot be used"),
        ((200, {"items": [], "nextCursor": "same"}), "the same page again and again"),
        ((401, {}), "status 401"),
        ((503, {}), "status 503"),
    ],
)
def test_a_wrong_service_is_named(answer: tuple[int, Any], said: str) -> None:
    """Whatever is wrong, the error says what and where; only what may pass is tried again."""
    waited: list[float] = []
    with service(lambda *_: answer) as address:
        pages = Pages(address, None, waited.append)
        with pytest.raises(ProblemError, match=said):
            list(iter(pages.next, None))
        pages.close()
    assert waited == ([0.5, 1.0, 2.0] if answer[0] == 503 else [])


def test_a_page_that_fails_once_is_asked_for_again() -> None:
    """A failure that passes costs a wait, no piece."""
    answers: list[tuple[int, Any]] = [(500, {}), (200, {"items": [piece(1)], "nextCursor": None})]
    with service(lambda *_: answers.pop(0)) as address:
        pages = Pages(address, None, lambda _: None)
        assert [key for key, _ in pages.next() or ()] == [b"imported-1"]
        assert pages.next() is None
        pages.close()


def test_a_service_that_is_slow_or_down_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the last attempt the command ends with what to check."""
    monkeypatch.setattr(content_service, "TIMEOUT_SECONDS", 0.05)
    released = threading.Event()

    def slow(*_: Any) -> tuple[int, Any]:
        released.wait(10)
        return 200, {"items": []}

    with service(slow) as address:
        pages = Pages(address, None, lambda _: None)
        with pytest.raises(ProblemError, match="ReadTimeout"):
            pages.next()
        pages.close()
        released.set()
    pages = Pages("http://127.0.0.1:1/items", None, lambda _: None)
    with pytest.raises(ProblemError, match=r"ConnectError.*CONTENT_SERVICE_URL"):
        pages.next()
    pages.close()
