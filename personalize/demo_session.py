"""What does the main job do once the processes run?  Publish real clicks, show how the folds follow, go on live.

Progress goes to a bar on a terminal and to a line every few seconds elsewhere.
"""

from __future__ import annotations

import asyncio
import http.client
import time
from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np
import psycopg
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from personalize.commands.output import console
from personalize.demo import oulad
from personalize.demo.publishing import DemoState, publish_catalogue, publish_history, stream_live
from personalize.demo.records import user_id
from personalize.demo.timeline import Timeline, split, timeline
from personalize.errors import StackError
from personalize.lag import LagMeter, Position
from personalize.settings import Settings
from personalize.stack import Endpoints
from personalize.stack.ports import LOOPBACK
from schemas.topics import INTERACTIONS

_READY_SECONDS: Final = 90.0
_TICK_SECONDS: Final = 0.25
_LINE_SECONDS: Final = 5.0
_LIVE_LINE_SECONDS: Final = 30.0
_SAVE_SECONDS: Final = 1.0
_RATE_SECONDS: Final = 5.0


class DemoSession:
    """One demo, from the first record to the end of the live traffic."""

    def __init__(self, settings: Settings, servers: Endpoints, *, begun: float) -> None:
        self._servers = servers
        self._host, self._port = settings.host, settings.port
        self._begun = begun  # a monotonic time
        self._state_path = settings.home.absolute() / "demo.json"
        self._stop = asyncio.Event()

    async def run(self, rate: float, ended: Callable[[], bool]) -> None:
        """Publishes the history if that was not done yet, says what to try, then publishes live traffic.

        Args:
            rate: live events a second.
            ended: asked ten times a second whether to stop; may raise to stop with an error.

        Raises:
            StackError: the API does not come up.
        """
        watcher = asyncio.create_task(self._watch(ended))
        work = asyncio.create_task(self._work(rate))
        done, pending = await asyncio.wait({watcher, work}, return_when=asyncio.FIRST_COMPLETED)
        self._stop.set()
        if watcher in done:  # asked to stop, or a process cannot be helped: nothing more is worth waiting for
            _, pending = await asyncio.wait(pending, timeout=5.0)
        for task in pending:
            task.cancel()
        outcomes = await asyncio.gather(watcher, work, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException) and not isinstance(outcome, asyncio.CancelledError):
                raise outcome

    async def _watch(self, ended: Callable[[], bool]) -> None:
        while not ended():  # noqa: ASYNC110  asks processes and a threading.Event, which cannot be awaited
            await asyncio.sleep(0.1)

    async def _work(self, rate: float) -> None:
        table = await asyncio.to_thread(oulad.read)
        state, line = self._timeline(table)
        async with LagMeter(self._servers.kafka, self._servers.database_url, INTERACTIONS.name) as meter:
            if not state.history_done:
                await self._history(table, line, meter)
                state.history_done = True
                state.save(self._state_path)
            await self._greet(line)
            await self._live(table, line, state, rate, meter)

    def _timeline(self, table: oulad.Oulad) -> tuple[DemoState, Timeline]:
        """The state of an earlier start, or a new one whose history ends now."""
        state = DemoState.load(self._state_path)
        now_ms = int(time.time() * 1000)
        if state is None:
            line = timeline(table.clicks, now_ms)
            state = DemoState(shift_ms=line.shift_ms, cut_ms=now_ms)
            state.save(self._state_path)
            return state, line
        return state, split(table.clicks, state.shift_ms, state.cut_ms)

    # -- history -------------------------------------------------------------------------------------------------

    async def _history(self, table: oulad.Oulad, line: Timeline, meter: LagMeter) -> None:
        sites = await publish_catalogue(self._servers.kafka, table)
        total = len(line.history)
        console.print(
            f"publishing {total:,} clicks of {len(np.unique(line.history.student)):,} Open University learners"
            f" on {sites:,} sites (OULAD, module AAA 2013J, CC BY 4.0)"
        )
        start = await meter.read()
        publishing = asyncio.create_task(publish_history(self._servers.kafka, table, line))
        with _FoldProgress(total) as shown:
            try:
                while True:
                    position = await self._position(meter)
                    if position is not None:
                        shown.show(position, start)
                    if publishing.done():
                        publishing.result()
                        if position is not None and position.lag == 0:
                            return
                    await asyncio.sleep(_TICK_SECONDS)
            finally:
                publishing.cancel()

    async def _position(self, meter: LagMeter) -> Position | None:
        """The position now, or None while Postgres is away: the worker waits for it too."""
        try:
            return await meter.read()
        except psycopg.OperationalError:
            return None

    # -- live ----------------------------------------------------------------------------------------------------

    async def _live(self, table: oulad.Oulad, line: Timeline, state: DemoState, rate: float, meter: LagMeter) -> None:
        saved = shown = time.monotonic()

        def advanced(position: int) -> None:
            nonlocal saved
            state.live_position = position
            if time.monotonic() - saved > _SAVE_SECONDS:
                saved = time.monotonic()
                state.save(self._state_path)

        stream = asyncio.create_task(
            stream_live(
                self._servers.kafka,
                table,
                line,
                self._stop,
                rate=rate,
                position=state.live_position,
                on_progress=advanced,
            )
        )
        try:
            while not stream.done():
                await asyncio.wait({stream}, timeout=1.0)
                if time.monotonic() - shown > _LIVE_LINE_SECONDS:
                    shown = time.monotonic()
                    position = await self._position(meter)
                    lag = "unknown, Postgres does not answer" if position is None else f"{position.lag:,}"
                    console.print(f"live: {state.live_position:,} events so far, lag {lag}")
            state.live_position = stream.result()
        finally:
            stream.cancel()
            state.save(self._state_path)

    # -- the API -------------------------------------------------------------------------------------------------

    async def _await_api(self) -> None:
        await self._until(lambda: self._get("/livez"), "The API did not answer")

    async def _until(self, ask: Callable[[], int], what: str) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while await asyncio.to_thread(ask) != 200:
            if time.monotonic() > deadline:
                raise StackError(
                    f"{what} within {_READY_SECONDS:.0f} s.", f"read {self._state_path.parent}/logs/api.log"
                )
            await asyncio.sleep(0.1)

    def _get(self, path: str) -> int:
        """The status of a GET; 0 while nobody answers."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=5)
        try:
            # In a container network the API has another name; it answers to this one.
            connection.request("GET", path, headers={"Host": f"{LOOPBACK}:{self._port}"})
            answer = connection.getresponse()
            body = answer.read()
            return answer.status if body not in {b"", b"[]"} or path == "/livez" else 0
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    async def _greet(self, line: Timeline) -> None:
        """Waits until a recommendation can be read, and prints what to try."""
        await self._await_api()
        students, counts = np.unique(line.history.student, return_counts=True)
        learner = user_id(int(students[np.argmax(counts)]))
        await self._until(
            lambda: self._get(f"/api/recommendations/{learner}?limit=3"), "No recommendation could be read"
        )
        seconds = time.monotonic() - self._begun
        base = f"http://{LOOPBACK}:{self._port}"
        console.print(f"\nfirst recommendation readable after {seconds:.1f} s; now live. Open {base}/ or try:\n")
        console.print(f"  curl '{base}/api/recommendations/{learner}?limit=5'")
        console.print(f"  curl '{base}/api/profile/{learner}'")
        console.print(f"  curl '{base}/api/trending'\n")
        console.print("Ctrl-C stops everything; the data stay.")


class _FoldProgress:
    """Shows how many of the published events are folded, how fast, and how far behind."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._line_at = time.monotonic()
        self._recent = deque([(self._line_at, 0)])
        self._bar: Progress | None = None

    def __enter__(self) -> _FoldProgress:
        if console.is_terminal:
            self._bar = Progress(
                TextColumn("folded"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]:>9,.0f} events/s  lag {task.fields[lag]:>8,}"),
                TimeElapsedColumn(),
                console=console,
            )
            self._bar.start()
            self._bar.add_task("folded", total=self._total, rate=0.0, lag=0)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, position: Position, start: Position) -> None:
        """Moves the bar, or prints a line now and then."""
        folded = min(max(0, position.folded - start.folded), self._total)
        now = time.monotonic()
        self._recent.append((now, folded))
        while now - self._recent[0][0] > _RATE_SECONDS and len(self._recent) > 2:
            self._recent.popleft()
        then, folded_then = self._recent[0]
        rate = (folded - folded_then) / max(now - then, 1e-3)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=folded, rate=rate, lag=position.lag)
        elif now - self._line_at >= _LINE_SECONDS or folded == self._total:
            self._line_at = now
            console.print(f"folded {folded:,} of {self._total:,}, {rate:,.0f} events/s, lag {position.lag:,}")
