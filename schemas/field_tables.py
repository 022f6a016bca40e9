"""Which fields does a message have? Markdown tables made from the Structs, for docs/events.md.

A table stands between `<!-- fields: NAME -->` and `<!-- end -->`, NAME being a Struct's class name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from msgspec import inspect

from schemas.expectation import expectation

_SLOT = re.compile(r"(<!-- fields: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def structs(message: Any) -> Iterator[inspect.StructType]:
    """Yield every Struct within a message type, outermost first, each once."""
    seen: set[type] = set()
    waiting: list[Any] = [inspect.type_info(message)]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, inspect.StructType):
            if node.cls in seen:
                continue
            seen.add(node.cls)
            yield node
            waiting.extend(field.type for field in node.fields)
        elif isinstance(node, inspect.UnionType):
            waiting.extend(node.types)
        elif isinstance(node, inspect.Metadata):
            waiting.append(node.type)
        elif isinstance(node, inspect.ListType | inspect.VarTupleType):
            waiting.append(node.item_type)


def table(struct: inspect.StructType) -> str:
    """Return the fields of a Struct as a Markdown table: name, what it holds, whether it is required, meaning."""
    rows = ["| field | holds | required | meaning |", "|---|---|---|---|"]
    if struct.tag_field:
        rows.append(f"| `{struct.tag_field}` | `{struct.tag}` | yes | Says which message this is. |")
    rows.extend(_row(struct, field) for field in struct.fields)
    return "\n".join(rows) + "\n"


def _row(struct: inspect.StructType, field: inspect.Field) -> str:
    meaning = _description(field.type).replace("|", "\\|")
    holds = expectation(struct, (field.encode_name,)).replace("|", "\\|")
    return f"| `{field.encode_name}` | {holds} | {'yes' if field.required else 'no'} | {meaning} |"


def _description(node: inspect.Type) -> str:
    """Return the description that a field's `Meta` gives."""
    if isinstance(node, inspect.Metadata):
        own = (node.extra_json_schema or {}).get("description")
        return str(own) if own else _description(node.type)
    return ""


def filled(page: str, tables: dict[str, str]) -> str:
    """Return the page with the tables in their slots; a slot for an unknown Struct is a KeyError."""
    return _SLOT.sub(lambda slot: f"{slot[1]}{tables[slot[2]]}{slot[3]}", page)
