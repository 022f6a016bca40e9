"""The examples in the docstrings of schemas/ are true."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize("module", ["schemas.event_time", "schemas.expectation"])
def test_docstrings(module):
    """Each example in the module's docstrings gives what it says."""
    results = doctest.testmod(importlib.import_module(module))
    assert results.attempted > 0
    assert results.failed == 0
