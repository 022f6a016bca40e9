"""When are too many records unusable?  A share and a count over a sliding window, in all and by producer.

A producer that suddenly sends something else would otherwise empty the topic into the dead letters; the worker stops
loudly instead, before it commits the poll that crosses the limit.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

WINDOW_RECORDS = 100_000


class TooManyDeadLetters(Exception):  # noqa: N818 - it is a verdict on the input, not an error of ours
    """The limit was crossed; the message says what to do."""

    exit_code = 78


@dataclass(slots=True)
class DeadLetterLimit:
    """At most ``max_share`` of the last records may be dead once there are ``min_count`` dead ones in the window."""

    max_share: float = 0.05
    min_count: int = 1_000
    _window: deque[tuple[int, Counter[str], Counter[str]]] = field(default_factory=deque)
    _delivered: Counter[str] = field(default_factory=Counter)
    _dead: Counter[str] = field(default_factory=Counter)
    _records: int = 0

    def restore(self, history: Iterable[tuple[int, int]]) -> None:
        """Takes over (delivered, dead) of earlier transactions, oldest first, so that a restart does not forgive."""
        for delivered, dead in history:
            self._append(delivered, Counter({"": delivered}), Counter({"": dead}))

    def check(self, delivered: Mapping[str, int], dead: Mapping[str, int]) -> None:
        """Raises TooManyDeadLetters when a poll, counted by producer ('' = all records), would cross the limit."""
        for producer, more in dead.items():
            count = self._dead[producer] + more
            total = self._delivered[producer] + delivered.get(producer, 0)
            if count >= self.min_count and count > self.max_share * total:
                whose = "the records" if producer == "" else "one producer's records"
                raise TooManyDeadLetters(
                    f"{count} of the last {total} of {whose} cannot be used (limit: a share of {self.max_share:g} and "
                    f"{self.min_count} records). Look at the table dead_letter for the reasons and stop the producer; "
                    "to let them pass as dead letters, start the worker with a higher DEAD_LETTER_MAX_SHARE."
                )

    def add(self, delivered: Mapping[str, int], dead: Mapping[str, int]) -> None:
        """Takes over the counts of a poll that was committed."""
        self._append(delivered.get("", 0), Counter(delivered), Counter(dead))

    def _append(self, records: int, delivered: Counter[str], dead: Counter[str]) -> None:
        self._window.append((records, delivered, dead))
        self._records += records
        self._delivered.update(delivered)
        self._dead.update(dead)
        while self._records > WINDOW_RECORDS and len(self._window) > 1:
            gone, gone_delivered, gone_dead = self._window.popleft()
            self._records -= gone
            self._delivered.subtract(gone_delivered)
            self._dead.subtract(gone_dead)
        self._delivered = +self._delivered
        self._dead = +self._dead
