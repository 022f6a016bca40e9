"""Where do the lines of a picture run?  Radar and learning path; numbers in, SVG coordinates out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CENTRE = 100.0
RADIUS = 66.0
LABEL_RADIUS = 82.0
LINE_LENGTH = 12
RINGS = (0.25, 0.5, 0.75, 1.0)

NODE_WIDTH = 156.0
NODE_HEIGHT = 54.0
GAP_X = 42.0
GAP_Y = 18.0
MARGIN = 6.0


@dataclass(frozen=True, slots=True)
class Spoke:
    """One axis of a radar."""

    lines: tuple[str, ...]
    """Its label, in one line or two."""
    value: float
    """[0, 1]"""
    x: float
    y: float
    """Where the axis ends."""
    label_x: float
    label_y: float
    anchor: str


@dataclass(frozen=True, slots=True)
class Radar:
    """A radar in a square of 200."""

    rings: list[str]
    """Points of the polygons at a quarter, half, three quarters and the whole."""
    shape: str
    spokes: list[Spoke]


def radar(values: Sequence[tuple[str, float]]) -> Radar | None:
    """The radar of named shares in [0, 1]; None below three, which no polygon has."""
    count = len(values)
    if count < 3:
        return None
    angles = [2 * math.pi * number / count - math.pi / 2 for number in range(count)]
    spokes = [
        Spoke(
            lines(label),
            value,
            *_at(angle, RADIUS),
            *_at(angle, LABEL_RADIUS),
            "middle" if abs(math.cos(angle)) < 0.2 else "start" if math.cos(angle) > 0 else "end",
        )
        for (label, value), angle in zip(values, angles, strict=True)
    ]
    rings = [_points([_at(angle, RADIUS * share) for angle in angles]) for share in RINGS]
    shape = _points(
        [_at(angle, RADIUS * min(1.0, max(0.0, value))) for (_, value), angle in zip(values, angles, strict=True)]
    )
    return Radar(rings, shape, spokes)


def lines(label: str) -> tuple[str, ...]:
    """A label in one line, or in two if it is long; parted where both are about as long.

    >>> lines("algebra"), lines("systems of equations")
    (('algebra',), ('systems of', 'equations'))
    """
    words = label.split(" ")
    if len(label) <= LINE_LENGTH or len(words) == 1:
        return (label,)
    parted = [(" ".join(words[:place]), " ".join(words[place:])) for place in range(1, len(words))]
    return min(parted, key=lambda pair: max(map(len, pair)))


def _at(angle: float, radius: float) -> tuple[float, float]:
    return round(CENTRE + radius * math.cos(angle), 1), round(CENTRE + radius * math.sin(angle), 1)


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in points)


@dataclass(frozen=True, slots=True)
class Graph:
    """Boxes and the curves between them."""

    width: float
    height: float
    places: dict[str, tuple[float, float]]
    """Node → its upper left corner."""
    curves: list[str]


def graph(prerequisites: Mapping[str, Sequence[str]]) -> Graph:
    """A layered drawing from left to right: each node one column behind the last of its prerequisites.

    Args:
        prerequisites: node → nodes before it; unknown ones are passed over.  There is no cycle.
    """
    layers: dict[str, int] = {}

    def layer(node: str) -> int:
        if node not in layers:
            layers[node] = 0  # a cycle would end here instead of running on
            before = [layer(one) for one in prerequisites[node] if one in prerequisites]
            layers[node] = 1 + max(before) if before else 0
        return layers[node]

    columns: dict[int, list[str]] = {}
    for node in prerequisites:
        columns.setdefault(layer(node), []).append(node)
    tallest = max((len(nodes) for nodes in columns.values()), default=0)
    height = tallest * (NODE_HEIGHT + GAP_Y) - GAP_Y + 2 * MARGIN
    places = {}
    for column, nodes in columns.items():
        top = (height - len(nodes) * (NODE_HEIGHT + GAP_Y) + GAP_Y) / 2
        for row, node in enumerate(nodes):
            places[node] = (MARGIN + column * (NODE_WIDTH + GAP_X), top + row * (NODE_HEIGHT + GAP_Y))
    curves = [
        _curve(places[before], places[node])
        for node, befores in prerequisites.items()
        for before in befores
        if before in places
    ]
    width = len(columns) * (NODE_WIDTH + GAP_X) - GAP_X + 2 * MARGIN
    return Graph(width, height, places, curves)


def _curve(start: tuple[float, float], end: tuple[float, float]) -> str:
    x1, y1 = start[0] + NODE_WIDTH, start[1] + NODE_HEIGHT / 2
    x2, y2 = end[0], end[1] + NODE_HEIGHT / 2
    bend = (x2 - x1) / 2
    return f"M{x1:g},{y1:g} C{x1 + bend:g},{y1:g} {x2 - bend:g},{y2:g} {x2:g},{y2:g}"
