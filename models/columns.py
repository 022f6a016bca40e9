"""What does a fold see of the log?  A batch of accepted interactions as columns, in log order.

Every array has one entry an interaction.  Absent measurements are NaN (floats) or -1 (``success``); a fold decides
what absence means.  Everything a fold may use is in here and is stored in the log of record, so that a rebuild
from the log sees the same inputs bit for bit (measurements are float32 for that reason on both paths).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]
Int32 = NDArray[np.int32]
Int16 = NDArray[np.int16]
Float64 = NDArray[np.float64]
Float32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

CONSENT_PERSONALISE = 1
CONSENT_ANALYTICS = 2
CONSENT_EXPERIMENT = 4
CONSENT_SENTIMENT = 8
CONSENT_PERSONALITY = 16
CONSENT_SHARE = 32
CONSENT_DEFAULT = CONSENT_PERSONALISE | CONSENT_ANALYTICS


@dataclass(frozen=True, slots=True, kw_only=True)
class Interactions:
    """n accepted interactions in log order, as columns of shape (n,)."""

    learner: Int64
    """Surrogate ``learner_key``."""
    item: Int64
    """Surrogate ``item_key``."""
    content_type: Int16
    """Surrogate ``content_type_key`` of the event's own contentType."""
    type: Int16
    """``InteractionType`` code, 0..11."""
    at_ms: Int64
    """Event time, Unix milliseconds, already clamped to record time + 24 h."""
    local_day: Int32
    """Days since 1970-01-01 in the learner's zone at that moment."""
    local_hour: Int16
    """Hour of the local day, 0..23."""
    time_spent_seconds: Float32
    expected_seconds: Float32
    """Duration that the catalogue stated when the event was folded; NaN when unknown."""
    completion_rate: Float32
    """[0, 1]"""
    rating: Float32
    """[1, 5]"""
    clicks: Float32
    """Count >= 0."""
    scroll_depth: Float32
    """[0, 1]"""
    score: Float32
    """Result of an attempt, [0, 1]."""
    sentiment: Float32
    """Polarity of the feedback text, [-1, 1]."""
    success: Int16
    """1 success, 0 failure, -1 absent."""
    consent: Int32
    """Bit set of the purposes the learner agreed to when the event was folded (``CONSENT_*``)."""
    dedupe_key: Int64
    """First 64 bits of SHA-256(userId, eventId), as a signed integer."""

    def __len__(self) -> int:
        return len(self.learner)

    def take(self, rows: Any) -> Interactions:
        """The rows that an index array, a mask or a slice selects, in its order."""
        return Interactions(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def consented(self, purpose: int) -> Interactions:
        """The rows whose learner had agreed to a purpose (a bit of ``consent``); the batch itself if all had."""
        agreed = (self.consent & purpose) != 0
        return self if agreed.all() else self.take(agreed)

    @classmethod
    def concatenate(cls, parts: list[Interactions]) -> Interactions:
        """Several batches as one, in the order given."""
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS})

    @classmethod
    def empty(cls) -> Interactions:
        """No interactions at all; the neutral batch of every fold."""
        return cls(**{name: np.empty(0, dtype) for name, dtype in COLUMNS.items()})


COLUMNS: dict[str, Any] = {
    "learner": np.int64,
    "item": np.int64,
    "content_type": np.int16,
    "type": np.int16,
    "at_ms": np.int64,
    "local_day": np.int32,
    "local_hour": np.int16,
    "time_spent_seconds": np.float32,
    "expected_seconds": np.float32,
    "completion_rate": np.float32,
    "rating": np.float32,
    "clicks": np.float32,
    "scroll_depth": np.float32,
    "score": np.float32,
    "sentiment": np.float32,
    "success": np.int16,
    "consent": np.int32,
    "dedupe_key": np.int64,
}
