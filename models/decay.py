r"""How is a sum that fades with time kept without ever being swept?  By forward decay in log space.

For weights w_i at times t_i and half-life H the faded sum at time t is

    S(t) = Σ w_i 2^(−(t − t_i)/H).

Kept is L = ln Σ w_i 2^((t_i − t_0)/H) with a fixed landmark t_0, so that S(t) = exp(L − (t − t_0) ln 2 / H).
L only grows by `log_add`, which is commutative and associative: neither the order of events nor how they are batched
matters, ranks by L need no reading time, and L never overflows.  −inf is the empty sum.

Source: Cormode, Shkapenyuk, Srivastava, Xu, "Forward decay: a practical time decay model for streaming systems",
ICDE 2009, section III.  Symbols: H half-life [ms], w weight [1], t event time [Unix ms].
"""

from __future__ import annotations

import numpy as np

from models.columns import Float64, Int64

HOUR_MS = 3_600_000
DAY_MS = 86_400_000

# t_0, 2020-01-01T00:00Z.  Any value gives the same sums; one near the data keeps L small and its rounding below
# 1e-11 relative even for a half-life of one hour.  The SQL read-outs use the same number.
LANDMARK_MS = 1_577_836_800_000

LN_2 = float(np.log(2.0))


def log_decay(at_ms: Int64 | int, half_life_ms: float) -> Float64:
    """ln 2^((t − t_0)/H): the log-weight of one unit at time t, same shape as ``at_ms``."""
    return (np.asarray(at_ms, np.float64) - LANDMARK_MS) * (LN_2 / half_life_ms)


def log_weight(weight: Float64, at_ms: Int64, half_life_ms: float) -> Float64:
    """ln(w 2^((t − t_0)/H)) of weights (n,) >= 0 at times (n,); −inf where the weight is 0."""
    with np.errstate(divide="ignore"):
        return np.log(weight) + log_decay(at_ms, half_life_ms)


def log_add(a: Float64, b: Float64) -> Float64:
    """ln(e^a + e^b) without overflow; the SQL function ``log_add`` of the first migration is the same formula."""
    return np.logaddexp(a, b)


def decayed_at(log_sum: Float64, at_ms: Int64 | int, half_life_ms: float) -> Float64:
    """S(t) >= 0 of sums L, read at time t (a scalar or the shape of ``log_sum``); inf where float64 ends.

    >>> week = 7 * DAY_MS
    >>> kept = log_weight(np.array([3.0]), np.array([LANDMARK_MS]), week)
    >>> float(np.round(decayed_at(kept, LANDMARK_MS + week, week)[0], 12))
    1.5
    """
    with np.errstate(over="ignore", under="ignore"):
        return np.exp(log_sum - log_decay(at_ms, half_life_ms))
