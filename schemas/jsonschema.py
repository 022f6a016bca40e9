"""Do the schema files say what the code does? Writes `schemas/json/*.schema.json`, `schemas/asyncapi.json` and the
tables of docs/events.md.

python -m schemas.jsonschema            write them
python -m schemas.jsonschema --check    exit 1 and name the files that differ, write nothing
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from schemas import asyncapi
from schemas.achievement_rules import AchievementRule
from schemas.documents import DOCUMENTS, Document
from schemas.field_tables import filled, structs, table

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "schemas" / "json"
ASYNCAPI = ROOT / "schemas" / "asyncapi.json"
PAGE = ROOT / "docs" / "events.md"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

BEYOND = (
    "Beyond this schema the reader also checks: at most 262144 bytes a record, UTF-8 throughout, no U+0000 within "
    "context, feedback and description at most 16384 bytes, context at most 8 levels deep, the time zone exists, times "
    "exist in the calendar and do not lie before 1990, whole numbers are written without a point or an exponent."
)


def schema_of(document: Document) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a documented message, with its examples."""
    body = msgspec.json.schema(document.type)
    head: dict[str, Any] = {"$schema": DIALECT, "$id": f"urn:personalize:schema:{document.name}:1"}
    if document.travels != "answer":
        head["$comment"] = BEYOND
    return {**head, **body, "examples": document.examples}


def rules_schema() -> dict[str, Any]:
    """Return the JSON Schema of a file of achievement rules; what fields say to each other only the loader checks."""
    head = {"$schema": DIALECT, "$id": "urn:personalize:schema:achievement-rules:1"}
    return {**head, **msgspec.json.schema(list[AchievementRule])}


def files() -> dict[Path, str]:
    """Return every generated file and what it has to hold."""
    made = {
        FOLDER / f"{document.name}.schema.json": json.dumps(schema_of(document), indent=2, ensure_ascii=False) + "\n"
        for document in DOCUMENTS
    }
    made[FOLDER / "achievement-rules.schema.json"] = json.dumps(rules_schema(), indent=2, ensure_ascii=False) + "\n"
    tables = {node.cls.__name__: table(node) for document in DOCUMENTS for node in structs(document.type)}
    made[ASYNCAPI] = asyncapi.text()
    made[PAGE] = filled(PAGE.read_text("utf-8"), tables)
    return made


def drifted() -> list[Path]:
    """Return the files that differ from what they have to hold, and schema files that nothing makes."""
    made = files()
    stale = [path for path, text in made.items() if not path.exists() or path.read_text("utf-8") != text]
    return stale + [path for path in sorted(FOLDER.glob("*.json")) if path not in made]


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` only compare them; return the exit code."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write("usage: python -m schemas.jsonschema [--check]\n")
        return 2
    stale = drifted()
    if arguments:
        for path in stale:
            sys.stderr.write(f"{path.relative_to(ROOT)} differs; run python -m schemas.jsonschema\n")
        return 1 if stale else 0
    made = files()
    FOLDER.mkdir(exist_ok=True)
    for path in stale:
        if path in made:
            path.write_text(made[path], "utf-8")
        else:
            path.unlink()
    sys.stdout.write(f"{len(made)} files, {len(stale)} changed\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
