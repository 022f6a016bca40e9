"""What do OULAD's rows look like as records of the topics `interactions` and `catalogue`?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from personalize.demo.activity_types import ACTIVITY_TYPES
from personalize.demo.oulad import Clicks, Oulad, Site

_EVENT_ID_BYTES: Final = 16


def user_id(student: int) -> str:
    """The platform id of a learner: the Open University's own pseudonym."""
    return str(student)


def content_id(site: int) -> str:
    """The platform id of a site."""
    return str(site)


def title(site: Site) -> str:
    """What a person calls the site, such as "Forum 3"."""
    return f"{ACTIVITY_TYPES[site.activity_type].noun} {site.ordinal}"


def catalogue_records(oulad: Oulad) -> list[tuple[bytes, bytes]]:
    """Key and value of one catalogue record a site, by id_site.

    Durations, levels and prerequisites are absent, because OULAD does not state them.
    """
    encode = msgspec.json.Encoder().encode
    records = []
    for place, site in enumerate(sorted(oulad.sites.values(), key=lambda site: site.id_site)):
        kind = ACTIVITY_TYPES[site.activity_type]
        value = {
            "contentId": content_id(site.id_site),
            "contentType": kind.content_type,
            "title": title(site),
            "topics": [kind.topic, f"module {site.module}"],
            "language": "en",
            "position": place,
        }
        records.append((content_id(site.id_site).encode(), encode(value)))
    return records


def event_id(presentation: bytes, row: tuple[int, int, int, int, int], turn: int = 0) -> str:
    """The stable id of a row: 128 bits of BLAKE2b over all of it.

    Args:
        presentation: module and presentation, such as ``b"AAA|2013J"``.
        row: student, site, day, ordinal, clicks.
        turn: of a repeated stream.
    """
    return blake2b(b"%b|%d|%d|%d|%d|%d|%d" % (presentation, *row, turn), digest_size=_EVENT_ID_BYTES).hexdigest()


class Encoder:
    """Turns rows into record values; what a site contributes is encoded once."""

    def __init__(self, oulad: Oulad) -> None:
        self._prefixes = ["|".join(names).encode() for names in oulad.presentations]
        self._sites = {}
        for site in oulad.sites.values():
            kind = ACTIVITY_TYPES[site.activity_type]
            self._sites[site.id_site] = (
                f'"interactionType":"{kind.interaction_type.value}","contentType":"{kind.content_type}",'
                f'"contentId":"{content_id(site.id_site)}","clicksCount":'
            )

    def values(self, clicks: Clicks, at_ms: NDArray[np.int64], turn: int = 0) -> Iterator[bytes]:
        """One JSON value a row; its event time is ``at_ms``, its eventId does not depend on that.

        Args:
            clicks: n rows.
            at_ms: (n,) event times, Unix milliseconds.
            turn: makes other events of the same rows.
        """
        columns: Iterable[tuple[int, ...]] = zip(
            clicks.student.tolist(),
            clicks.site.tolist(),
            clicks.day.tolist(),
            clicks.clicks.tolist(),
            clicks.ordinal.tolist(),
            clicks.presentation.tolist(),
            at_ms.tolist(),
            strict=True,
        )
        for student, site, day, count, ordinal, presentation, at in columns:
            identity = event_id(self._prefixes[presentation], (student, site, day, ordinal, count), turn)
            # Every part is a number or one of our own words, so nothing needs escaping.
            yield (
                f'{{"userId":"{student}",{self._sites[site]}{count},"eventId":"{identity}","occurredAt":{at}}}'
            ).encode()
