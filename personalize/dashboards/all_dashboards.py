"""Which dashboards are there, and where do their files lie?  Run as a module, it writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from personalize.dashboards.api import API
from personalize.dashboards.content import CONTENT
from personalize.dashboards.experiments import EXPERIMENTS
from personalize.dashboards.learners import LEARNERS
from personalize.dashboards.learning_paths import LEARNING_PATHS
from personalize.dashboards.models import MODELS
from personalize.dashboards.panels import Dashboard, document
from personalize.dashboards.pipeline import PIPELINE
from personalize.dashboards.recommendations import RECOMMENDATIONS

DASHBOARDS: Final[tuple[Dashboard, ...]] = (
    PIPELINE,
    LEARNERS,
    RECOMMENDATIONS,
    LEARNING_PATHS,
    CONTENT,
    MODELS,
    EXPERIMENTS,
    API,
)
FOLDER: Final = Path(__file__).parent.parent.parent / "deploy" / "grafana" / "dashboards"


def texts() -> dict[str, str]:
    """File name → what it must hold."""
    return {f"{one.name}.json": json.dumps(document(one), indent=1, ensure_ascii=False) + "\n" for one in DASHBOARDS}


def write() -> None:
    """Writes the files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
