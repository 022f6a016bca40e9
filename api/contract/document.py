"""What does the whole API promise?  The OpenAPI 3.1 document, made from the contracts of the registered routes.

Schemas are those of the msgspec types that decode and encode, so a document cannot say other than the code does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler

from api.access.rules import RULES, UNLISTED
from api.contract.parts import BODY_PROBLEMS, IDEMPOTENCY_KEY, IDENTIFIER, PATH_PARAMETERS
from api.contract.vocabulary import CONTRACT, Body, Contract, Header, Link, Parameter, Reply
from api.problems import KINDS, InputError, ProblemDetails
from schemas.invalid import Reason
from schemas.problems import CONTENT_TYPE

OPENAPI = "3.1.1"
REFERENCE = "#/components/schemas/{name}"
#: Status to when it is answered, on every route.
PROBLEMS: Mapping[int, str] = {
    400: "A parameter, id, header, token or the body cannot be used; `errors` says which and how.",
    401: "No credentials, or none that are good; on loopback none are needed until a key was made.",
    403: "The credentials do not grant this, or a page of another site asks.",
    414: "Path and query are longer than 8 KB.",
    429: "Too many requests of this caller; `RateLimit` and `Retry-After` say when to go on.",
    431: "More than 100 headers, or 32 KB of them.",
    500: "A bug; the log has the `requestId`.",
    503: "Something that the request needs does not answer, or too much is asked at once. `Retry-After` says when.",
}
REQUEST_ID = Header(
    name="X-Request-ID",
    description="Id of the request: the one that was sent, or a new one. Logs and Kafka records carry it.",
    schema={"type": "string"},
    example="0190a5b2-7c1e-7b3a-9f00-1234567890ab",
)
RETRY_AFTER = Header(
    name="Retry-After", description="Seconds after which to try again.", schema={"type": "integer"}, example=1
)
TAGS: Mapping[str, str] = {
    "Events": "What learners did, and what content there is.",
    "Learners": "Profiles and what is known of a learner.",
    "Recommendations": "What to do next, and the learner's own rules for it.",
    "Learning paths": "Modules in the learner's order.",
    "Achievements": "What was unlocked, and how far the next is.",
    "Analytics": "Figures over all learners.",
    "Commands": "What became of what was asked for.",
    "Operations": "For supervisors, load balancers and Prometheus.",
}
#: Beyond these, on every POST.
IDEMPOTENCY_PROBLEMS: Mapping[int, str] = {
    409: "The request with this Idempotency-Key is under way.",
    422: "This Idempotency-Key was used with another body.",
}
SECURITY_SCHEMES = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "`personalize keys create`."},
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, or a web token of the user service."},
}
_PATH_PARAMETER = re.compile(r"\{(\w+):str\}")


class UndocumentedError(ValueError):
    """A route without a whole contract; says what is missing and where to write it."""


def document(handlers: Iterable[HTTPRouteHandler]) -> dict[str, Any]:
    """The OpenAPI document of these routes.

    Raises:
        UndocumentedError: a route has no contract, or an incomplete one.
    """
    routes = [(method, handler) for handler in handlers for method in sorted(handler.http_methods)]
    contracts = {(method, path_of(handler)): contract_of(method, handler) for method, handler in routes}
    schemas = _Schemas(contracts.values())
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), contract in sorted(contracts.items(), key=lambda entry: entry[0][::-1]):
        published, names = _published(path)
        paths.setdefault(published, {})[method.lower()] = _operation(method, published, names, contract, schemas)
        paths[published][method.lower()]["security"] = security_of(f"{method} {path}")
    used = {contract.tag for contract in contracts.values()}
    return {
        "openapi": OPENAPI,
        "info": {
            "title": "Personalization engine",
            "version": version("personalize"),
            "summary": "Learners' interactions in; profiles, recommendations, learning paths and achievements out.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items() if name in used],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": _problem_responses(contracts.values()),
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def document_text(handlers: Iterable[HTTPRouteHandler]) -> str:
    """The document as its file and `/openapi.json` hold it."""
    return json.dumps(document(handlers), indent=1, ensure_ascii=False) + "\n"


def security_of(route: str) -> list[dict[str, list[str]]]:
    """Which credentials a route asks for, with the scope; none at all on loopback until a key was made."""
    scope = RULES.get(route, UNLISTED).scope
    return [{}] if scope is None else [{}, {"apiKey": [scope.value]}, {"bearer": [scope.value]}]


def path_of(handler: HTTPRouteHandler) -> str:
    """The path that a handler serves, in the framework's notation."""
    (path,) = handler.paths
    return path


