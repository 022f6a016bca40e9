"""The OpenAPI document is valid, says what the routes say, and its examples are right."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from litestar.handlers import HTTPRouteHandler
from openapi_spec_validator import OpenAPIV31SpecValidator

from api.contract.__main__ import PATH, main, text
from api.contract.document import UndocumentedError, document
from api.contract.vocabulary import Contract, Reply
from api.problems import Answer
from api.routes.exchange import HttpRequest, route

METHODS = {"get", "put", "post", "delete", "patch", "head", "options"}


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    return json.loads(text())


def operations(openapi: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in openapi["paths"].items():
        for method in METHODS & item.keys():
            yield f"{method.upper()} {path}", item[method]


def test_the_file_does_not_drift(openapi):
    """The committed document is what the routes give; `make schemas` writes it."""
    assert json.loads(PATH.read_text("utf-8")) == openapi, "run `make schemas`"
    assert main(["--check"]) == 0


def test_it_is_openapi_3_1(openapi):
    """The document follows the specification."""
    OpenAPIV31SpecValidator(openapi).validate()
    assert openapi["openapi"].startswith("3.1.")


def test_every_operation_is_whole(openapi):
    """Each has a name of its own, a summary, an answer, and the problems that every route has."""
    names = [operation["operationId"] for _, operation in operations(openapi)]
    assert len(names) == len(set(names)) >= 20
    for where, operation in operations(openapi):
        assert operation["summary"], where
        statuses = set(operation["responses"])
        assert {"400", "414", "431", "500", "503"} <= statuses, where
        assert any(status.startswith("2") for status in statuses), where
        if "requestBody" in operation:
            assert {"408", "413", "415", "422"} <= statuses, where


def test_every_example_is_right(openapi):
    """Examples of bodies, answers, parameters and problems hold to their schemas."""

    def check(schema: dict[str, Any], value: Any, where: str) -> int:
        whole = {**schema, "components": openapi["components"]}
        problems = [error.message for error in Draft202012Validator(whole).iter_errors(value)]
        assert not problems, (where, problems)
        return 1

    checked = 0
    for where, operation in operations(openapi):
        for parameter in operation.get("parameters", ()):
            if "example" in parameter:
                checked += check(parameter["schema"], parameter["example"], f"{where} {parameter['name']}")
        parts = [("body", operation.get("requestBody", {}))]
        for status, response in operation["responses"].items():
            name = response.get("$ref", "").removeprefix("#/components/responses/")
            parts.append((status, openapi["components"]["responses"][name] if name else response))
        for part, holder in parts:
            for media_type, content in holder.get("content", {}).items():
                values = [example["value"] for example in content.get("examples", {}).values()]
                values += [content["example"]] if "example" in content else []
                for value in values:
                    lines = media_type == "application/x-ndjson"
                    item = [json.loads(line) for line in value.splitlines()] if lines else value
                    checked += check(content["schema"], item, f"{where} {part} {media_type}")
    assert checked > 200


async def _serve(_: HttpRequest) -> Answer:
    return Answer(200, [], b"")


REPLY = Reply(description="Yes.", type=dict[str, Any], examples=[{}])


@pytest.mark.parametrize(
    ("path", "contract", "said"),
    [
        ("/api/new", None, "has no contract"),
        ("/api/new", Contract(summary="New", tag="Events"), "documents no answer"),
        ("/api/new", Contract(summary="New", tag="No tag", replies={200: REPLY}), "unknown tag"),
        ("/api/{thing:str}", Contract(summary="New", tag="Events", replies={200: REPLY}), "describe 'thing'"),
        (
            "/api/new",
            Contract(summary="New", tag="Events", replies={200: Reply(description="Yes.", type=dict)}),
            "no example",
        ),
    ],
)
def test_an_undocumented_route_is_refused(path, contract, said):
    """A route that promises nothing, or not all, cannot be put into the document; the error says what to add."""
    handler: HTTPRouteHandler = route("GET", path, _serve, contract)
    with pytest.raises(UndocumentedError, match=said):
        document([handler])
