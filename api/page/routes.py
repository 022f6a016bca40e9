"""Where is the live page?  At `/`, made of fragments that the browser asks for again when something happened.

The page itself holds no data.  Its fragments are reads like those of the API, worded as HTML; what it changes goes
through the API.  Everything it loads stands beside this file, and its policy forbids the browser to load more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from litestar.handlers import HTTPRouteHandler

from api.access.rules import permit
from api.dependencies import Dependencies
from api.page import experiments_view, learner_view
from api.page.lag import PipelineLag
from api.page.templating import render
from api.parameters import TOKEN, identifier, query
from api.problems import Answer, Headers, problem
from api.routes.exchange import HttpRequest, request_headers, respond
from models.trending import DEFAULT_WINDOW
from projections.reads import achievements, experiments, learning_paths, overview, profile, recommendations, trending
from projections.reads.trending import TrendingQuestion
from projections.stores.postgres_pool import Unavailable
from schemas.learning_paths import LearningPath
from schemas.lists import Recommendation

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
NOTHING: Final = frozenset[str]()
USER: Final = "userId"
LISTED: Final = 5
OFFERED: Final = 12
"""Items to choose from when an event is published."""
JUST_NOW: Final = 9
LEARNERS: Final = 40
SHARED_SECONDS: Final = 0.5
"""What is the same for everybody is asked at most once in this time, however many pages are open."""
_HTML: Headers = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store")]
_HERE = Path(__file__).parent
_VENDORED = _HERE.parent / "vendored"
_SCRIPT, _STYLE, _FONT = b"text/javascript; charset=utf-8", b"text/css; charset=utf-8", b"font/woff2"
FILES: Final[dict[str, tuple[Path, bytes]]] = {
    "page.js": (_HERE / "static" / "page.js", _SCRIPT),
    "page.css": (_HERE / "static" / "page.css", _STYLE),
    "icon.svg": (_HERE / "static" / "icon.svg", b"image/svg+xml"),
    "htmx.js": (_VENDORED / "htmx" / "htmx.min.js", _SCRIPT),
    "sse.js": (_VENDORED / "htmx" / "sse.min.js", _SCRIPT),
    "uplot.js": (_VENDORED / "uplot" / "uPlot.iife.min.js", _SCRIPT),
    "uplot.css": (_VENDORED / "uplot" / "uPlot.min.css", _STYLE),
    "inter.woff2": (_VENDORED / "inter" / "inter.woff2", _FONT),
    "fraunces.woff2": (_VENDORED / "fraunces" / "fraunces.woff2", _FONT),
}
VERBS: Final = {
    "VIEW": "viewed",
    "START": "began",
    "PROGRESS": "went on",
    "COMPLETE": "completed",
    "CLICK": "clicked",
    "LIKE": "liked",
    "DISLIKE": "disliked",
    "BOOKMARK": "kept",
    "SHARE": "shared",
    "RATE": "rated",
    "ATTEMPT": "tried",
    "SKIP": "skipped",
}
T = TypeVar("T")
_recommendations = msgspec.json.Decoder(list[Recommendation]).decode


def _route(path: str, serve: Callable[[HttpRequest], Awaitable[Answer]]) -> HTTPRouteHandler:
    name = f"GET {path}"

    async def handler(request: HttpRequest) -> object:
        permit(request.scope, name, request.path_params)
        try:
            return respond(await serve(request))
        except Unavailable:
            return respond(Answer(204, [], b""))  # the browser keeps what it shows, and asks again by itself

    handler.__name__ = serve.__name__
    return HTTPRouteHandler(path, http_method="GET", status_code=200, name=name)(handler)


class _Shared:
    """Something that is asked for at most once in a while, whoever wants it."""

    def __init__(self, ask: Callable[[], Awaitable[bytes]]) -> None:
        self._ask = ask
        self._lock = asyncio.Lock()
        self._answer = b""
        self._asked_at = -1e9

    async def get(self) -> bytes:
        async with self._lock:
            now = asyncio.get_running_loop().time()
            if now - self._asked_at >= SHARED_SECONDS:
                self._answer = await self._ask()
                self._asked_at = asyncio.get_running_loop().time()
        return self._answer


class LivePage:
    """The page and its fragments; they are no part of the API's contract."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self._lag = PipelineLag(dependencies.settings.kafka_bootstrap_servers, dependencies.pool)
        self._pipeline = _Shared(self._make_pipeline)
        self._ticker = _Shared(self._make_ticker)
        self._trending = _Shared(self._make_trending)
        self._experiments = _Shared(self._make_experiments)

    def routes(self) -> list[HTTPRouteHandler]:
        """The page's routes."""
        return [
            _route("/", self.whole),
            _route("/page/static/{name:str}", self.static),
            _route("/page/learner", self.learner),
            _route("/page/pipeline", self.pipeline),
            _route("/page/ticker", self.ticker),
            _route("/page/trending", self.trending),
            _route("/page/experiments", self.experiments),
        ]

    async def close(self) -> None:
        """Ends its connections."""
        await self._lag.close()

    async def whole(self, request: HttpRequest) -> Answer:
        """The page, without any data."""
        query(request.scope["query_string"], NOTHING)
        headers = [(b"content-security-policy", POLICY.encode()), (b"referrer-policy", b"no-referrer")]
        return Answer(200, [*_HTML, *headers], render("page.html"))

    async def static(self, request: HttpRequest) -> Answer:
        """A file that the page loads."""
        found = FILES.get(request.path_params["name"])
        if found is None:
            raise problem(404, "The page has no such file.")
        return Answer(200, [(b"content-type", found[1]), (b"cache-control", b"public, max-age=300")], _bytes(found[0]))

    async def pipeline(self, request: HttpRequest) -> Answer:
        """How the stream does."""
        query(request.scope["query_string"], NOTHING)
        return Answer(200, _HTML, await self._pipeline.get())

    async def _make_pipeline(self) -> bytes:
        try:
            seen, lag = await asyncio.gather(overview.read(self._dependencies.pool), self._lag.records())
        except Unavailable:
            return render("pipeline.html", away=True, values=[])
        return render(
            "pipeline.html",
            away=False,
            rate=sum(seen.rates[-10:]) / 10,
            lag=lag,
            commit_age=seen.commit_age_seconds,
            learners=seen.learners,
            folded=seen.folded_today,
            dead=seen.dead_today,
            values=seen.rates,
        )

    async def ticker(self, request: HttpRequest) -> Answer:
        """What just happened."""
        query(request.scope["query_string"], NOTHING)
        return Answer(200, _HTML, await self._ticker.get())

    async def _make_ticker(self) -> bytes:
        pool = self._dependencies.pool
        streams = self._dependencies.streams
        learners = await streams.lately(JUST_NOW) if streams is not None else []
        events = [
            {
                "user_id": one.user_id,
                "kind": one.type.value,
                "verb": VERBS[one.type.value],
                "title": one.title,
                "at_ms": one.at_ms,
                "key": one.key,
            }
            for one in await overview.just_now(pool, learners, JUST_NOW)
        ]
        return render("ticker.html", events=events)

    async def trending(self, request: HttpRequest) -> Answer:
        """What is popular."""
        query(request.scope["query_string"], NOTHING)
        return Answer(200, _HTML, await self._trending.get())

    async def _make_trending(self) -> bytes:
        question = TrendingQuestion(window=DEFAULT_WINDOW, limit=8)
        found = await trending.read(self._dependencies.pool, question, self._dependencies.now_ms())
        largest = max((item.score for item in found.items), default=0.0) or 1.0
        items = [
            {
                "title": item.title or item.content_id,
                "score": item.score,
                "share": round(100 * item.score / largest, 1),
            }
            for item in found.items
        ]
        return render("trending.html", items=items)

    async def experiments(self, request: HttpRequest) -> Answer:
        """What experiments say."""
        query(request.scope["query_string"], NOTHING)
        return Answer(200, _HTML, await self._experiments.get())

    async def _make_experiments(self) -> bytes:
        reports = await experiments.read(self._dependencies.pool)
        return render("experiments.html", experiments=experiments_view.of_reports(reports))

    async def learner(self, request: HttpRequest) -> Answer:
        """A learner: the one asked for, else the one who was active last; after the write that a token names."""
        dependencies = self._dependencies
        parameters = query(request.scope["query_string"], frozenset({USER, TOKEN}))
        active = await overview.active(dependencies.pool, LEARNERS)
        user_id = parameters.get(USER) or (active[0] if active else "")
        if not user_id:
            return Answer(200, _HTML, render("nobody.html"))
        user_id = identifier(user_id, USER)
        part = dependencies.partition(user_id)
        token = {TOKEN: parameters[TOKEN]} if TOKEN in parameters else {}
        await dependencies.freshness.wait(request_headers(request), token, part)
        now_ms, pool = dependencies.now_ms(), dependencies.pool
        known, unlocked, path, items = await asyncio.gather(
            profile.read(pool, user_id, part, now_ms),
            achievements.read(pool, user_id, part, now_ms),
            self._path(user_id, part, now_ms),
            self._items(user_id, now_ms),
        )
        html = render(
            "learner.html",
            user_id=user_id,
            token=parameters.get(TOKEN, ""),
            learners=active,
            actions=learner_view.ACTIONS,
            choices=items[:OFFERED],
            items=learner_view.of_items(items[:LISTED]),
            path=learner_view.of_path(path),
            **learner_view.of_profile(known.profile if known else None),
            **learner_view.of_achievements(unlocked.achievements if unlocked else None),
        )
        return Answer(200, _HTML, html)

    async def _path(self, user_id: str, part: int, now_ms: int) -> LearningPath | None:
        """The newest path."""
        pool = self._dependencies.pool
        found = await learning_paths.read_some(pool, user_id, part, 1)
        if found is None or not found.paths:
            return None
        answer = await learning_paths.read(pool, found.paths[0].path_id, user_id, part, now_ms)
        return answer.path if answer else None

    async def _items(self, user_id: str, now_ms: int) -> list[Recommendation]:
        pool = self._dependencies.pool
        stored = await recommendations.stored(pool, user_id, "hybrid")
        ready = stored.ready if stored and stored.ready.ends else None
        if ready is None:
            known = await recommendations.needed(pool, user_id)
            key = known.learner_key if known else recommendations.NOBODY
            ready = await recommendations.popular(pool, key, "page", now_ms)
        return _recommendations(ready.body(OFFERED))


@cache
def _bytes(path: Path) -> bytes:
    return path.read_bytes()
