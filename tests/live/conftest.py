"""The whole engine, running for the session, and a real browser: Debian's chromium, driven by playwright."""

from __future__ import annotations

import gzip
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from personalize.live_run import LiveRun, live_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of this folder; without a browser those of the page are skipped, and say how to get one."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.servers)
            if item.get_closest_marker("browser") and shutil.which("chromium") is None:
                item.add_marker(pytest.mark.skip(reason="chromium is not installed: apt install chromium"))


class Collector(ThreadingHTTPServer):
    """Takes traces as an OpenTelemetry collector does: OTLP over HTTP."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _TakeTraces)
        self.spans: list[tuple[str, str, str]] = []
        """(trace, service, name)."""
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _TakeTraces(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        for part in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {one.key: one.value.string_value for one in part.resource.attributes}
            self.server.spans += [
                (span.trace_id.hex(), names["service.name"], span.name)
                for scope in part.scope_spans
                for span in scope.spans
            ]
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """Where the engine's processes send their traces."""
    with Collector() as running, pytest.MonkeyPatch.context() as environment:
        environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{running.server_address[1]}")
        yield running
        running.shutdown()


@pytest.fixture
def collected(collector: Collector) -> Callable[[str], set[tuple[str, str]]]:
    """Trace → its (service, span) so far."""
    return lambda trace: {(service, name) for one, service, name in list(collector.spans) if one == trace}


@pytest.fixture(scope="session")
def engine(collector: Collector) -> Iterator[LiveRun]:
    """The whole engine with the sample class."""
    with live_run() as run:
        yield run


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One chromium for the session."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser
        browser.close()


class Watched:
    """A page and everything that it must not do."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.page: Page = context.new_page()
        self.url = url
        self.console: list[str] = []
        self.outside: list[str] = []
        self.page.on(
            "console", lambda said: self.console.append(said.text) if said.type in {"error", "warning"} else None
        )
        self.page.on("pageerror", lambda error: self.console.append(str(error)))
        self.page.on(
            "request", lambda sent: None if sent.url.startswith((url, "data:")) else self.outside.append(sent.url)
        )

    def open(self, user: str = "ada") -> Page:
        """Goes to the page and looks at a learner."""
        self.page.goto(self.url + "/")
        self.page.wait_for_selector("#learner-now", timeout=60_000)
        self.look(user)
        return self.page

    def look(self, user: str) -> None:
        """Looks at a learner by the form, as a person would."""
        self.page.fill("#user", user)
        self.page.click("#show")
        self.page.wait_for_selector(f'#learner-now[data-user="{user}"]', timeout=60_000)


@pytest.fixture
def watched(engine: LiveRun, browser: Browser, request: pytest.FixtureRequest) -> Iterator[Watched]:
    """A fresh page; ends the test if the page asked for anything elsewhere or complained on its console."""
    options = getattr(request, "param", {})
    context = browser.new_context(**{"viewport": {"width": 1440, "height": 1000}, **options})
    seen = Watched(context, engine.url)
    yield seen
    if os.environ.get("PERSONALIZE_SCREENSHOTS"):
        seen.page.screenshot(path=f"{os.environ['PERSONALIZE_SCREENSHOTS']}/{request.node.name}.png", full_page=True)
    context.close()
    assert seen.outside == []
    assert seen.console == []
