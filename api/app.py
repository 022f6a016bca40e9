"""What is the API as a whole?  The framework's application with every route, and the edge around it."""

from __future__ import annotations

from litestar import Litestar, Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler

from api.contract.document import document_text, path_of
from api.dependencies import Dependencies
from api.edge import Edge, log_failure
from api.idempotency import Idempotency
from api.page.routes import LivePage
from api.problems import KINDS, ProblemError, problem, problem_answer, unavailable
from api.recommendations import Lists
from api.routes import (
    analytics,
    batch,
    commands,
    content,
    control,
    export,
    health,
    interactions,
    learners,
    learning_paths,
    reads,
    recognition,
    recommendations,
    reference,
    session,
    streaks,
    stream,
)
from api.routes.exchange import HttpRequest, options, request_id, respond
from projections.stores.postgres_pool import Unavailable


def handlers(dependencies: Dependencies, lists: Lists) -> list[HTTPRouteHandler]:
    """Every route there is, the document of them all among them."""
    found = [
        *interactions.routes(dependencies),
        *content.routes(dependencies),
        *commands.routes(dependencies),
        *control.routes(dependencies),
        *learning_paths.routes(dependencies),
        *reads.routes(dependencies),
        *analytics.routes(dependencies),
        *streaks.routes(dependencies),
        *recognition.routes(dependencies),
        *recommendations.routes(lists),
        *learners.routes(dependencies),
        *export.routes(dependencies),
        *batch.routes(lists),
        *stream.routes(dependencies),
        *session.routes(dependencies),
        *health.routes(dependencies),
    ]
    found += reference.routes(lambda: document_text(found))
    return found


def create_app(dependencies: Dependencies, lists: Lists | None = None) -> Litestar:
    """The framework's application: every route, and problems for every error."""
    page = LivePage(dependencies)
    found = handlers(dependencies, lists or Lists(dependencies))
    return Litestar(
        # First: the framework adds an answer of its own to a path that has none.
        route_handlers=[*_options(found), *found, *page.routes()],
        exception_handlers={
            ProblemError: _problem,
            Unavailable: _unavailable,
            HTTPException: _framework_error,
            Exception: _unforeseen,
        },
        state=State({"idempotency": Idempotency(dependencies.bookkeeping)}),
        on_startup=[dependencies.open],
        on_shutdown=[page.close, dependencies.close],
        openapi_config=None,
        logging_config=None,
        # The edge bounds bodies, also those of requests that no route serves.
        request_max_body_size=None,
    )


def _options(found: list[HTTPRouteHandler]) -> list[HTTPRouteHandler]:
    """What answers OPTIONS: each path's methods, all of them (the framework knows those of one handler)."""
    methods: dict[str, set[str]] = {}
    for handler in found:
        methods.setdefault(path_of(handler), {"OPTIONS"}).update(handler.http_methods)
    return [options(path, methods[path]) for path in methods]


def create_asgi(dependencies: Dependencies) -> Edge:
    """The whole ASGI application."""
    lists = Lists(dependencies)
    streams = dependencies.streams
    return Edge(
        create_app(dependencies, lists),
        lists.answer,
        lists.at_once,
        dependencies.metrics,
        dependencies.limits,
        dependencies.settings.hosts,
        access=dependencies.access,
        on_stop=streams.end if streams is not None else None,
    )


def _problem(request: HttpRequest, error: ProblemError) -> Response[bytes]:
    return respond(problem_answer(error, request_id(request)))


def _unavailable(request: HttpRequest, _error: Unavailable) -> Response[bytes]:
    return respond(problem_answer(unavailable("Postgres"), request_id(request)))


def _framework_error(request: HttpRequest, error: HTTPException) -> Response[bytes]:
    """What the framework itself refuses: no such route, no such method on it, a malformed request."""
    status = error.status_code if error.status_code in KINDS else 400 if error.status_code < 500 else 500
    if status == 500:
        return _unforeseen(request, error)
    details = {
        404: "No resource has this path.",
        405: "The resource does not take this method; `Allow` names those that it takes.",
    }
    headers = [(name.lower().encode(), value.encode()) for name, value in (error.headers or {}).items()]
    return respond(problem_answer(problem(status, details.get(status), headers=headers), request_id(request)))


def _unforeseen(request: Request, error: Exception) -> Response[bytes]:  # type: ignore[type-arg]
    log_failure(error, request.scope, request_id(request))
    return respond(problem_answer(problem(500), request_id(request)))
