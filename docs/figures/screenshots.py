"""Draws the pictures of the README: the live page in Debian's chromium, `personalize watch` as the terminal shows it.

`.venv/bin/python docs/figures/screenshots.py`; needs chromium (apt install chromium).
"""

from __future__ import annotations

import asyncio
import io
import shutil
import sys
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from rich.console import Console

from personalize.commands.watch import picture
from personalize.demo.sample_class import NAMED
from personalize.live_run import LiveRun, live_run
from personalize.watching import Look, Watcher

HERE = Path(__file__).parent
COLOURS = 96
"""Of a picture's palette: the page has few, and the files stay small."""
SETTLE_SECONDS = 4.0


def page(browser: Browser, run: LiveRun, name: str, scheme: str, size: tuple[int, int], clip_height: int) -> None:
    """One picture of the page."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    seen = context.new_page()
    seen.goto(run.url + "/")
    seen.wait_for_selector("#learner-now", timeout=60_000)
    seen.fill("#user", NAMED)
    seen.click("#show")
    seen.wait_for_selector(f'#learner-now[data-user="{NAMED}"]', timeout=60_000)
    seen.click("#act-like")
    seen.wait_for_selector("#outcome:has-text('folded')", timeout=60_000)
    seen.wait_for_selector("#ticker .verb")
    seen.wait_for_selector("#experiments .interval", timeout=60_000)
    time.sleep(SETTLE_SECONDS)
    seen.set_viewport_size({"width": size[0], "height": clip_height})
    seen.evaluate("scrollTo(0, 0)")
    shot = seen.screenshot()
    context.close()
    image = Image.open(io.BytesIO(shot)).convert("RGB")
    image = image.crop((0, 0, image.width, min(clip_height, image.height)))
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(HERE / f"{name}.png", optimize=True)


def terminal(run: LiveRun) -> None:
    """The screen of `personalize watch`."""

    async def two_looks() -> Look:
        watcher = Watcher(run.settings, run.servers)
        await watcher.look()
        await asyncio.sleep(3)
        look = await watcher.look()
        await watcher.close()
        return look

    console = Console(record=True, width=92, file=io.StringIO(), force_terminal=True)
    console.print(picture(asyncio.run(two_looks())))
    svg = console.export_svg(title="personalize watch")
    # rich names a font of a content delivery network; a reader's browser must not ask for it.
    svg = svg[: svg.index("@font-face")] + svg[svg.index(".terminal-") :] if "@font-face" in svg else svg
    (HERE / "watch.svg").write_text(svg, encoding="utf-8")


def main() -> None:
    """Draws all of them."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("chromium is not installed: apt install chromium")
    with live_run() as run:
        run.await_recommender()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
            page(browser, run, "page-light", "light", (1360, 900), 1540)
            page(browser, run, "page-dark", "dark", (1360, 900), 1540)
            page(browser, run, "page-phone", "light", (390, 844), 1500)
            browser.close()
        terminal(run)


if __name__ == "__main__":
    main()
