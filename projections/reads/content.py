"""What does the catalogue say of a piece of content?"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, LiteralString, NamedTuple

from msgspec import Meta, Struct

from projections.reads.freshness import OFFSETS, Seen, seen
from projections.stores.postgres_pool import ReadPool

ONE: LiteralString = """
SELECT content_id, content_type, title, description, topics, skills, difficulty, duration_seconds, language,
       prerequisites, catalogue_position, NOT is_stub, withdrawn, updated_at
FROM content WHERE content_id = %(content_id)s
"""


class Content(Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """A piece of content as the catalogue has it now."""

    content_id: str
    content_type: str
    title: str | None
    description: str | None
    topics: tuple[str, ...]
    skills: tuple[str, ...]
    difficulty: str | None
    duration_seconds: float | None
    language: str | None
    prerequisites: tuple[str, ...]
    position: int | None
    known: Annotated[bool, Meta(description="False while only interactions have named it.")]
    withdrawn: Annotated[bool, Meta(description="True once it was taken out of the catalogue.")]
    updated_at: dt.datetime


class ContentAnswer(NamedTuple):
    """A piece of content and what the answer reflects."""

    content: Content
    seen: Seen


async def read(pool: ReadPool, content_id: str) -> ContentAnswer | None:
    """A piece of content; None when nothing has ever named it."""
    offsets, rows = await pool.snapshot([(OFFSETS, None), (ONE, {"content_id": content_id})])
    if not rows:
        return None
    row = rows[0]
    names = Content.__struct_fields__
    return ContentAnswer(Content(**dict(zip(names, row, strict=True))), seen(offsets))
