"""How do interactions come in?  Checked, given an id each, and published; the worker folds them."""

from __future__ import annotations

import msgspec
from litestar.handlers import HTTPRouteHandler

from api.access.rules import reach_all
from api.contract.parts import PREFER, published
from api.contract.vocabulary import Body, Contract
from api.dependencies import Dependencies
from api.ids import new_id
from api.problems import Answer
from api.publisher import Outgoing
from api.routes.exchange import HttpRequest, no_parameters, request_headers, request_id, route
from api.writes import Checked, check_items, publish, receipt_answer
from schemas.decode import decode_interaction
from schemas.examples import messages, receipts
from schemas.interactions import Interaction
from schemas.invalid import Invalid
from schemas.receipts import IngestReceipt
from schemas.topics import INTERACTIONS

_POST = Contract(
    summary="Publish interactions",
    description="Idempotent by `eventId`: the same `userId` and `eventId` count once.",
    tag="Events",
    parameters=(PREFER,),
    body=Body(type=Interaction, examples=messages.INTERACTION, several=True),
    replies=published("What became of each item; good ones are in the log.", IngestReceipt, receipts.INGEST),
)


def routes(dependencies: Dependencies) -> list[HTTPRouteHandler]:
    """The routes of this file."""

    async def post_interactions(request: HttpRequest) -> Answer:
        headers = request_headers(request)
        no_parameters(request)
        seen: set[tuple[str, str]] = set()

        def check(value: bytes, checked: Checked) -> Invalid | None:
            return check_interaction(value, checked, seen)

        checked = await check_items(dependencies, headers, await request.body(), check)
        reach_all(request.scope, checked.records)
        positions = await publish(
            dependencies, INTERACTIONS.name, checked.records, headers, request_id(request), checked.ids
        )
        receipt = IngestReceipt(
            accepted=len(checked.records),
            rejected=tuple(checked.rejected),
            duplicates=checked.duplicates,
            event_ids=tuple(checked.ids),
            token=dependencies.freshness.token(positions),
        )
        return await receipt_answer(dependencies, headers, positions, msgspec.json.encode(receipt))

    return [route("POST", "/api/interactions", post_interactions, _POST)]


def check_interaction(value: bytes, checked: Checked, seen: set[tuple[str, str]]) -> Invalid | None:
    """Adds an interaction as it was sent, with an eventId if it has none; one that stood before is counted instead."""
    interaction = decode_interaction(value)
    if isinstance(interaction, Invalid):
        return interaction
    event_id = interaction.event_id
    if event_id is None:
        event_id = new_id()
        # Put in at the end, where it also wins over an explicit null; unknown fields stay as they were sent.
        value = value.rstrip()[:-1] + b',"eventId":"' + event_id.encode() + b'"}'
    elif (interaction.user_id, event_id) in seen:
        checked.duplicates += 1
        return None
    seen.add((interaction.user_id, event_id))
    checked.records.append(Outgoing(interaction.user_id.encode(), value))
    checked.ids.append(event_id)
    return None
