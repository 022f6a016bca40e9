"""Which lists of recommendations lie ready in this process?  Those asked for a moment ago, until they are rewritten.

The first of three places of a list: here, then Redis, then Postgres.  What is kept is the whole answer, so that serving
it again is two look-ups.  It ends when the stream of changes names its learner, or may name anybody, and after
`LISTS_SECONDS` in any case; while the stream is not heard nothing is kept.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from api.impressions import Shown
from api.problems import Headers
from api.remembered import Remembered

LISTS_SECONDS: Final = 5.0
MOST_BYTES: Final = 64 * 1024 * 1024
"""Bodies kept in this process."""
ENTRY_BYTES: Final = 1_500
"""What an entry needs beside its body, about."""
LEARNERS_REMEMBERED: Final = 100_000

Name = tuple[bytes, bytes]
"""(path, query) of the request."""


class KeptList(NamedTuple):
    """An answer that lies ready."""

    learner_key: int
    generated_at_ms: int
    headers: Headers
    """All but the age."""
    etag: bytes
    body: bytes
    shown: Shown


class KeptLists:
    """Keeps answers with lists.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: OrderedDict[Name, tuple[float, KeptList]] = OrderedDict()
        self._names: defaultdict[int, list[Name]] = defaultdict(list)
        self._bytes = 0
        self._heard = False
        self._moment = 0
        self._all_changed = 0
        self._changed: Remembered[int] = Remembered(LEARNERS_REMEMBERED)

    def get(self, name: Name) -> KeptList | None:
        """The answer to a request, if it lies ready."""
        found = self._kept.get(name)
        if found is None:
            return None
        until, kept = found
        if until <= self._clock():
            self._drop(name)
            return None
        return kept

    @property
    def now(self) -> int:
        """The moment, in changes heard: what is read from now on is newer than all of them."""
        return self._moment

    def put(self, name: Name, begun: int, kept: KeptList) -> None:
        """Keeps an answer, unless something changed since its reading began at the moment ``begun``."""
        changed = max(self._all_changed, self._changed.get(b"%d" % kept.learner_key) or 0)
        if not self._heard or begun < changed:
            return
        if name in self._kept:
            self._drop(name)
        self._kept[name] = (self._clock() + LISTS_SECONDS, kept)
        self._names[kept.learner_key].append(name)
        self._bytes += len(kept.body) + ENTRY_BYTES
        while self._bytes > MOST_BYTES:
            self._drop(next(iter(self._kept)))

    def hear(self, *, heard: bool) -> None:
        """Begins or ends keeping; what happened while nobody listened is not known, so nothing older is kept."""
        self._heard = heard
        self.forget(())

    def forget(self, learners: Iterable[int]) -> None:
        """Ends the answers of learners whose lists changed; of everybody, if nobody is named."""
        self._moment += 1
        anybody = True
        for learner_key in learners:
            anybody = False
            self._changed.put(b"%d" % learner_key, self._moment)
            for name in self._names.pop(learner_key, ()):
                self._bytes -= len(self._kept.pop(name)[1].body) + ENTRY_BYTES
        if anybody:
            self._all_changed = self._moment
            self._kept.clear()
            self._names.clear()
            self._bytes = 0

    def _drop(self, name: Name) -> None:
        _, kept = self._kept.pop(name)
        self._bytes -= len(kept.body) + ENTRY_BYTES
        names = self._names[kept.learner_key]
        names.remove(name)
        if not names:
            del self._names[kept.learner_key]
