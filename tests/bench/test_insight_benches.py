"""Do the benches of analytics run, on little data?"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from personalize.bench import at_risk, engagement
from personalize.bench.oulad_interactions import course, enrolled
from personalize.demo import oulad

DATA = Path(os.environ.get("PERSONALIZE_DATA", "../shared/data"))


def test_engagement_on_the_bundled_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """All learners of one module, few resamples."""
    monkeypatch.setattr(engagement, "RESAMPLES", 5)
    figures = engagement.measure(course(oulad.BUNDLED), 0)
    assert 0.5 < figures["events_auc"] < 1
    assert 0.5 < figures["engagement_auc"] < 1


@pytest.mark.data
def test_at_risk_on_oulad(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the outcomes: no demographics, every learner held out once."""
    monkeypatch.setattr(at_risk, "RESAMPLES", 5)
    folder = DATA / "oulad"
    made = course(folder)
    people = enrolled(folder, made.names, 28)
    figures = at_risk.measure(at_risk.activity(made, people, 28), people, 0)
    assert figures["at_risk_auc"] > figures["clicks_only_auc"]
    assert set(np.unique(people.failed)) == {False, True}
