"""In which folder does the local stack keep what it downloads?"""

from __future__ import annotations

import os
from pathlib import Path

from personalize.settings import Settings
from personalize.stack import jars


def cache_folder(settings: Settings, home: Path) -> Path:
    """The folder of the jars: the setting, else the user's cache, else inside the home when that cannot be written."""
    wanted = settings.cache or Path("~/.cache/personalize")
    try:
        folder = wanted.expanduser().absolute()
        if not jars.missing(folder):
            return folder  # complete: it may well be read-only, such as in an image
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except (OSError, RuntimeError):  # no home folder, or a read-only one
        pass
    folder = home / "cache"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
