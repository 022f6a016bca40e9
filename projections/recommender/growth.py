"""How does an array take more learners or items?  It is copied into one with room for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def padded(values: NDArray[Any], size: int, axis: int = 0, fill: float = 0) -> NDArray[Any]:
    """The array with at least ``size`` entries along ``axis``, new ones being ``fill``."""
    shape = list(values.shape)
    missing = size - shape[axis]
    if missing <= 0:
        return values
    shape[axis] = missing
    return np.concatenate((values, np.full(shape, fill, values.dtype)), axis=axis)


def doubled(size: int, needed: int) -> int:
    """The size, doubled until it holds what is needed: each doubling pays for as many arrivals as came before."""
    while size < needed:
        size *= 2
    return size
