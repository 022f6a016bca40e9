r"""Which item is worth a try that no model would show yet? One slot of a list, filled at random with known propensity.

With probability epsilon the slot shows an item drawn from the little-shown ones by Thompson sampling: each item's
click rate has the posterior Beta(1 + clicks, 1 + shows - clicks), one draw each, the largest wins. The probability
that a given item is shown there (its propensity) has no closed form, so it is estimated by repeating the draw;
whoever evaluates lists by the log divides by it. Sources: Thompson 1933; Chapelle and Li, NIPS 2011; inverse
propensity weighting: Horvitz and Thompson 1952.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SHARE = 0.1  # epsilon: share of lists whose slot explores
DRAWS = 200  # repetitions that estimate a propensity; its standard error is at most 0.035
SLOT = 4  # place in the list, from 0


@dataclass(frozen=True, slots=True)
class Exploration:
    """What the slot shows: ``place`` among the candidates (-1: the list stays as it is), propensity in (0, 1]."""

    place: int
    propensity: float


def explore(
    clicks: NDArray[np.int64], shows: NDArray[np.int64], generator: np.random.Generator, share: float = SHARE
) -> Exploration:
    """Decide about one list's slot, over n candidates with so many clicks and shows so far.

    The propensity of leaving the list alone is 1 - share. That of an item is share times its share of the repeated
    draws, the one that decided included, so it is never 0.

    Raises:
        ValueError: more clicks than shows, or ``share`` outside [0, 1].
    """
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"share is {share}; it has to be between 0 (never explore) and 1 (always)")
    if (clicks > shows).any() or (clicks < 0).any():
        raise ValueError("clicks have to be between 0 and shows for every candidate")
    if len(clicks) == 0 or generator.random() >= share:
        return Exploration(-1, 1.0 if len(clicks) == 0 else 1.0 - share)
    rates = generator.beta(1.0 + clicks, 1.0 + shows - clicks, size=(DRAWS, len(clicks)))
    winners = rates.argmax(axis=1)
    place = int(winners[0])
    return Exploration(place, share * float((winners == place).mean()))
