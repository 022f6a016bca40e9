"""What may a field hold? The constrained types that several messages share: ids, shares, texts, levels.

A constraint stands here once; `msgspec.Meta` makes the decoder enforce it and the JSON Schema state it. Lengths count
Unicode characters. Text never holds U+0000, which Postgres cannot store: the schema states it as a pattern, the decoder
checks it with a byte search (a regular expression on every id would cost more than the rest of the decoding).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta

MAX_RECORD_BYTES = 256 * 1024
MAX_LINE_BYTES = 64 * 1024
MAX_TEXT_BYTES = 16 * 1024
MAX_ID_LENGTH = 128
MAX_CONTEXT_DEPTH = 8

#: In Python `$` also matches before a last newline; in ECMA 262 (JSON Schema) it does not. This means the end in both.
END_OF_TEXT = r"$(?!\n)"
NO_NUL = {"pattern": "^[^\\u0000]*" + END_OF_TEXT}

#: Any identifier that a platform gives: opaque, compared as is.
Identifier = Annotated[str, Meta(min_length=1, max_length=MAX_ID_LENGTH, extra_json_schema=NO_NUL)]
#: A short open vocabulary, such as `video` or `quiz`.
ContentType = Annotated[str, Meta(min_length=1, max_length=64, extra_json_schema=NO_NUL)]
#: A topic or skill name.
Label = Annotated[str, Meta(min_length=1, max_length=128, extra_json_schema=NO_NUL)]
#: One line for people: a title, a goal.
Line = Annotated[str, Meta(min_length=1, max_length=512, extra_json_schema=NO_NUL)]
#: Free text; the decoder also holds it to MAX_TEXT_BYTES bytes of UTF-8.
Text = Annotated[str, Meta(max_length=MAX_TEXT_BYTES, extra_json_schema=NO_NUL)]
#: A share of a whole.
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
#: A duration of at most one day [s].
SecondsOfDay = Annotated[float, Meta(ge=0.0, le=86_400.0)]
#: A duration of at most ten years [s].
Seconds = Annotated[float, Meta(ge=0.0, le=315_360_000.0)]
#: A name of the IANA time zone database; the decoder refuses a name that the database does not have.
TimeZoneName = Annotated[str, Meta(extra_json_schema={"format": "iana-time-zone"})]
#: A BCP 47 language tag, such as `en` or `pt-BR`.
LanguageTag = Annotated[str, Meta(max_length=35, pattern=rf"^[A-Za-z]{{2,8}}(-[A-Za-z0-9]{{1,8}})*{END_OF_TEXT}")]
#: The version of the message's meaning. Fields are only ever added; a changed meaning is a new version.
SchemaVersion = Annotated[
    int, Meta(ge=1, le=1, description="Version of this message's meaning; 1 is the only one so far.")
]


class Level(StrEnum):
    """How advanced a learner, a path or a piece of content is."""

    BEGINNER = "BEGINNER"
    INTERMEDIATE = "INTERMEDIATE"
    ADVANCED = "ADVANCED"
    EXPERT = "EXPERT"
