"""How is an id made that nobody else makes?  UUIDv7, out of random bytes that are fetched for many at a time."""

from __future__ import annotations

import os
import time
from typing import Final

_MANY: Final = 256
_DIGITS: Final = 19
"""Random hexadecimal digits of one id: 3, then a variant with 2 bits, then 15."""


class _Digits:
    """Random hexadecimal digits in stock; not for several threads, nor across a fork."""

    def __init__(self) -> None:
        self._stock = ""
        self._next = 0

    def take(self) -> str:
        """The digits of one id, never given before."""
        if self._next >= len(self._stock):
            self._stock = os.urandom(_MANY * (_DIGITS + 1) // 2).hex()[: _MANY * _DIGITS]
            self._next = 0
        first = self._next
        self._next = first + _DIGITS
        return self._stock[first : self._next]


_digits = _Digits()
_VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def new_id() -> str:
    """A UUIDv7: 48 bits of Unix milliseconds, then random bits, so that ids sort by time."""
    moment = f"{time.time_ns() // 1_000_000:012x}"
    random = _digits.take()
    return f"{moment[:8]}-{moment[8:]}-7{random[:3]}-{_VARIANT[random[3]]}{random[4:7]}-{random[7:]}"
