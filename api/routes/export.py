"""What is held about me?  Everything, one line of JSON a row, while it is read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import structlog
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta, Struct

from api.contract.parts import CACHE_CONTROL
from api.contract.vocabulary import Contract, Reply
from api.dependencies import Dependencies
from api.parameters import identifier
from api.problems import problem
from api.routes.exchange import HttpRequest, Streamed, encode, no_parameters, not_found, route
from projections.reads import export
from projections.stores.postgres_pool import Unavailable

MOST_AT_ONCE: Final = 2
"""Exports that one process makes at a time."""
LINES_AT_ONCE: Final = 200

_log = structlog.get_logger("api.export")


class ExportLine(Struct, frozen=True, kw_only=True):
    """One line of an export."""

    kind: Annotated[
        str,
        Meta(
            description="What it is about: `learner` comes first; then each row of a table, by the table's name; then "
            "`interaction`, in the order in which they were folded; `end` comes last, or the export is not whole."
        ),
    ]
    data: Annotated[dict[str, Any], Meta(description="What is held. For `end`: `lines`, how many came before.")]


_EXPORT = Contract(
    summary="Everything that is held about a learner",
    description="""NDJSON: identity and consent, what was declared, free text, all that was derived, lists and what
came of them, paths, achievements, feedback, overrides, verdicts of commands, and every interaction. Ids of other people
are left out. An export whose last line is no `end` broke off: ask again.""",
    tag="Learners",
    replies={
        200: Reply(
            description="The export, while it is read.",
            media_type="application/x-ndjson",
            type=tuple[ExportLine, ...],
            examples=[
                '{"kind":"learner","data":{"userId":"u-17","timezone":"Europe/Lisbon"}}\n{"kind":"end","data":{"lines":1}}\n'
            ],
            headers=(CACHE_CONTROL,),
        )
    },
    problems={404: "The learner is not known."},
)


def routes(dependencies: Dependencies) -> list[HTTPRouteHandler]:
    """The routes of this file."""
    return [route("GET", "/api/profile/{user_id:str}/export", _Export(dependencies).export, _EXPORT)]


class _Export:
    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self._under_way = 0

    async def export(self, request: HttpRequest) -> Streamed:
        no_parameters(request)
        user_id = identifier(request.path_params["user_id"], "userId")
        if self._under_way >= MOST_AT_ONCE:
            raise problem(
                503,
                "Other exports are being made. Try again later.",
                kind="overloaded",
                title="Overloaded",
                headers=[(b"retry-after", b"5")],
            )
        found = await export.find(self._dependencies.pool, user_id)
        if found is None:
            raise not_found("The learner")
        headers = [(b"cache-control", b"private, no-store"), (b"x-accel-buffering", b"no")]
        return Streamed(headers=headers, media_type="application/x-ndjson", chunks=self._chunks(user_id, *found))

    async def _chunks(self, user_id: str, learner_key: int, learner: dict[str, Any]) -> AsyncIterator[bytes]:
        self._under_way += 1
        try:
            waiting, count = [_line("learner", learner)], 1
            async for kind, data in export.lines(self._dependencies.pool, user_id, learner_key):
                waiting.append(_line(kind, data))
                count += 1
                if len(waiting) >= LINES_AT_ONCE:
                    yield b"".join(waiting)
                    waiting.clear()
            yield b"".join([*waiting, _line("end", {"lines": count})])
        except Unavailable:
            # The status is sent: the missing end says it.
            _log.warning("export_broke_off")
        finally:
            self._under_way -= 1


def _line(kind: str, data: dict[str, Any]) -> bytes:
    return encode(ExportLine(kind=kind, data=data)) + b"\n"