def contract_of(method: str, handler: HTTPRouteHandler) -> Contract:
    """The contract of a route, found whole."""
    path = path_of(handler)
    where = f"{method} {path}"
    contract = handler.opt.get(CONTRACT)
    if not isinstance(contract, Contract):
        raise UndocumentedError(f"{where} has no contract: give `route(...)` one, as docs/api-contract.md shows.")
    if not contract.replies:
        raise UndocumentedError(f"{where} documents no answer: add `replies` to its contract.")
    if contract.tag not in TAGS:
        raise UndocumentedError(f"{where} has the unknown tag {contract.tag!r}: add it to TAGS in {__name__}.")
    for name in _PATH_PARAMETER.findall(path):
        if name not in PATH_PARAMETERS:
            raise UndocumentedError(f"{where}: describe {name!r} in PATH_PARAMETERS of api.contract.parts.")
    for status, reply in contract.replies.items():
        if reply.media_type is not None and not reply.examples:
            raise UndocumentedError(f"{where} gives no example of its {status}: add `examples` to that reply.")
    return contract


class _Schemas:
    """The components of all types that the contracts name, and references to them."""

    def __init__(self, contracts: Iterable[Contract]) -> None:
        types: list[Any] = [ProblemDetails]
        for contract in contracts:
            types += [contract.body.type] if contract.body else []
            types += [reply.type for reply in contract.replies.values() if reply.type is not None]
        unique = list({repr(kind): kind for kind in types}.values())
        made, components = msgspec.json.schema_components(unique, ref_template=REFERENCE)
        self._of = {repr(kind): schema for kind, schema in zip(unique, made, strict=True)}
        self.components = {name: components[name] for name in sorted(components)}

    def of(self, kind: Any) -> dict[str, Any]:
        """The schema of a type: a reference, or the schema itself where the type has no name."""
        return self._of[repr(kind)]


def _published(path: str) -> tuple[str, list[str]]:
    """A path as the document writes it, and the names of its parameters in the framework's notation."""
    return _PATH_PARAMETER.sub(lambda found: "{" + _camel(found[1]) + "}", path), _PATH_PARAMETER.findall(path)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def operation_id(method: str, published: str) -> str:
    """The name of an operation: `GET /api/profile/{userId}` is `getProfileByUserId`."""
    words = [word for word in re.split(r"[/_.:-]", published.removeprefix("/api")) if word]
    return method.lower() + "".join(
        f"By{word[1].upper()}{word[2:-1]}" if word.startswith("{") else word[0].upper() + word[1:] for word in words
    )


def _operation(
    method: str, published: str, names: Sequence[str], contract: Contract, schemas: _Schemas
) -> dict[str, Any]:
    stated = list(contract.parameters)
    if method == "POST" and IDEMPOTENCY_KEY not in stated:
        stated.append(IDEMPOTENCY_KEY)
    parameters = [*(_path_parameter(name) for name in names), *(_parameter(each) for each in stated)]
    operation: dict[str, Any] = {
        "operationId": operation_id(method, published),
        "summary": contract.summary,
        "tags": [contract.tag],
    }
    if contract.description:
        operation["description"] = contract.description
    if parameters:
        operation["parameters"] = parameters
    if contract.body is not None:
        operation["requestBody"] = _body(contract.body, schemas)
    responses = {str(status): _reply(reply, schemas) for status, reply in sorted(contract.replies.items())}
    problems = {**(IDEMPOTENCY_PROBLEMS if method == "POST" else {}), **problems_of(contract)}
    for status, text in sorted(problems.items()):
        reference = f"#/components/responses/Problem{status}"
        # A status that is an answer here (`/readyz` says 503 with its checks) keeps it, and may be a problem too.
        if str(status) in responses:
            responses[str(status)]["content"][CONTENT_TYPE] = {"schema": REFERENCE_TO_PROBLEM}
        elif text == _usual(status):
            responses[str(status)] = {"$ref": reference}
        else:
            responses[str(status)] = _problem_response(status, text)
    operation["responses"] = dict(sorted(responses.items()))
    return operation


