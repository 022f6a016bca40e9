"""docs/benchmarks.md says what the measurement files say."""

from __future__ import annotations

import pytest

from personalize.bench.document import DOCUMENT, MEASUREMENTS, filled, reports
from personalize.bench.report import Report

MACHINE = {
    "processor": "Some CPU",
    "cores": 2,
    "memory_bytes": 8 * 2**30,
    "system": "Linux",
    "python": "3.11.7",
    "load_average_at_start": 0.1,
    "measured_at": "2026-01-02T03:04:05+00:00",
}
TEXT = "# A\n<!-- results: ingest -->\nold\n<!-- end -->\ntail\n"


def test_figures_replace_what_stood_there():
    """A place holds the figures, command and machine of its report, and filling twice changes nothing."""
    report = Report("ingest", "personalize bench ingest", dict(MACHINE), {"events_per_second": 51234.0})
    text = filled(TEXT, {"ingest": report})
    assert "| `events_per_second` | 51,234 |" in text
    assert "`personalize bench ingest`, 2026-01-02, on 2 cores of Some CPU, 8 GiB" in text
    assert "old" not in text
    assert text.endswith("tail\n")
    assert filled(text, {"ingest": report}) == text


def test_without_a_measurement_the_document_says_so():
    """A place without a report says that nothing was measured."""
    assert "Not measured yet." in filled(TEXT, {})


def test_report_without_a_place_is_an_error():
    """A report that the document has no place for is named."""
    with pytest.raises(ValueError, match="nowhere"):
        filled(TEXT, {"nowhere": Report("nowhere", "c", dict(MACHINE), {})})


def test_the_document_is_filled_with_the_measurements():
    """The page in the repository shows exactly the measurement files beside it."""
    text = DOCUMENT.read_text(encoding="utf-8")
    assert filled(text, reports(MEASUREMENTS)) == text
