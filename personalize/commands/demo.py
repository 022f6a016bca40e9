"""`personalize demo`: real traffic for servers whose worker and API run elsewhere, such as in containers."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from typing import Annotated

import typer

from personalize.connection import endpoints
from personalize.settings import Settings

app = typer.Typer(add_completion=False)


@app.command()
def command(rate: Annotated[float, typer.Option(min=0.01, help="Live events a second.")] = 5.0) -> None:
    """Publish the bundled history, wait until it is folded, then publish live traffic until Ctrl-C."""
    settings = Settings.load()
    servers = endpoints(settings)
    from personalize.demo_session import DemoSession

    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    settings.home.mkdir(parents=True, exist_ok=True)
    asyncio.run(DemoSession(settings, servers, begun=time.monotonic()).run(rate, stopping.is_set))
