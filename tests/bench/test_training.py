"""`personalize bench training` on a log of a few learners."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from personalize.bench.training import bench
from streams.jobs.training import MODELS, SIMILARITIES


def test_every_model_is_trained_and_judged(tmp_path: Path) -> None:
    """Each kind has its time and its quality; learners who walk through a catalogue in order are easy to foretell."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    rows = [
        f"u-{who},i-{(who + step) % 12:02d},{1_600_000_000 + 3_600 * step}" for step in range(8) for who in range(30)
    ]
    (folder / "log.csv").write_text("learner,item,at\n" + "\n".join(rows) + "\n")
    figures: dict[str, Any] = dict(bench(tmp_path, logs=["tiny"]).figures)
    assert figures["tiny_judged_learners"] == 30
    for kind in (*MODELS, *SIMILARITIES):
        assert figures[f"tiny_{kind}_train_cpu_seconds"] >= 0
        assert 0 <= figures[f"tiny_{kind}_ndcg_at_10"] <= 1
    assert figures["tiny_ease_recall_at_10"] > 0.9
    assert figures["tiny_user_similarity_recall_at_10"] > 0.9
    assert figures["peak_memory_bytes"] > 10_000_000
