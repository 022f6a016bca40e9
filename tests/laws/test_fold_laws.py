"""Does every pure fold obey the laws that make batching, redelivery and rebuilding harmless?"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from law_folds import LAWS, assert_same
from law_logs import batched_logs, every_type_and_absence, shuffled_logs

from models.columns import Interactions
from projections.registry import ALL

NAMES = [projection.name for projection in ALL]
ORDER_FREE = [name for name in NAMES if name not in LAWS or LAWS[name].order_free]
EXAMPLES = settings(max_examples=200, deadline=None)


@pytest.mark.parametrize("name", NAMES)
@EXAMPLES
@given(logs=batched_logs())
def test_any_split_of_the_log_gives_the_same_state(name: str, logs: tuple[Interactions, list[Interactions]]) -> None:
    """Folding a log at once and folding it in any batches, some empty, end in the same state."""
    whole, batches = logs
    assert_same(LAWS[name].run([whole]), LAWS[name].run(batches))


@pytest.mark.parametrize("name", ORDER_FREE)
@EXAMPLES
@given(logs=shuffled_logs())
def test_the_order_of_the_log_does_not_matter(name: str, logs: tuple[Interactions, Interactions]) -> None:
    """An order-free fold ends in the same state for every permutation of the log."""
    log, shuffled = logs
    assert_same(LAWS[name].run([log]), LAWS[name].run([shuffled]))


@pytest.mark.parametrize("name", NAMES)
def test_every_type_and_every_absence_is_folded(name: str) -> None:
    """No interaction type and no absent measurement raises, and no float of the state becomes NaN."""
    state = LAWS[name].run([every_type_and_absence()])
    for column in state if isinstance(state, tuple) else ():
        if isinstance(column, np.ndarray) and column.dtype.kind == "f":
            assert not np.isnan(column).any()


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_batch_changes_nothing(name: str) -> None:
    """The state before and after an empty batch is the same."""
    log = every_type_and_absence()
    assert_same(LAWS[name].run([log]), LAWS[name].run([Interactions.empty(), log, Interactions.empty()]))
