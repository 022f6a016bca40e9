"""What content is there?  The `content` table, written from the compacted topic `catalogue`.

A record is the whole state of its content, so the last one wins; a null value withdraws.  Content known only from
interactions is a stub row of the same table, so that its surrogate stays when the catalogue entry arrives.
"""

from __future__ import annotations

from collections.abc import Sequence

from projections.stores.postgres import Connection
from schemas.catalogue import ContentSet

UPSERT = """
INSERT INTO content (content_id, content_type, title, description, topics, skills, difficulty, duration_seconds,
                     language, prerequisites, catalogue_position, is_stub, withdrawn, version)
VALUES (%(content_id)s, %(content_type)s, %(title)s, %(description)s, %(topics)s, %(skills)s, %(difficulty)s,
        %(duration_seconds)s, %(language)s, %(prerequisites)s, %(position)s, false, false,
        nextval('content_version_seq'))
ON CONFLICT (content_id) DO UPDATE SET
    content_type = excluded.content_type, title = excluded.title, description = excluded.description,
    topics = excluded.topics, skills = excluded.skills, difficulty = excluded.difficulty,
    duration_seconds = excluded.duration_seconds, language = excluded.language,
    prerequisites = excluded.prerequisites, catalogue_position = excluded.catalogue_position,
    is_stub = false, withdrawn = false, version = excluded.version, updated_at = now()
"""
WITHDRAW = """
UPDATE content SET withdrawn = true, version = nextval('content_version_seq'), updated_at = now()
WHERE content_id = ANY (%(content_ids)s::text[])
"""


def put(connection: Connection, keys: Sequence[bytes | None], contents: Sequence[ContentSet | None]) -> int:
    """Takes over catalogue records in log order (None withdraws); returns how many contents changed."""
    latest = {(key or b"").decode(errors="replace"): content for key, content in zip(keys, contents, strict=True)}
    present = [content for _, content in sorted(latest.items()) if content is not None]
    for content in present:
        connection.execute(UPSERT, _row(content))
    withdrawn = sorted(content_id for content_id, content in latest.items() if content is None)
    if withdrawn:
        connection.execute(WITHDRAW, {"content_ids": withdrawn})
    return len(latest)


def _row(content: ContentSet) -> dict[str, object]:
    return {
        "content_id": content.content_id,
        "content_type": content.content_type,
        "title": content.title,
        "description": content.description,
        "topics": list(content.topics),
        "skills": list(content.skills),
        "difficulty": content.difficulty,
        "duration_seconds": content.duration_seconds,
        "language": content.language,
        "prerequisites": list(content.prerequisites),
        "position": content.position,
    }
