"""Where can Prometheus scrape the processes of `personalize run`?  In a file that its file_sd_configs reads.

The API serves /metrics on its own port; the other processes get a free port each, the one they had before if possible.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from personalize.settings import Settings
from personalize.stack import ports

FILE: Final = "scrape-targets.json"
SCRAPED: Final = ("worker", "recommender", "jobs")
"""Processes with a metrics port of their own."""


def path(settings: Settings) -> Path:
    """The file."""
    return settings.home.absolute() / FILE


def choose(settings: Settings) -> dict[str, int]:
    """A free port for each process, written to the file together with the API's."""
    before = read(settings)
    chosen: dict[str, int] = {}
    for name in SCRAPED:
        chosen[name] = ports.choose(0, before.get(name), {*chosen.values(), settings.port}, "METRICS_PORT")
    document: list[dict[str, Any]] = [
        {"targets": [f"{ports.LOOPBACK}:{port}"], "labels": {"job": name}}
        for name, port in {**chosen, "api": settings.port}.items()
    ]
    path(settings).write_text(json.dumps(document, indent=1), encoding="utf-8")
    return chosen


def read(settings: Settings) -> dict[str, int]:
    """Process → port, as last chosen; {} before the first time."""
    try:
        document = json.loads(path(settings).read_text(encoding="utf-8"))
        return {one["labels"]["job"]: int(one["targets"][0].rpartition(":")[2]) for one in document}
    except (FileNotFoundError, json.JSONDecodeError, KeyError, IndexError, ValueError):
        return {}
