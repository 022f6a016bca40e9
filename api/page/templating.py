"""How does a value become HTML?  Templates with escaping on, and how numbers and times are worded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_FOLDER = Path(__file__).parent / "templates"


def number(value: float | None, digits: int = 0) -> str:
    """A number as people read it: 12,345.6; a dash for none.

    >>> number(12345.678, 1), number(None)
    ('12,345.7', '–')
    """
    return "–" if value is None else f"{value:,.{digits}f}"


def age(seconds: float | None) -> str:
    """A short while in one unit.

    >>> age(0.25), age(12.3), age(200), age(None)
    ('0.3 s', '12 s', '3 min', '–')
    """
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3_600:.0f} h"


_environment = Environment(
    loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_environment.filters.update(number=number, age=age)


def render(name: str, **values: Any) -> bytes:
    """The template with these values, everything in them escaped."""
    return _environment.get_template(name).render(values).encode()
