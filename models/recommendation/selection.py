"""Which is the k-th largest of some numbers? Hoare's quickselect, in place, expected linear time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.recommendation.compiled import compiled


@compiled
def kth_largest(values: NDArray[np.float64], k: int) -> float:
    """Return the k-th largest of ``values`` (1 <= k <= their number), whose order is lost."""
    low, high, wanted = 0, values.shape[0] - 1, k - 1
    while low < high:
        pivot = values[(low + high) // 2]
        left, right = low, high
        while left <= right:
            while values[left] > pivot:
                left += 1
            while values[right] < pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left += 1
                right -= 1
        if wanted <= right:
            high = right
        elif wanted >= left:
            low = left
        else:
            break
    return float(values[wanted])
