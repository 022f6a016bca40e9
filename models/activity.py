"""When is the platform used, with which content and how?  Sums an hour, content type and interaction type.

Hours are hours of UTC.  All are plain sums, so order and batching do not matter.  Only learners who consented to
analytics are counted, and the rows name no one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from models.columns import CONSENT_ANALYTICS, Float64, Int64, Interactions
from models.decay import HOUR_MS
from models.engagement import event_shares, event_terms
from models.grouping import count_by, group_pairs, sum_by
from schemas.interactions import InteractionType

# An interaction type code fits in 4 bits; content type and interaction type make one key.
_TYPE_BITS = 4


class HourlyActivity(NamedTuple):
    """What is kept of r combinations, ascending by hour, content type and interaction type."""

    hour: Int64
    """(r,) hours since 1970-01-01T00Z."""
    content_type: Int64
    """(r,) ``content_type_key``."""
    interaction_type: Int64
    """(r,) ``InteractionType`` code."""
    events: Int64
    """(r,)"""
    clicks: Int64
    """(r,) sum of the stated clicks."""
    completions: Int64
    """(r,) interactions of type COMPLETE."""
    time_spent_seconds: Float64
    """(r,) sum of the stated times."""
    score_sum: Float64
    """(r,) sum of the event scores (`models.engagement`), each in [0, 1]."""


def of(batch: Interactions) -> HourlyActivity:
    """What a batch of n interactions adds."""
    batch = batch.consented(CONSENT_ANALYTICS)
    kinds = (batch.content_type.astype(np.int64) << _TYPE_BITS) + batch.type
    cells = group_pairs(batch.at_ms // HOUR_MS, kinds)
    return HourlyActivity(
        hour=cells.first,
        content_type=cells.second >> _TYPE_BITS,
        interaction_type=cells.second & ((1 << _TYPE_BITS) - 1),
        events=count_by(cells.groups),
        clicks=np.rint(sum_by(cells.groups, batch.clicks)).astype(np.int64),
        completions=count_by(cells.groups, batch.type == InteractionType.COMPLETE.code),
        time_spent_seconds=sum_by(cells.groups, batch.time_spent_seconds),
        score_sum=sum_by(cells.groups, event_shares(event_terms(batch)).sum(axis=0)),
    )


def add(one: HourlyActivity, other: HourlyActivity) -> HourlyActivity:
    """Both together, cell by cell.  Commutative and associative; the statement of the projection does the same."""
    both = HourlyActivity(*(np.concatenate(columns) for columns in zip(one, other, strict=True)))
    cells = group_pairs(both.hour, (both.content_type << _TYPE_BITS) + both.interaction_type)
    return HourlyActivity(
        hour=cells.first,
        content_type=cells.second >> _TYPE_BITS,
        interaction_type=cells.second & ((1 << _TYPE_BITS) - 1),
        events=sum_by(cells.groups, both.events).astype(np.int64),
        clicks=sum_by(cells.groups, both.clicks).astype(np.int64),
        completions=sum_by(cells.groups, both.completions).astype(np.int64),
        time_spent_seconds=sum_by(cells.groups, both.time_spent_seconds),
        score_sum=sum_by(cells.groups, both.score_sum),
    )


def empty() -> HourlyActivity:
    """No activity."""
    return of(Interactions.empty())


def update(state: HourlyActivity, batch: Interactions) -> HourlyActivity:
    """The state after a batch."""
    return add(state, of(batch))
