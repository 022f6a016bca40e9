"""What came of the lists that were served? Each list's items with how often they were served and what followed.

A list's state is made of sums, minima, maxima and bit sets only, so neither the order nor the grouping of servings and
outcomes matters: a click may even be heard of before the serving that it answers. What a list counts for is a function
of its state, so the sums over lists move by the difference of that function between the old and the new state.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

CLICKED, COMPLETED, LIKED, DISLIKED = 1, 2, 4, 8
"""Bits of an outcome."""
NOT_SERVED = -1


class Place(NamedTuple):
    """One item of a list, at its place in the stored list."""

    rank: int = 0
    """Highest at which it was shown, from 1; 0: not shown."""
    item: int = 0
    arm: str = ""
    propensity: float = 0.0
    """(0, 1]; 0: not shown."""
    servings: int = 0
    outcome: int = 0


class ServedList(NamedTuple):
    """One list of one learner."""

    list_type: str = ""
    first_day: int = NOT_SERVED
    """Day of the first serving."""
    places: Mapping[int, Place] = {}


class Cell(NamedTuple):
    """What the sums are told apart by."""

    day: int
    list_type: str
    arm: str
    rank: int


class Sums(NamedTuple):
    """Sums over the items of lists; see ``recommendation_outcome``."""

    servings: int = 0
    impressions: int = 0
    clicks: int = 0
    conversions: int = 0
    likes: int = 0
    dislikes: int = 0
    weight: float = 0.0
    click_weight: float = 0.0

    def plus(self, other: Sums) -> Sums:
        """Both together."""
        whole, parts = zip(self[:6], other[:6], strict=True), zip(self[6:], other[6:], strict=True)
        return Sums(*(a + b for a, b in whole), *(a + b for a, b in parts))


EMPTY = ServedList()


def served(old: ServedList, list_type: str, day: int, shown: Iterable[tuple[int, Place]]) -> ServedList:
    """The list after one more serving, on a day, of (place, what was shown) each."""
    places = dict(old.places)
    for place, now in shown:
        held = places.get(place)
        places[place] = now if held is None else _joined(held, now)
    first_day = day if old.first_day == NOT_SERVED else min(old.first_day, day)
    return ServedList(max(old.list_type, list_type), first_day, places)


def followed(old: ServedList, place: int, outcome: int) -> ServedList:
    """The list after the learner did something with the item at a place."""
    held = old.places.get(place, Place())
    return old._replace(places={**old.places, place: held._replace(outcome=held.outcome | outcome)})


def _joined(a: Place, b: Place) -> Place:
    return Place(
        rank=min(a.rank or b.rank, b.rank or a.rank),
        item=max(a.item, b.item),
        arm=max(a.arm, b.arm),
        propensity=min(a.propensity or b.propensity, b.propensity or a.propensity),
        servings=a.servings + b.servings,
        outcome=a.outcome | b.outcome,
    )


def counts(one: ServedList) -> dict[Cell, Sums]:
    """What a list counts for; nothing before it was served, and only the places that were shown."""
    found: dict[Cell, Sums] = {}
    for place in one.places.values():
        if not place.servings:
            continue
        weight = 1.0 / place.propensity
        clicked = bool(place.outcome & (CLICKED | COMPLETED))
        sums = Sums(
            place.servings,
            1,
            clicked,
            bool(place.outcome & COMPLETED),
            bool(place.outcome & LIKED),
            bool(place.outcome & DISLIKED),
            weight,
            weight if clicked else 0.0,
        )
        cell = Cell(one.first_day, one.list_type, place.arm, place.rank)
        found[cell] = found[cell].plus(sums) if cell in found else sums
    return found


def moved(changes: Iterable[tuple[ServedList, ServedList]]) -> dict[Cell, Sums]:
    """What the sums have to be moved by, given the old and new state of lists; cells that do not move are left out."""
    moves: defaultdict[Cell, list[float]] = defaultdict(lambda: [0.0] * len(Sums._fields))
    for old, new in changes:
        for sign, state in ((-1, old), (1, new)):
            for cell, sums in counts(state).items():
                moves[cell] = [held + sign * value for held, value in zip(moves[cell], sums, strict=True)]
    return {
        cell: Sums(*(int(value) for value in values[:6]), *values[6:])
        for cell, values in moves.items()
        if any(abs(value) > 1e-12 for value in values)
    }


def exposures(changes: Iterable[tuple[ServedList, ServedList]]) -> dict[int, tuple[int, int]]:
    """(impressions, clicks) by which each item's have to be moved."""
    moves: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
    for old, new in changes:
        for sign, state in ((-1, old), (1, new)):
            for place in state.places.values():
                if place.servings and place.item:
                    moves[place.item][0] += sign
                    moves[place.item][1] += sign * bool(place.outcome & (CLICKED | COMPLETED))
    return {item: (shown, clicked) for item, (shown, clicked) in moves.items() if shown or clicked}
