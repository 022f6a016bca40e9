"""Which variation does a learner get?  A hash of the id, so that nothing is stored and every process answers alike.

The hash is GrowthBook's, so that its SDKs assign the same learners to the same variations: FNV-1a of 32 bits over the
UTF-16 code units (GrowthBook SDKs, ``hashVersion`` 1 and 2).

    v2: n = (fnv1a(str(fnv1a(seed + id))) mod 10000) / 10000        v1: n = (fnv1a(id + seed) mod 1000) / 1000

A learner gets variation i if n lies in [c_i, c_i + coverage · w_i), c_i being the sum of the weights before.  A
change of coverage therefore never moves a learner from one variation to another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

OFFSET: Final = 0x811C9DC5
PRIME: Final = 0x01000193
_MASK: Final = 0xFFFFFFFF


def fnv1a(text: str) -> int:
    """FNV-1a, 32 bits.

    >>> fnv1a("")
    2166136261
    """
    value = OFFSET
    units = text.encode("utf-16-le", "surrogatepass")
    for place in range(0, len(units), 2):
        value = ((value ^ (units[place] | units[place + 1] << 8)) * PRIME) & _MASK
    return value


def share(seed: str, identifier: str, version: int = 2) -> float:
    """Where an id stands in [0, 1).

    >>> share("my-exp", "u-1"), share("my-exp", "u-1", version=1)
    (0.8268, 0.186)
    """
    if version == 1:
        return fnv1a(identifier + seed) % 1000 / 1000
    return fnv1a(str(fnv1a(seed + identifier))) % 10000 / 10000


def variation(place: float, weights: Sequence[float], coverage: float) -> int | None:
    """The variation at a place in [0, 1); None outside of the experiment.

    >>> variation(0.6, [0.5, 0.5], 0.5), variation(0.3, [0.5, 0.5], 0.5)
    (1, None)
    """
    begin = 0.0
    for number, weight in enumerate(weights):
        if begin <= place < begin + coverage * weight:
            return number
        begin += weight
    return None


def in_namespace(identifier: str, namespace: str, begin: float, end: float) -> bool:
    """Whether a learner belongs to a part of a namespace: experiments in disjoint parts never share a learner."""
    return begin <= share("__" + namespace, identifier, version=1) < end
