"""Which OULAD does a bench read?  The whole of it from a data folder, or the bundled module."""

from __future__ import annotations

from pathlib import Path

from personalize.demo import oulad


def data_folder(data: Path | None) -> Path:
    """OULAD's folder within a data folder (or that folder itself), or the bundled module when there is none."""
    for folder in (data / "oulad", data) if data else ():
        if (folder / "vle.csv").is_file():
            return folder
    return oulad.BUNDLED
