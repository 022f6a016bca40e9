"""What are the other services asked, and what is a usable answer?  Two adapters; neither is told who the learner is.

``AI_MODEL_SERVICE_URL`` holds lists to a constitution of its own: ``POST /v1/validate-list`` with
``{"items": [{"contentId", "title", "contentType", "type", "reason"}]}`` answers
``{"violations": [{"contentId", "rule"}]}``.

``OPENAI_API_KEY`` (``OPENAI_BASE_URL``, ``OPENAI_MODEL``) words reasons more kindly, by the chat completions
interface.  It sees reasons and titles of content, never ids, feedback or anything else of a learner.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from api.neighbours.client import Neighbour

LONGEST_REASON = 240
PROMPT = (
    "You are given a JSON array of reasons why content was recommended to a learner. Word each in one short, friendly "
    'sentence in the same language. Add no fact. Answer with JSON: {"reasons": [...]}, as many as you were given, '
    "in the same order."
)


class ListItem(Struct, frozen=True, rename="camel"):
    """What the service is told of an item."""

    content_id: str
    title: str
    content_type: str
    type: str
    reason: str


class Violation(Struct, frozen=True, rename="camel"):
    """An item that breaks a rule."""

    content_id: Annotated[str, Meta(max_length=128)]
    rule: Annotated[str, Meta(max_length=200)]


class _Violations(Struct, frozen=True):
    violations: tuple[Violation, ...]


class _Message(Struct, frozen=True):
    content: str


class _Choice(Struct, frozen=True):
    message: _Message


class _Completion(Struct, frozen=True):
    choices: Annotated[tuple[_Choice, ...], Meta(min_length=1)]


Reason = Annotated[str, Meta(min_length=1, max_length=LONGEST_REASON, pattern=r"^[^\x00-\x1f<>]*$")]


class _Reasons(Struct, frozen=True):
    reasons: tuple[Reason, ...]


_violations = msgspec.json.Decoder(_Violations).decode
_completion = msgspec.json.Decoder(_Completion).decode
_reasons = msgspec.json.Decoder(_Reasons).decode


class ListValidation:
    """Asks the AI model service which items of a list must not be shown."""

    def __init__(self, neighbour: Neighbour) -> None:
        self.neighbour = neighbour

    async def violations(self, items: Sequence[ListItem]) -> tuple[Violation, ...]:
        """The items that break a rule, none that is not in the list.  Raises SkippedError."""
        answer = await self.neighbour.ask("v1/validate-list", msgspec.json.encode({"items": items}))
        try:
            found = _violations(answer).violations
        except msgspec.DecodeError:
            raise self.neighbour.wrong() from None
        shown = {item.content_id for item in items}
        if not all(violation.content_id in shown for violation in found):
            raise self.neighbour.wrong()
        self.neighbour.count("ok")
        return found


class Polishing:
    """Asks a language model to word reasons more kindly."""

    def __init__(self, neighbour: Neighbour, model: str) -> None:
        self.neighbour = neighbour
        self._model = model

    async def polished(self, reasons: Sequence[str]) -> tuple[str, ...]:
        """The reasons, worded anew, in their order.  Raises SkippedError."""
        question = {
            "model": self._model,
            "temperature": 0,
            "response_format": {"type": "json_object"},
            "messages": [
                {"role": "system", "content": PROMPT},
                {"role": "user", "content": msgspec.json.encode(reasons).decode()},
            ],
        }
        answer = await self.neighbour.ask("chat/completions", msgspec.json.encode(question))
        try:
            found = _reasons(_completion(answer).choices[0].message.content).reasons
        except msgspec.DecodeError:
            raise self.neighbour.wrong() from None
        if len(found) != len(reasons):
            raise self.neighbour.wrong()
        self.neighbour.count("ok")
        return found
