"""Lets the tests of the folds use the logs of tests/laws and the builders of this folder."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "laws"))
