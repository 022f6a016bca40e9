"""How does the state become plain named arrays, another size, or a state without one learner?

The state is nested tuples of arrays. A snapshot names every array by its path; there is nothing to pickle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.recommendation.histories import rehashed
from models.recommendation.tables import Capacity, Tables, empty_tables

Tree = TypeVar("Tree", bound=tuple[Any, ...])


def _leaves(name: str, tree: Any) -> Iterator[tuple[str, NDArray[np.generic]]]:
    if isinstance(tree, np.ndarray):
        yield name, tree
        return
    for field, value in zip(tree._fields, tree, strict=True):
        yield from _leaves(f"{name}.{field}", value)


def flattened(name: str, tree: tuple[Any, ...]) -> dict[str, NDArray[np.generic]]:
    """Return copies of all arrays of a state, named by their path below ``name``."""
    return {path: array.copy() for path, array in _leaves(name, tree)}


def array_bytes(tree: tuple[Any, ...]) -> int:
    """Return the bytes of all arrays of a state."""
    return sum(array.nbytes for _, array in _leaves("", tree))


def restored(name: str, like: Tree, state: Mapping[str, NDArray[np.generic]]) -> Tree:
    """Return a state of the same structure and types as ``like``, with the arrays of ``state``.

    Raises:
        ValueError: an array is missing or has another type: the snapshot is of another version.
    """

    def build(path: str, node: Any) -> Any:
        if isinstance(node, np.ndarray):
            if path not in state or state[path].dtype != node.dtype or state[path].ndim != node.ndim:
                raise ValueError(f"snapshot has no array {path} of {node.ndim} dimensions and type {node.dtype}")
            return np.ascontiguousarray(state[path])
        return type(node)(*(build(f"{path}.{field}", value) for field, value in zip(node._fields, node, strict=True)))

    rebuilt: Tree = build(name, like)
    return rebuilt


def resized(tables: Tables, capacity: Capacity) -> Tables:
    """Return the tables with room for other numbers of items, learners and pairs; row lengths stay what they are."""
    new = empty_tables(capacity)
    for (path, target), (_, source) in zip(_leaves("", new), _leaves("", tables), strict=True):
        if not path.endswith(".taken"):
            shared = tuple(slice(0, min(a, b)) for a, b in zip(target.shape, source.shape, strict=True))
            target[shared] = source[shared]
    taken = rehashed(tables.histories.taken, new.histories.taken.shape[0])
    return new._replace(histories=new.histories._replace(taken=taken))


def without_learner(tables: Tables, learner: int) -> Tables:
    """Return the tables without a learner's ring, pairs and places among the takers."""
    histories, takers = tables.histories, tables.takers
    taken = rehashed(histories.taken, histories.taken.shape[0], without_learner=learner)
    histories.taken_count[0] = np.count_nonzero(taken)
    for array in (histories.ring_item, histories.ring_at_ms, histories.ring_length, histories.distinct):
        array[learner] = 0
    histories.step_class[learner] = 0
    width = takers.learner.shape[1]
    for item in np.flatnonzero((takers.learner == learner).any(axis=1)):
        total = int(takers.total[item])
        held = [(total - 1 - k) % width for k in range(min(total, width))][::-1]
        kept = [place for place in held if takers.learner[item, place] != learner]
        who, when = takers.learner[item, kept].copy(), takers.at_ms[item, kept].copy()
        takers.learner[item] = 0
        takers.at_ms[item] = 0
        takers.learner[item, : len(kept)] = who
        takers.at_ms[item, : len(kept)] = when
        takers.total[item] = len(kept)
    return tables._replace(histories=histories._replace(taken=taken))