REFERENCE_TO_PROBLEM = {"$ref": REFERENCE.format(name="ProblemDetails")}


def problems_of(contract: Contract) -> dict[int, str]:
    """Every problem that a route may answer, with when it does."""
    return {**PROBLEMS, **(BODY_PROBLEMS if contract.body is not None else {}), **contract.problems}


def _usual(status: int) -> str | None:
    return PROBLEMS.get(status) or BODY_PROBLEMS.get(status)


def _path_parameter(name: str) -> dict[str, Any]:
    text, example = PATH_PARAMETERS[name]
    described = Parameter(
        name=_camel(name), where="path", description=text, schema=IDENTIFIER, example=example, required=True
    )
    return _parameter(described)


def _parameter(parameter: Parameter) -> dict[str, Any]:
    said: dict[str, Any] = {
        "name": parameter.name,
        "in": parameter.where,
        "description": parameter.description,
        "required": parameter.required,
        "schema": dict(parameter.schema),
    }
    if parameter.example is not None:
        said["example"] = parameter.example
    return said


def _body(body: Body, schemas: _Schemas) -> dict[str, Any]:
    one = schemas.of(body.type)
    if not body.several:
        return {
            "required": True,
            "content": {"application/json": {"schema": one, "examples": _examples(body.examples)}},
        }
    array = {
        "type": "array",
        "minItems": 1,
        "maxItems": 50_000,
        "items": one,
        "description": "Items that break a rule are refused one by one; the body is refused when no item is good.",
    }
    return {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"anyOf": [one, array]},
                "examples": _examples([*body.examples, list(body.examples)]),
            },
            "application/x-ndjson": {
                "schema": {**array, "description": "One item a line."},
                "examples": {"lines": {"value": "\n".join(map(_line, body.examples))}},
            },
        },
    }


def _line(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _examples(values: Sequence[Any]) -> dict[str, Any]:
    return {f"example{place}": {"value": value} for place, value in enumerate(values, start=1)}


def _headers(headers: Iterable[Header]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for header in headers:
        said[header.name] = {"description": header.description, "schema": dict(header.schema)}
        if header.example is not None:
            said[header.name]["example"] = header.example
    return said


def _reply(reply: Reply, schemas: _Schemas) -> dict[str, Any]:
    said: dict[str, Any] = {
        "description": reply.description,
        "headers": _headers([*reply.headers, REQUEST_ID]),
    }
    if reply.media_type is not None:
        schema = schemas.of(reply.type) if reply.type is not None else {"type": "string"}
        said["content"] = {reply.media_type: {"schema": schema, "examples": _examples(reply.examples)}}
    if reply.links:
        said["links"] = {link.name: _link(link) for link in reply.links}
    return said


def _link(link: Link) -> dict[str, Any]:
    method, path = link.to.split(" ")
    return {
        "operationId": operation_id(method, _published(path)[0]),
        "description": link.description,
        "parameters": dict(link.parameters),
    }


def _problem_responses(contracts: Iterable[Contract]) -> dict[str, Any]:
    statuses = {status for contract in contracts for status in problems_of(contract)}
    return {
        f"Problem{status}": _problem_response(status, text)
        for status in sorted(statuses)
        if (text := _usual(status)) is not None
    }


def _problem_response(status: int, text: str) -> dict[str, Any]:
    headers = [REQUEST_ID, *([RETRY_AFTER] if status in {429, 503} else [])]
    return {
        "description": text,
        "headers": _headers(headers),
        "content": {CONTENT_TYPE: {"schema": REFERENCE_TO_PROBLEM, "example": _problem_example(status)}},
    }


def _problem_example(status: int) -> Any:
    kind, title = KINDS.get(status, ("conflict", "Conflict"))
    errors: tuple[InputError, ...] = ()
    if status == 422:
        errors = (
            InputError(
                pointer="/completionRate",
                detail="`completionRate` must be a number from 0 to 1.",
                reason_code=Reason.OUT_OF_RANGE,
            ),
        )
    if status == 400:
        errors = (InputError(parameter="limit", detail="`limit` must be a whole number from 1 to 100."),)
    example = ProblemDetails(
        type=f"/problems/{kind}",
        title=title,
        status=status,
        errors=errors,
        request_id="0190a5b2-7c1e-7b3a-9f00-1234567890ab",
    )
    return msgspec.to_builtins(example)
