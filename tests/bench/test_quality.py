"""The quality bench on small made-up logs: what is counted, what is a figure, and that a planted pattern is found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from personalize.bench.quality import main, run

DAY_SECONDS = 86_400


def planted(folder: Path, ratings: bool = False) -> Path:
    """Eighty learners walk along a ring of thirty items in order, from random starts, a minute a step."""
    rng = np.random.default_rng(1)
    lines = ["learner,item,at" + (",rating" if ratings else "")]
    for learner in range(80):
        start = int(rng.integers(30))
        for k in range(12):
            row = f"u{learner},{(start + k) % 30},{1_600_000_000 + learner * DAY_SECONDS // 4 + 60 * k}"
            lines.append(row + (",5" if ratings else ""))
    (folder / "log.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_prequential_finds_a_planted_walk(tmp_path: Path) -> None:
    """Where the next item follows from the last, the hybrid finds it nearly always and popularity hardly ever."""
    figures = run(planted(tmp_path))
    assert figures["events"] == 960
    # The first event of a learner is not counted: 11 of 12, of the last 70 %.
    assert figures["evaluations"] == pytest.approx(960 * 0.7 * 11 / 12, abs=8)
    assert float(figures["hybrid_hr_at_10"] or 0) > 0.9
    assert float(figures["hybrid_ndcg_at_10"] or 0) > 0.7
    assert float(figures["tr1_ndcg_at_10"] or 0) > float(figures["pop_ndcg_at_10"] or 0) + 0.3
    assert figures["no_history_evaluations"] == 56
    assert 0.0 < float(figures["hybrid_coverage_at_10"] or 0) <= 1.0


def test_every_kth_event_is_counted(tmp_path: Path) -> None:
    """With every=4 each fourth event is a candidate for counting, less those that open a history."""
    figures = run(planted(tmp_path), every=4, learn_from="all")
    # Of 672 late events each fourth, 168; every twelfth event opens a history, and all those are fourth ones: 56.
    assert figures["evaluations"] == 168 - 56
    assert figures["learn_from"] == "all"


def test_temporal_split_measures_each_learner_once(tmp_path: Path) -> None:
    """Each learner with something left to find is measured on his last 20 %."""
    figures = run(planted(tmp_path, ratings=True), "temporal-split", only=("co", "tr", "tr1", "pop"))
    assert figures["evaluations"] == 80
    assert float(figures["hybrid_recall_at_10"] or 0) > 0.9
    assert float(figures["co_recall_at_10"] or 0) > float(figures["pop_recall_at_10"] or 0)
    assert "ease_recall_at_10" not in figures


def test_the_report_is_flat_json(tmp_path: Path) -> None:
    """The file has name, command, machine and flat figures."""
    main(planted(tmp_path), json=tmp_path / "out.json", only="co,pop")
    report = json.loads((tmp_path / "out.json").read_text())
    assert set(report) == {"name", "command", "machine", "figures"}
    assert report["name"] == "quality"
    assert {"hybrid_hr_at_10", "hybrid_ndcg_at_10", "co_hr_at_10", "pop_ndcg_at_10"} <= set(report["figures"])


def test_an_unknown_protocol_is_refused(tmp_path: Path) -> None:
    """The error lists the protocols."""
    with pytest.raises(ValueError, match="prequential and temporal-split"):
        run(planted(tmp_path), "random")  # type: ignore[arg-type]
