"""What can a contract say?  Parameters, the body, and each answer of a route, as plain values without any framework.

A route states its contract where it is registered (``api.routes``).  What every route has in common (request ids, the
problems that the edge answers) is added by ``api.contract.document`` and never repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Schema = Mapping[str, Any]
CONTRACT = "contract"
"""Where a route of the framework carries its contract (``HTTPRouteHandler.opt``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A query parameter, path parameter or request header."""

    name: str
    where: Literal["query", "path", "header"]
    description: str
    schema: Schema
    """JSON Schema of the value."""
    example: Any = None
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A header of an answer."""

    name: str
    description: str
    schema: Schema
    example: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a request carries: one JSON object, or with ``several`` also an array or NDJSON of them."""

    type: Any
    """A msgspec Struct."""
    examples: Sequence[Any]
    several: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Which request an answer leads to."""

    name: str
    to: str
    """Method and path, as at its registration: ``GET /api/profile/{user_id:str}``."""
    parameters: Mapping[str, str]
    """Parameter to runtime expression, as in ``{"userId": "$request.body#/userId"}``."""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer that is no problem."""

    description: str
    type: Any = None
    """What the body holds, in msgspec's types; None: text, or nothing, as ``media_type`` says."""
    examples: Sequence[Any] = ()
    headers: Sequence[Header] = ()
    media_type: str | None = "application/json"
    """None: there is no body."""
    links: Sequence[Link] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """What a route promises."""

    summary: str
    """A few words, as in a table of contents."""
    tag: str
    description: str = ""
    parameters: Sequence[Parameter] = ()
    """Query parameters and headers; path parameters follow from the path."""
    body: Body | None = None
    replies: Mapping[int, Reply] = field(default_factory=dict)
    problems: Mapping[int, str] = field(default_factory=dict)
    """Status to when it is answered, beyond what every route has."""
