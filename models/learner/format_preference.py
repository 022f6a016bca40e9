"""Which formats does a learner do well with?  A soft preference per format, declared at first, then learnt.

A declared learning style is only where the preference starts; matching material to a style has no proven effect
(Clinton-Lisell 2024).  What moves it is behaviour: the completion of what the learner began in each format, against the
learner's own mean over all formats.  State is two sums a format, so it is free of the order of events:

    preference = ½ + ½ (S − n b + m a) / (n + m),   in [0, 1]

S and n are sum and number of completions in the format, b the mean over all formats, a where the format starts by
declaration, m = ``PRIOR``.  The planner weighs this with a tenth at most and never gates by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]

PRIOR = 10.0
"""The declared style counts as much as this many completions."""
STYLE_FORMATS = {
    "VISUAL": frozenset({"video", "image", "infographic", "diagram", "slides", "animation"}),
    "AUDITORY": frozenset({"audio", "podcast", "lecture", "discussion", "webinar"}),
    "KINESTHETIC": frozenset({"exercise", "quiz", "lab", "simulation", "project", "game", "interactive", "assignment"}),
}
DECLARED_START = 0.2
"""How far the formats of the declared style start above the learner's mean completion."""


@dataclass(frozen=True, slots=True)
class FormatRecord:
    """Sum and number of a learner's completions by format."""

    completed: Mapping[str, tuple[float, int]] = field(default_factory=dict)

    def merged(self, other: FormatRecord) -> FormatRecord:
        """The sums of two disjoint sets of events; commutative and associative."""
        both = dict(self.completed)
        for name, (total, count) in other.completed.items():
            known = both.get(name, (0.0, 0))
            both[name] = (known[0] + total, known[1] + count)
        return FormatRecord(dict(sorted(both.items())))


def completion_of(content_type: str, completion: float) -> FormatRecord:
    """The record of one finished or abandoned piece of content.

    Raises:
        ValueError: completion is not in [0, 1].
    """
    if not 0 <= completion <= 1:
        raise ValueError(f"completion must be in [0, 1], got {completion}")
    return FormatRecord({content_type.lower(): (completion, 1)})


def format_preference(record: FormatRecord, formats: Sequence[str], declared_style: str | None = None) -> Float64:
    """(n,) preference for each format, [0, 1]; .5 where neither declaration nor behaviour says anything.

    Raises:
        ValueError: another declared style.
    """
    if declared_style is not None and declared_style not in STYLE_FORMATS:
        raise ValueError(f"learningStyle must be one of {', '.join(STYLE_FORMATS)}, got {declared_style!r}")
    favoured = STYLE_FORMATS[declared_style] if declared_style else frozenset()
    every = record.completed.values()
    count = sum(n for _, n in every)
    mean = sum(total for total, _ in every) / count if count else 0.5
    found = np.empty(len(formats))
    for place, name in enumerate(formats):
        total, n = record.completed.get(name.lower(), (0.0, 0))
        start = DECLARED_START if name.lower() in favoured else 0.0
        found[place] = 0.5 + 0.5 * (total - n * mean + PRIOR * start) / (n + PRIOR)
    return np.clip(found, 0.0, 1.0)
