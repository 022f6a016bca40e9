"""Who may write at the same time?  Advisory lock numbers, in one place so that no two meanings share one."""

from __future__ import annotations

WRITERS_LOCK = 7_301_884_402
"""Taken shared by every projection transaction; a rebuild takes it alone for the moment of the switch."""

PARTITIONING_LOCK = 7_301_884_403
"""Taken alone while a table partition is made or dropped."""

WATCH_LOCK = 7_301_884_404
"""Held by the one jobs process that measures lag and backlogs for all."""

ROLL_UP_LOCK = 7_301_884_405
"""Taken alone by whoever moves the roll-ups of analytics, and by an erasure."""


SUMMARIES_LOCK = 7_301_884_406
"""Held while days or weeks of activity are summed anew: the daily jobs and the follower of the log both do."""

EXPERIMENTS_LOCK = 7_301_884_407
"""Held by the one process that writes the reports of experiments."""
