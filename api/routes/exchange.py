"""How does a route see a request and answer it?  As plain headers and bytes; only this file knows the framework."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from api.access.rules import permit
from api.bodies import check_media_type
from api.contract.vocabulary import CONTRACT, Contract
from api.idempotency import HEADER, Idempotency
from api.parameters import query
from api.problems import Answer, Headers, invalid_body, problem
from schemas.decode import JsonDecoder
from schemas.invalid import Invalid

HttpRequest = Request[Any, Any, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """An answer whose body comes bit by bit, until it ends or the client goes."""

    headers: Headers
    media_type: str
    chunks: AsyncIterator[bytes]


Route = Callable[[HttpRequest], Awaitable[Answer | Streamed]]

_encode = msgspec.json.Encoder().encode


def route(method: str, path: str, serve: Route, contract: Contract) -> HTTPRouteHandler:
    """A route of the framework that answers with what ``serve`` makes of the request, as its contract says."""

    name = f"{method} {path}"

    async def handler(request: HttpRequest) -> Response[Any]:
        permit(request.scope, name, request.path_params)
        answer = await _once(request, serve) if method == "POST" else await serve(request)
        return _stream(answer) if isinstance(answer, Streamed) else respond(answer)

    handler.__name__ = serve.__name__
    # The status is the answer's own; without one here the framework would refuse a DELETE with a body.
    made = HTTPRouteHandler(
        path,
        http_method=method,  # type: ignore[arg-type]
        status_code=200,
        name=name,
        opt={CONTRACT: contract},
    )
    return made(handler)


async def _once(request: HttpRequest, serve: Route) -> Answer | Streamed:
    """Serves a POST, once if it has an ``Idempotency-Key``."""
    headers = request_headers(request)
    if HEADER not in headers:
        return await serve(request)
    idempotency: Idempotency = request.app.state.idempotency
    # The body stays in the request: the route reads it again for nothing.
    return await idempotency.once(request.scope, headers, await request.body(), lambda: serve(request))


def no_parameters(request: HttpRequest) -> None:
    """Raises the problem of a request that has a query (400)."""
    query(request.scope["query_string"], frozenset())


async def decoded_body(request: HttpRequest, decoder: JsonDecoder[T]) -> T:
    """The message in a JSON body; raises the problem of a body that is none (400, 413, 415, 422)."""
    check_media_type(request_headers(request), lines=False)
    asked = decoder.decode(await request.body())
    if isinstance(asked, Invalid):
        raise invalid_body(asked)
    return asked


def options(path: str, methods: Iterable[str]) -> HTTPRouteHandler:
    """A route that says which methods a path takes."""
    allowed = ", ".join(sorted(methods))

    async def handler() -> Response[None]:
        return Response(None, status_code=204, headers={"allow": allowed})

    return HTTPRouteHandler(path, http_method="OPTIONS", status_code=204, name=f"OPTIONS {path}")(handler)


def respond(answer: Answer) -> Response[bytes]:
    """The framework's response of an answer."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}
    # The framework adds the charset to a text type itself.
    media_type = headers.pop("content-type", "application/json").removesuffix("; charset=utf-8")
    return Response(answer.body, status_code=answer.status, headers=headers, media_type=media_type)


def _stream(answer: Streamed) -> Stream:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}
    return Stream(answer.chunks, headers=headers, media_type=answer.media_type)


def request_headers(request: HttpRequest) -> dict[bytes, bytes]:
    """The request's headers, names in lower case."""
    return dict(request.scope["headers"])


def request_id(request: HttpRequest) -> str:
    """The id under which logs, answers and Kafka records know the request."""
    return str(request.scope["state"]["request_id"])


def json_answer(body: Any, headers: Headers, status: int = 200) -> Answer:
    """An answer whose body is a struct or a sequence of them."""
    return Answer(status, [(b"content-type", b"application/json"), *headers], _encode(body))


def encode(body: Any) -> bytes:
    """A body as JSON."""
    return _encode(body)


def not_found(what: str) -> Exception:
    """The problem of a resource that is not there."""
    return problem(404, f"{what} is not known.")
