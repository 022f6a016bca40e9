"""What is a projection?  One read model as a value: its tables, how a batch moves it, and how it forgets a learner.

``apply`` runs inside the recorder's transaction: it loads what the batch touches, calls the pure fold in ``models``
and writes one row a key with the keys sorted (equal lock order in every worker).  A row that only one learner owns is
written absolutely; a row that several workers share (an item, an hour) is added to in SQL, after all others.
Table names are never qualified: a rebuild runs the same statements against a schema of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, LiteralString

from models.columns import Interactions
from projections.stores.postgres import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRecord:
    """A Kafka record to be produced after the commit, at least once."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    partition: int | None = None
    learner_key: int | None = None


@dataclass(slots=True, kw_only=True)
class Effects:
    """What one transaction does besides its own tables; collected by the projections, carried out by the recorder."""

    applied_seq: int
    """Global sequence of the transaction, written to each touched row as its version."""
    replaying: bool = False
    """True in a rebuild: nothing may leave the database (no outbox, no Redis)."""
    after_seq: int = 0
    """In a rebuild: everything up to this sequence was folded before."""
    kudos: list[tuple[int, int, int, int]] = field(default_factory=list)
    """(receiver, giver, Unix ms, receiver's local day) of the kudos that commands of this transaction gave."""
    mastered: list[tuple[int, int, int]] = field(default_factory=list)
    """(learner, skill, Unix ms of the attempt) of the skills that began to count as mastered in this transaction."""
    outbox: list[OutboxRecord] = field(default_factory=list)
    """Records that are still to be written into the outbox."""
    announced: list[OutboxRecord] = field(default_factory=list)
    """Records that a projection's own statement wrote into the outbox; complete when the transaction is `over`."""
    user_ids: Mapping[int, str] = field(default_factory=dict)
    """The platform's ids of the learners of this transaction, by key; others may be missing."""
    asked: dict[str, Any] = field(default_factory=dict)
    """Answers under way to what the projections asked beforehand, by projection name; each takes its own out."""
    mirror: dict[str, Any] = field(default_factory=dict)
    """Absolute values for Redis, by projection name; written after the commit by the projection's ``mirror``."""
    waiting: list[Callable[[], None]] | None = None
    """What is done once all projections have written; None: nothing waits."""
    concluding: list[Callable[[], None]] | None = None
    """What is done when the transaction is over; None: nothing waits."""

    def when_answered(self, action: Callable[[], None]) -> None:
        """Leaves for later what needs the answer of a write: the database goes on writing meanwhile.

        Where nothing waits (a rebuild, a test), it is done at once.
        """
        _leave(action, self.waiting)

    def when_over(self, action: Callable[[], None]) -> None:
        """Leaves for the end what needs the answer of a write and writes nothing itself; as `when_answered`."""
        _leave(action, self.concluding)

    def answered(self) -> None:
        """Does what `when_answered` was given, in that order."""
        for action in self.waiting or ():
            action()

    def over(self) -> None:
        """Does what `when_over` was given, in that order; the transaction's answers have come."""
        for action in self.concluding or ():
            action()


def _leave(action: Callable[[], None], to: list[Callable[[], None]] | None) -> None:
    if to is None:
        action()
    else:
        to.append(action)


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """One read model, as data."""

    name: str
    """Metric label and command line argument."""
    question: str
    """The question that its rows answer, for the table dictionary."""
    tables: tuple[str, ...]
    """Every table it owns; ``rebuild`` copies their structure."""
    apply: Callable[[Connection, Interactions, Effects], None]
    """Folds one batch into the tables, inside the caller's transaction."""
    prepare: Callable[[Interactions], None] | None = None
    """Does what takes long and needs no database, such as loading a model, before the transaction begins; optional."""
    cuts: Callable[[Connection], list[int]] | None = None
    """The ``applied_seq`` behind which ``apply`` goes by something else, ascending: no replayed chunk spans one."""
    ask: Callable[[Connection, Interactions], Any] | None = None
    """Sends the queries that ``apply`` needs answered, without waiting for them; optional.

    The recorder has all projections ask before the first one writes: all answers come with one wait.
    ``apply`` finds what this returned in ``Effects.asked`` and asks itself where it is not.
    """
    forget: tuple[LiteralString, ...]
    """Statements that erase a learner, with the parameter ``%(learner_key)s``; empty when rows name no learner."""
    shared: bool = False
    """Its rows are written by several workers: applied after the learner-owned ones to hold their locks shortest."""
    mirror: Callable[[Any, Any], None] | None = None
    """``mirror(projections.stores.redis.Mirror, Effects.mirror[name])``: queues absolute writes, free of order."""
    finish: Callable[[Connection, Effects], None] | None = None
    """What a rebuild does to its version last, when the whole log is folded; optional."""
    compare: LiteralString = ""
    """A SELECT whose sorted rows a rebuild compares between its version and the live one (empty: all columns)."""
