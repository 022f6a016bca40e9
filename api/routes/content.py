"""How does the catalogue come in?  Each piece of content whole, published under its id; the worker takes it over."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar.handlers import HTTPRouteHandler
from msgspec import Meta, Struct

from api.contract.parts import PREFER, published
from api.contract.vocabulary import Body, Contract
from api.dependencies import Dependencies
from api.parameters import identifier
from api.problems import Answer
from api.publisher import Outgoing
from api.routes.exchange import HttpRequest, no_parameters, request_headers, request_id, route
from api.writes import Checked, check_items, publish, receipt_answer
from schemas.catalogue import ContentSet
from schemas.decode import decode_content
from schemas.examples import messages
from schemas.invalid import Invalid
from schemas.receipts import RejectedItem
from schemas.topics import CATALOGUE


class ContentReceipt(Struct, frozen=True, kw_only=True, rename="camel"):
    """What became of the contents in a body. Accepted ones are in the log; they are visible once taken over."""

    accepted: Annotated[int, Meta(ge=0, description="Contents that were published.")]
    rejected: Annotated[tuple[RejectedItem, ...], Meta(description="Contents that were refused, in order.")] = ()
    token: str | None = None


_RECEIPT = {"accepted": 1, "rejected": [], "token": None}
_POST = Contract(
    summary="Put content into the catalogue",
    description="Each piece of content is whole: what is absent is unset, not kept.",
    tag="Events",
    parameters=(PREFER,),
    body=Body(type=ContentSet, examples=messages.CONTENT, several=True),
    replies=published("What became of each piece; good ones are in the log.", ContentReceipt, [_RECEIPT]),
)
_DELETE = Contract(
    summary="Withdraw content from the catalogue",
    description="It is no longer recommended; what learners did with it stays, and so does its entry.",
    tag="Events",
    parameters=(PREFER,),
    replies=published("The withdrawal is in the log.", ContentReceipt, [_RECEIPT]),
)


def routes(dependencies: Dependencies) -> list[HTTPRouteHandler]:
    """The routes of this file."""

    async def post_content(request: HttpRequest) -> Answer:
        headers = request_headers(request)
        no_parameters(request)
        checked = await check_items(dependencies, headers, await request.body(), check_content)
        return await _publish(request, headers, checked)

    async def delete_content(request: HttpRequest) -> Answer:
        no_parameters(request)
        content_id = identifier(request.path_params["content_id"], "contentId")
        withdrawn = Checked(records=[Outgoing(content_id.encode(), None)], ids=[content_id])
        return await _publish(request, request_headers(request), withdrawn)

    async def _publish(request: HttpRequest, headers: dict[bytes, bytes], checked: Checked) -> Answer:
        positions = await publish(dependencies, CATALOGUE.name, checked.records, headers, request_id(request))
        receipt = ContentReceipt(
            accepted=len(checked.records),
            rejected=tuple(checked.rejected),
            token=dependencies.freshness.token(positions),
        )
        return await receipt_answer(dependencies, headers, positions, msgspec.json.encode(receipt))

    return [
        route("POST", "/api/content", post_content, _POST),
        route("DELETE", "/api/content/{content_id:str}", delete_content, _DELETE),
    ]


def check_content(value: bytes, checked: Checked) -> Invalid | None:
    """Adds a piece of content as it was sent."""
    content = decode_content(value)
    if isinstance(content, Invalid):
        return content
    checked.records.append(Outgoing(content.content_id.encode(), value))
    checked.ids.append(content.content_id)
    return None
