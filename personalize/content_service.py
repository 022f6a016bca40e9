"""What content does the platform's content service have?  Its pages, fetched one by one, each piece checked.

The service answers ``GET {address}?limit=200[&cursor=…]`` with ``{"items": […], "nextCursor": "…" | null}``, each item
a piece of content as `POST /api/content` takes it.  A page that fails is asked for again; a piece that breaks the
schema is reported and left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

import httpx
import msgspec
from msgspec import Meta, Struct

from personalize.errors import ProblemError
from schemas.decode import decode_content
from schemas.invalid import Invalid

PAGE_ITEMS = 200
MOST_PAGES = 100_000
MOST_PAGE_BYTES = 32 * 1024 * 1024
TIMEOUT_SECONDS = 15.0
ATTEMPTS = 4
"""Of one page, with 0.5, 1 and 2 seconds in between."""
FIRST_WAIT_SECONDS = 0.5


class _Page(Struct, frozen=True, rename="camel"):
    items: Annotated[tuple[msgspec.Raw, ...], Meta(max_length=10_000)]
    next_cursor: str | None = None


_page = msgspec.json.Decoder(_Page).decode


class Pages:
    """The content of a service as records of the topic `catalogue`, a page at a time.

    Args:
        address: of the first page.
        token: sent as a bearer token; None: nothing is.
        sleep: waits between two attempts [s].
    """

    def __init__(self, address: str, token: str | None, sleep: Callable[[float], None] = time.sleep) -> None:
        self._address = address
        self._sleep = sleep
        self._client = httpx.Client(
            timeout=TIMEOUT_SECONDS,
            headers={"accept": "application/json", **({"authorization": f"Bearer {token}"} if token else {})},
            trust_env=False,
        )
        self._cursor: str | None = None
        self._ended = False
        self.pages = 0
        self.refused: list[dict[str, str | int]] = []

    def next(self) -> list[tuple[bytes, bytes]] | None:
        """The (key, value) records of the next page; None behind the last one.

        Raises:
            ProblemError: the page cannot be fetched or used.
        """
        if self._ended:
            return None
        if self.pages >= MOST_PAGES:
            raise self._unusable(f"more than {MOST_PAGES:,} pages")
        page = self._fetch(self._cursor)
        if page.next_cursor is not None and page.next_cursor == self._cursor:
            raise self._unusable("the same page again and again")
        self.pages += 1
        self._cursor = page.next_cursor
        self._ended = page.next_cursor is None
        return [record for place, raw in enumerate(page.items) if (record := self._record(place, bytes(raw)))]

    def close(self) -> None:
        """Ends the connection."""
        self._client.close()

    def _record(self, place: int, value: bytes) -> tuple[bytes, bytes] | None:
        found = decode_content(value)
        if isinstance(found, Invalid):
            self.refused.append({"page": self.pages, "item": place, "field": found.pointer, "detail": found.detail})
            return None
        return found.content_id.encode(), value

    def _fetch(self, cursor: str | None) -> _Page:
        said = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                self._sleep(FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
            try:
                answer = self._client.get(
                    self._address, params={"limit": PAGE_ITEMS, **({"cursor": cursor} if cursor is not None else {})}
                )
            except httpx.HTTPError as error:
                said = f"no answer ({type(error).__name__})"
                continue
            if answer.status_code == 200:
                return self._decoded(answer.content)
            said = f"status {answer.status_code}"
            if answer.status_code < 500 and answer.status_code != 429:
                break
        raise ProblemError(
            f"Page {self.pages + 1} of the content service cannot be fetched: {said}.",
            "check CONTENT_SERVICE_URL and CONTENT_SERVICE_TOKEN; what came before this page is in the catalogue, and "
            "importing again is harmless.",
        )

    def _decoded(self, body: bytes) -> _Page:
        try:
            if len(body) > MOST_PAGE_BYTES:
                raise self._unusable(f"a page of more than {MOST_PAGE_BYTES:,} bytes")
            return _page(body)
        except msgspec.DecodeError as error:
            raise self._unusable(str(error)) from error

    def _unusable(self, why: str) -> ProblemError:
        return ProblemError(
            f"Page {self.pages + 1} of the content service cannot be used: {why}.",
            'it has to answer {"items": [...], "nextCursor": "..." or null}; docs/neighbours.md says more.',
        )
