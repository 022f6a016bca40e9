"""Makes the shared helpers of this folder importable under their own name, and Kafka's jars present."""

import sys
from pathlib import Path

import pytest

from personalize.settings import Settings
from personalize.stack import jars
from personalize.stack.places import cache_folder

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def jar_cache(make_folder) -> Path:
    """The folder with Kafka's jars, downloaded if this machine has none yet."""
    settings = Settings.load()
    cache = cache_folder(settings, make_folder())
    jars.ensure(cache, settings.maven_repository)
    return cache
