"""What did a poll do?  The outcome that the worker mirrors, measures and tells; and the counts of its ranges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from models.columns import Int64, Interactions, Mask
from projections import applied_ranges, impressions
from projections.assembly import Draft
from projections.identities import Learner
from projections.offsets import Move
from projections.poll import Slice, TopicPartition
from projections.projection import Effects, OutboxRecord
from schemas.commands import Command
from schemas.topics import ACHIEVEMENTS, MILESTONES

ANNOUNCED = frozenset({ACHIEVEMENTS.name, MILESTONES.name})


@dataclass(slots=True, kw_only=True)
class Recorded:
    """What one poll did."""

    applied_seq: int = 0
    batch: Interactions = field(default_factory=Interactions.empty)
    """The interactions that were folded."""
    mirror: dict[str, object] = field(default_factory=dict)
    """Absolute values for Redis, by projection name."""
    touched: Int64 = field(default_factory=lambda: np.empty(0, np.int64))
    """Learner keys whose read models or declared profile changed, ascending."""
    duplicates: int = 0
    clamped: int = 0
    dead: Counter[str] = field(default_factory=Counter)
    misrouted: int = 0
    delivered: int = 0
    outbox: int = 0
    announced: list[OutboxRecord] = field(default_factory=list)
    """Unlocks and milestones among them."""
    commands: int = 0
    contents: int = 0
    served: impressions.Folded = field(default_factory=impressions.Folded)
    """How the sums of what came of recommendations moved."""
    erased: list[int] = field(default_factory=list)
    fenced: set[TopicPartition] = field(default_factory=set)
    """Partitions that another owner has claimed; their slices were dropped."""
    lost: dict[TopicPartition, int] = field(default_factory=dict)
    """Partitions whose slice starts behind the cursor, with the offset to read again from."""


def unusable(slices: Sequence[Slice]) -> tuple[Counter[str], Counter[str]]:
    """Records delivered and dead, by producer; '' stands for all of them."""
    delivered = Counter({"": sum(piece.delivered for piece in slices)})
    dead = Counter({"": sum(len(piece.dead) for piece in slices)})
    for piece in slices:
        delivered.update(piece.producers)
        dead.update(letter.producer for letter in piece.dead if letter.producer)
    return delivered, dead


def applied_of(
    slices: Sequence[Slice], moves: Sequence[Move], drafted: Draft, fresh: Mask
) -> list[applied_ranges.AppliedRange]:
    """What was delivered in each slice, and what became of it; ``fresh`` is False for the draft's duplicates."""
    total = np.bincount(drafted.places, minlength=len(drafted.slices))
    new = np.bincount(drafted.places[fresh], minlength=len(drafted.slices))
    counts = {piece.partition: (int(new[i]), int(total[i] - new[i])) for i, piece in enumerate(drafted.slices)}
    ranges = []
    for piece, move in zip(slices, moves, strict=True):
        applied, duplicates = counts.get(piece.partition, (0, 0))
        ranges.append(
            applied_ranges.AppliedRange(
                partition=move.partition,
                first_offset=move.start,
                end_offset=move.end,
                epoch=move.epoch,
                delivered=piece.delivered,
                applied=applied,
                duplicates=duplicates,
                dead=len(piece.dead),
                misrouted=len(piece.misrouted),
            )
        )
    return ranges


def tell(
    recorded: Recorded,
    slices: Sequence[Slice],
    drafted: Draft,
    batch: Interactions,
    effects: Effects,
    carried_out: list[tuple[Command, Learner]],
) -> None:
    """Fills in what the transaction did, when it is over."""
    effects.over()
    commanded = np.array([learner.key for _, learner in carried_out], np.int64)
    recorded.applied_seq = effects.applied_seq
    recorded.batch = batch
    recorded.clamped = drafted.clamped
    recorded.mirror = effects.mirror
    recorded.touched = np.setdiff1d(np.union1d(batch.learner, commanded), recorded.erased)
    recorded.delivered = sum(piece.delivered for piece in slices)
    recorded.dead = Counter(letter.reason for piece in slices for letter in piece.dead)
    recorded.misrouted = sum(len(piece.misrouted) for piece in slices)
    told = effects.announced + effects.outbox
    recorded.outbox = len(told)
    recorded.announced = [record for record in told if record.topic in ANNOUNCED]
    recorded.commands = len(carried_out)
