"""How good were predicted probabilities?  Ranking (area under the curve), log loss and calibration error."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


def area_under_curve(outcome: Float64, probability: Float64) -> float:
    """Probability that a success was given a higher chance than a failure; ties count half (Mann-Whitney).

    Shapes (n,), outcomes 0 or 1.  NaN when only one outcome occurs.
    """
    # The mean rank of each group of equals; scipy.stats has it too, and half a second of every start to load.
    _, group, size = np.unique(probability, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(size) - (size - 1) / 2)[group]
    positives = float(outcome.sum())
    negatives = len(outcome) - positives
    if positives == 0 or negatives == 0:
        return float("nan")
    return float((ranks @ outcome - positives * (positives + 1) / 2) / (positives * negatives))


def log_loss(outcome: Float64, probability: Float64) -> float:
    """Mean of −ln(probability given to what happened), nats; probabilities are kept 1e-12 away from 0 and 1."""
    p = np.clip(probability, 1e-12, 1 - 1e-12)
    return float(-np.mean(outcome * np.log(p) + (1 - outcome) * np.log1p(-p)))


def calibration_error(outcome: Float64, probability: Float64, bins: int = 10) -> float:
    """Expected calibration error: |mean probability − success rate| per equal-width bin, weighted by its size."""
    if len(outcome) == 0:
        return float("nan")
    which = np.minimum((probability * bins).astype(np.int64), bins - 1)
    gap = np.bincount(which, probability, bins) - np.bincount(which, outcome, bins)
    return float(np.abs(gap).sum() / len(outcome))
