"""When is the catalogue read again, and its texts compared?  When it has changed, at most once a second.

Items that the shelf lacks are looked up sooner: with their first event.
"""

from __future__ import annotations

import time

from projections.recommender import content_view
from projections.recommender.content_view import ContentView, Likeness
from projections.recommender.lists import Shelf, roomier, shelf
from projections.recommender.state import State
from projections.stores.postgres import Connection

CONTENT_LOOK_SECONDS = 1.0
NEW_ITEM_PAUSES = 10.0
"""Items that the shelf lacks are looked up at once, but after a pause of so many times what the last look took."""


class ContentKeeper:
    """The shelf that lists are made from, kept up to date."""

    def __init__(self) -> None:
        self.shelf: Shelf | None = None
        self.changed: ContentView | None = None
        """Content whose texts wait to be compared; see `likeness_job`."""
        self._at = -1e9
        self._seconds, self._items = 0.0, 0

    def refresh(self, connection: Connection, state: State, *, force: bool = False) -> Shelf:
        """The shelf, read anew if it is time and the content has changed."""
        now = time.monotonic()
        has_new = len(state.items) > self._items
        pause = min(CONTENT_LOOK_SECONDS, NEW_ITEM_PAUSES * self._seconds) if has_new else CONTENT_LOOK_SECONDS
        if self.shelf is None or force or now - self._at >= pause:
            if self.shelf is None or content_view.version(connection) != self.shelf.view.version:
                view = content_view.load(connection)
                if self.shelf is None or view.texts != self.shelf.view.texts:
                    self.changed = view
                self.shelf = shelf(view, state)
            self._at, self._items = time.monotonic(), len(state.items)
            self._seconds = self._at - now
        self.shelf = roomier(self.shelf, state.capacity.items)
        return self.shelf

    def likeness_job(self, state: State, view: ContentView) -> Likeness:
        """Compares the texts of a view; may run in another thread."""
        self.changed = None
        content = state.tables.content
        slots = state.item_slots(view.item_key) if self.shelf is None else self.shelf.slots[: len(view)]
        return content_view.likeness(view, slots, len(content.length), content.ids.shape[1])
