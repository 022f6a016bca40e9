"""What would have been right? Plain words for the type at a place in a message, from the same types the decoder uses.

>>> from schemas.interactions import Interaction
>>> expectation(inspect.type_info(Interaction), ("completionRate",))
'a number from 0 to 1'
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import inspect

from schemas.event_time import EARLIEST_MS

WHOLE_MESSAGE = "a JSON object"


def expectation(root: inspect.Type, path: Sequence[str | int]) -> str:
    """Return in words what belongs at `path` (member names and list indexes) below `root`."""
    found = _at(root, path)
    return "something else" if found is None else _words(found)


def _bare(node: inspect.Type) -> inspect.Type:
    """Return the type without description wrappers."""
    while isinstance(node, inspect.Metadata):
        node = node.type
    return node


def _branches(node: inspect.Type) -> Iterable[inspect.Type]:
    """Yield the alternatives of a type, null left out."""
    node = _bare(node)
    if isinstance(node, inspect.UnionType):
        for branch in node.types:
            yield from _branches(branch)
    elif not isinstance(node, inspect.NoneType):
        yield node


def _at(node: inspect.Type, path: Sequence[str | int]) -> inspect.Type | None:
    """Return the type at `path`, searched in all alternatives, or None."""
    if not path:
        return node
    step, rest = path[0], path[1:]
    for branch in _branches(node):
        inner: inspect.Type | None = None
        if isinstance(branch, inspect.StructType):
            if step == branch.tag_field:
                return inspect.LiteralType(_tags(node))
            inner = next((field.type for field in branch.fields if field.encode_name == step), None)
        elif isinstance(branch, inspect.ListType | inspect.VarTupleType) and isinstance(step, int):
            inner = branch.item_type
        found = None if inner is None else _at(inner, rest)
        if found is not None:
            return found
    return None


def _tags(node: inspect.Type) -> tuple[str, ...]:
    """Return the names by which the alternatives of a tagged union are told apart."""
    return tuple(str(branch.tag) for branch in _branches(node) if isinstance(branch, inspect.StructType))


def _words(node: inspect.Type) -> str:
    """Return a type in plain words."""
    return " or ".join(dict.fromkeys(_branch_words(branch) for branch in _branches(node)))


def _branch_words(node: inspect.Type) -> str:
    """Return one alternative in plain words."""
    if isinstance(node, inspect.EnumType):
        return "one of " + ", ".join(str(member.value) for member in node.cls)
    if isinstance(node, inspect.LiteralType):
        return "one of " + ", ".join(str(value) for value in node.values)
    if isinstance(node, inspect.FloatType):
        return "a number" + _range(node.ge if node.ge is not None else node.gt, node.le)
    if isinstance(node, inspect.IntType) and node.ge == EARLIEST_MS:
        return "whole milliseconds since 1970 (not before 1990)"
    if isinstance(node, inspect.IntType):
        return "a whole number" + _range(node.ge, node.le)
    if isinstance(node, inspect.StrType):
        form = " of its documented form" if node.pattern else ""
        return "text" + form + _size(node.min_length, node.max_length, "characters")
    if isinstance(node, inspect.ListType | inspect.VarTupleType):
        return "a list" + _size(node.min_length, node.max_length, "entries") + ", each " + _words(node.item_type)
    if isinstance(node, inspect.DictType):
        key = _bare(node.key_type)
        size = _size(node.min_length, node.max_length, "members")
        if isinstance(key, inspect.EnumType):
            size += ", with members named " + ", ".join(str(member.value) for member in key.cls)
        return "an object" + size
    if isinstance(node, inspect.DateTimeType):
        return "an RFC 3339 time with a zone such as 2024-05-01T12:34:56Z"
    if isinstance(node, inspect.BoolType):
        return "true or false"
    if isinstance(node, inspect.StructType):
        return WHOLE_MESSAGE
    return "any JSON value"


def _range(low: float | None, high: float | None) -> str:
    """Return ' from low to high', as far as it is bounded."""
    if low is not None and high is not None:
        return f" from {low:.15g} to {high:.15g}" if low != high else f", namely {low:.15g}"
    return f" of at least {low:.15g}" if low is not None else f" of at most {high:.15g}" if high is not None else ""


def _size(low: int | None, high: int | None, unit: str) -> str:
    """Return ' of low to high units', as far as it is bounded."""
    if low and high:
        return f" of {low} to {high} {unit}"
    if low:
        return " that is not empty" if low == 1 else f" of at least {low} {unit}"
    return f" of at most {high} {unit}" if high else ""
