"""Which projections exist?  An explicit tuple; recording, rebuild, erasure, metrics and the laws follow from it."""

from __future__ import annotations

from projections.projection import Projection

ALL: tuple[Projection, ...] = ()
