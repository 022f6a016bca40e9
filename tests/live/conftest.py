"""The whole engine, running for the session, and a real browser: Debian's chromium, driven by playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
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


@pytest.fixture(scope="session")
def engine() -> Iterator[LiveRun]:
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
