"""Which traces does a process have in hand?  Those of a poll, and those whose lists are not written yet."""

from __future__ import annotations

import time
from collections.abc import Mapping

from projections import tracing
from projections.poll import TopicPartition
from projections.tracing import Carried
from streams.transport import Poll

MOST_WAITING = 1_000
"""Traces that may wait for their lists; more are not followed."""


def of_poll(poll: Poll) -> list[Carried]:
    """The requests whose records are in a poll."""
    return [one for tp, raw in poll.items() for one in tracing.carried(tp.topic, tp.partition, raw.records)]


class WaitingTraces:
    """The requests whose records were read and whose learners' lists are not all written."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, Carried]] = []

    def arrived(self, poll: Poll) -> None:
        """Takes the requests of a poll."""
        now_ns = time.time_ns()
        self._waiting += [(now_ns, one) for one in of_poll(poll)][: MOST_WAITING - len(self._waiting)]

    def settle(self, cursors: Mapping[TopicPartition, int], *, lists_wait: bool) -> None:
        """Ends those that are folded, once no list waits: then theirs is written, too.

        Args:
            cursors: first offset of each partition that is not folded.
            lists_wait: some learner's list is still to be written.
        """
        if not self._waiting or lists_wait:
            return
        done = [
            (began_ns, one)
            for began_ns, one in self._waiting
            if one.offset < cursors.get(TopicPartition(one.topic, one.part), 0)
        ]
        if done:
            tracing.folded("lists", [one for _, one in done], min(began_ns for began_ns, _ in done), {})
            self._waiting = [each for each in self._waiting if each not in done]
