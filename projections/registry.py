"""Which projections exist?  An explicit tuple; recording, rebuild, erasure, metrics and the laws follow from it.

Learner-owned ones come first, shared ones (rows that several workers write) last, so their locks are held shortest.
"""

from __future__ import annotations

from projections import (
    achievements,
    active_dates,
    behaviour,
    engagement,
    hourly_activity,
    item_progress,
    learner_model,
    personality,
    preferences,
    recent_interactions,
    sessions,
    trending,
)
from projections.projection import Projection

ALL: tuple[Projection, ...] = (
    engagement.PROJECTION,
    behaviour.PROJECTION,
    sessions.PROJECTION,
    recent_interactions.PROJECTION,
    preferences.PROJECTION,
    item_progress.PROJECTION,
    learner_model.PROJECTION,
    personality.PROJECTION,
    active_dates.PROJECTION,
    achievements.PROJECTION,
    trending.PROJECTION,
    hourly_activity.PROJECTION,
)
