"""Every query of every dashboard answers on the running engine, and nothing else is wrong with metrics and rules."""

from __future__ import annotations

import pytest

from personalize.dashboards import check, prometheus
from personalize.live_run import LiveRun

pytestmark = pytest.mark.dashboards


def test_every_panel_has_data(engine: LiveRun) -> None:
    """Without Prometheus only the queries of Postgres are run, and the test says so."""
    has_prometheus = prometheus.program("prometheus") is not None and prometheus.program("promtool") is not None
    outcomes, complaints = check.examine(engine, postgres_only=not has_prometheus)
    assert [(one.query.name, one.problem, one.query.text) for one in check.failures(outcomes)] == []
    assert complaints == []
    assert len(outcomes) > 30
    if not has_prometheus:
        pytest.skip(
            f"{len(outcomes)} queries of Postgres answered; the others need Prometheus (apt install prometheus)"
        )
