"""How does a reader ask for the next page?  By an opaque cursor: the place where the page before ended.

A cursor holds the values that the list is ordered by, so that pages fit together while others write, whichever process
answers.  It grants nothing: whoever makes one up asks for a page that could be asked for anyway.
"""

from __future__ import annotations

import binascii
import datetime as dt
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final, TypeVar
from urllib.parse import urlencode

import msgspec

from api.parameters import bad_cursor

MOST_CHARACTERS: Final = 1_024
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_encode: Final = msgspec.msgpack.Encoder().encode

T = TypeVar("T")


def written(place: object) -> str:
    """The cursor of a place.

    >>> written((1, "a"))
    'kgGhYQ'
    """
    return urlsafe_b64encode(_encode(place)).rstrip(b"=").decode()


def read(cursor: str, kind: type[T]) -> T:
    """The place of a cursor; raises the problem (400) of one that was not made here."""
    try:
        if len(cursor) > MOST_CHARACTERS:
            raise ValueError
        data = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        return msgspec.msgpack.decode(data, type=kind)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise bad_cursor() from None


def microseconds(moment: dt.datetime) -> int:
    """A moment as Unix microseconds, without loss."""
    return (moment - _EPOCH) // dt.timedelta(microseconds=1)


def moment(unix_us: int) -> dt.datetime:
    """The moment of Unix microseconds; raises the problem (400) of one that no calendar has."""
    try:
        return _EPOCH + dt.timedelta(microseconds=unix_us)
    except OverflowError:
        raise bad_cursor() from None


def link(path: str, **parameters: object) -> tuple[bytes, bytes]:
    """The header that names the next page."""
    return b"link", f'<{path}?{urlencode(parameters)}>; rel="next"'.encode()
