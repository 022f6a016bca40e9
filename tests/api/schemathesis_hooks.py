"""What does schemathesis have to know that no JSON Schema says?

Formats that mean something; NDJSON; whole numbers, which are written without a point; modules that require each other
in no circle; and what the API takes on purpose although it breaks the schema: a body of several items with one good one
(the others are refused one by one), a space between date and time (RFC 3339, note to 5.6), and empty values in a query,
which count as absent.
"""

from __future__ import annotations

import json
import re
import uuid
from functools import cache
from typing import Any

import msgspec
import schemathesis
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from schemathesis import GenerationMode, openapi

from schemas.catalogue import ContentSet
from schemas.decode import time_zone_names
from schemas.interactions import Interaction

openapi.format("iana-time-zone", st.sampled_from(sorted(time_zone_names())))
openapi.format("consistency-token", st.just(""))
openapi.format("learner-cursor", st.sampled_from(["", "pHUtMTc"]))
openapi.format("path-cursor", st.sampled_from(["", "ks8ABhdjtsecAKZwYXRoLTI"]))
openapi.format("recommendation-context", st.sampled_from(["topic:algebra", '{"device":"phone"}']))

SEVERAL = {"/api/interactions": Interaction, "/api/content": ContentSet}
SPACE = re.compile(r"^(\d{4}-\d\d-\d\d) ")


@schemathesis.serializer("application/x-ndjson")
def ndjson(_context: Any, value: Any) -> bytes:
    """One item a line."""
    items = value if isinstance(value, list) else [value]
    return b"\n".join(item.encode() if isinstance(item, str) else json.dumps(item).encode() for item in items)


@schemathesis.deserializer("application/x-ndjson")
def items_of(_context: Any, response: Any) -> list[Any]:
    """An item a line, of answers."""
    return [json.loads(line) for line in response.content.splitlines()]


def whole(value: Any) -> Any:
    """The same JSON with whole numbers written as such."""
    if isinstance(value, dict):
        return {name: whole(each) for name, each in value.items()}
    if isinstance(value, list):
        return [whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@schemathesis.hook
def map_body(_context: Any, body: Any) -> Any:
    """Numbers as the documents say they are written."""
    return whole(body)


def _without_circles(modules: Any) -> None:
    """Lets each module require earlier ones only, and gives none the id of another."""
    if not isinstance(modules, list) or not all(
        isinstance(module, dict) and isinstance(module.get("id"), str) and module["id"] for module in modules
    ):
        return
    for place, module in enumerate(modules):
        module["id"] = f"{place}{module['id']}"[:128]
        for edges in ("prerequisites", "recommended"):
            if isinstance(module.get(edges), list):
                module[edges] = [modules[0]["id"]] if place and module[edges] else []


@schemathesis.hook
def filter_case(_context: Any, case: Any) -> bool:
    """Leaves out cases that are meant to be refused and are taken on purpose."""
    if _mode(case) is not GenerationMode.NEGATIVE:
        return True
    if case.query and not any(case.query.values()):
        return False
    body = case.body
    several = SEVERAL.get(case.operation.path)
    if several is None:
        return True
    items = body if isinstance(body, list) else [body]
    return not any(_is_good(several, item) for item in items)


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Gives a request that is meant to be taken a key of its own, and a path no circle of modules.

    An erasure is waited for: a 202 would only say that the learner is still there for a moment.
    """
    if case.method.upper() == "DELETE" and case.headers is not None:
        case.headers["Prefer"] = "wait=10"
    if _mode(case) is not GenerationMode.POSITIVE:
        return
    if case.headers and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = str(uuid.uuid4())
    if case.operation.path == "/api/learning-paths" and isinstance(case.body, dict):
        _without_circles(case.body.get("modules"))


def _mode(case: Any) -> GenerationMode | None:
    return case.meta.generation.mode if case.meta is not None else None


def _is_good(kind: Any, item: Any) -> bool:
    if not isinstance(item, dict):
        return False
    spaced = {name: SPACE.sub(r"\1T", each) if isinstance(each, str) else each for name, each in item.items()}
    return bool(_validator(kind).is_valid(spaced))


@cache
def _validator(kind: Any) -> Draft202012Validator:
    return Draft202012Validator(msgspec.json.schema(kind), format_checker=Draft202012Validator.FORMAT_CHECKER)
