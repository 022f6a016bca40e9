"""What does a row of each table mean?  The dictionary docs/tables.md, made from the migrations and the registry.

The migrations say it where it is decided: in the comment above ``CREATE TABLE``, behind a column, or in a ``COMMENT``.
``python -m projections.table_dictionary`` writes the page anew; a test fails while it is out of date.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from projections.migrations.sql_file import SQL
from projections.registry import ALL

PAGE = Path(__file__).parent.parent / "docs" / "tables.md"

INTRODUCTION = """# Tables

What a row means, table by table. This page is made from the migrations by `python -m projections.table_dictionary`.

- Only `learners` and `content` know the platform's ids; every other table names a learner by `learner_key` and content
  by `item_key`. `reporting.*` shows neither.
- Times are event times (`occurredAt`) unless the column says otherwise. `applied_seq` is the transaction that wrote the
  row last: rows with equal numbers became visible together.
- A column `log_…` is the natural logarithm of a sum that fades with a half-life H: its value at time t is
  `exp(log_… − (t − 2020-01-01T00Z) · ln 2 / H)`, and `-Infinity` is an empty sum. Nothing is ever swept, and ranks by
  such a column need no reading time. `engagement_at(time)` reads engagement out.
- A read model is moved only by the projection named with it, in the transaction that also moves the stream offsets. It
  can be made anew from `interaction_log` at any time: `personalize rebuild NAME`.
"""

# Columns that mean the same wherever they stand, for tables that do not say it themselves.
COMMON = {
    "learner_key": "The learner (`learners`).",
    "item_key": "The content (`content`).",
    "content_type_key": "The kind of content (`content_types`).",
    "interaction_type": "`InteractionType` code, 0 VIEW to 11 SKIP.",
    "dedupe_key": "First 64 bits of SHA-256(userId, eventId).",
    "applied_seq": "Transaction that wrote the row last.",
    "events": "Interactions folded.",
    "last_at": "Newest event time.",
    "topic": "Kafka topic.",
    "part": "Kafka partition.",
    "time_spent_seconds": "Sum of the stated times.",
    "clicks": "Sum of the stated clicks.",
    "created_at": "When the row was written (clock of the database).",
    "updated_at": "When the row was written last (clock of the database).",
    "committed_at": "When the transaction wrote it (clock of the database).",
}

_CREATE = re.compile(r"CREATE TABLE (\w+) \($")
_COLUMN = re.compile(r"(?:ADD COLUMN )?(?P<name>[a-z]\w*)\s+(?P<rest>[^-]*?)(?:--\s*(?P<comment>.*))?$")
_TYPE_ENDS = re.compile(r"\s+(NOT NULL|DEFAULT|PRIMARY KEY|UNIQUE|REFERENCES|GENERATED|CHECK)\b")
_COMMENT = re.compile(r"COMMENT ON (TABLE|COLUMN) (\w+)(?:\.(\w+))? IS\s+'((?:[^']|'')*)'", re.DOTALL)
_SHOWN = re.compile(r"CREATE (?:OR REPLACE )?(VIEW|FUNCTION) ([\w.]+(?:\([^)]*\))?)")


@dataclass(slots=True)
class Table:
    """One table as the migrations leave it."""

    name: str
    meaning: str
    types: dict[str, str] = field(default_factory=dict)
    """Column → SQL type, in order."""
    comments: dict[str, str] = field(default_factory=dict)
    """Column → what it holds."""
    key: str = ""
    """Columns of the primary key."""


def tables() -> dict[str, Table]:
    """Every table of the migrations, by name, in the order of its creation."""
    found: dict[str, Table] = {}
    for file in sorted(SQL.glob("*.sql")):
        text = file.read_text(encoding="utf-8")
        _read_statements(text, found)
        for kind, table, column, comment in _COMMENT.findall(text):
            said = comment.replace("''", "'")
            if kind == "TABLE" and table in found:
                found[table].meaning = said
            elif table in found:
                found[table].comments[column] = said
    return found


def readers() -> list[tuple[str, str]]:
    """(name, comment above it) of every view and function that the migrations offer to readers, as last made."""
    shown: dict[str, str] = {}
    for file in sorted(SQL.glob("*.sql")):
        above: list[str] = []
        for line in file.read_text(encoding="utf-8").splitlines():
            made = _SHOWN.match(line)
            if made:
                shown[made[2]] = _sentence(above) or shown.get(made[2], "")
            above = [*above, line[2:].strip()] if line.startswith("--") else []
    return list(shown.items())


def page() -> str:
    """The whole page in Markdown."""
    found = tables()
    owners = {table: projection for projection in ALL for table in projection.tables}
    parts = [INTRODUCTION, "## Read models\n"]
    for name in [name for name in found if name in owners]:
        projection = owners[name]
        title = f"Projection `{projection.name}`: {projection.question}"
        parts.append(_section(found[name], title + (" Shared by all learners." if projection.shared else "")))
    parts.append("## Everything else\n")
    parts += [_section(table, "") for name, table in found.items() if name not in owners]
    parts.append("## Views and functions\n")
    parts.append("\n".join(f"- `{name}`{': ' + said if said else ''}" for name, said in readers()) + "\n")
    return "\n".join(parts)


def _read_statements(text: str, found: dict[str, Table]) -> None:
    above: list[str] = []
    table: Table | None = None
    for line in text.splitlines():
        stripped = line.strip()
        created = _CREATE.match(line)
        altered = re.match(r"ALTER TABLE (\w+)$", line)
        if created:
            table = found[created[1]] = Table(created[1], _sentence(above))
        elif altered:
            table = found.get(altered[1])
        elif table is not None:
            _read_column(stripped, table)
            if stripped.startswith(")") or stripped.split("--")[0].strip().endswith(";"):
                table = None
        above = [*above, line[2:].strip()] if line.startswith("--") else []


def _read_column(line: str, table: Table) -> None:
    key = re.match(r"(?:ADD )?PRIMARY KEY \(([^)]*)\)", line)
    if key:
        table.key = key[1]
    column = _COLUMN.match(line)
    if column is None or not column["rest"].strip():
        return
    name, rest = column["name"], column["rest"].strip().rstrip(",;").strip()
    table.types[name] = _TYPE_ENDS.split(" " + rest, maxsplit=1)[0].strip()
    if "PRIMARY KEY" in rest:
        table.key = name
    if column["comment"]:
        table.comments[name] = column["comment"].strip()


def _section(table: Table, owner: str) -> str:
    lines = [f"### {table.name}\n"]
    lines += [f"{owner}\n"] if owner else []
    lines += [f"{table.meaning}\n"] if table.meaning else []
    lines += [f"Primary key: `{table.key}`.\n"] if table.key else []
    lines += ["| column | type | what it holds |", "|---|---|---|"]
    lines += [
        f"| `{name}` | {kind} | {_cell(table.comments.get(name) or COMMON.get(name, ''))} |"
        for name, kind in table.types.items()
    ]
    return "\n".join(lines) + "\n"


def _sentence(comment: list[str]) -> str:
    return " ".join(part for part in comment if part)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Writes docs/tables.md."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
