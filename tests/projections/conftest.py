"""Makes the shared builders of this folder, and the logs of tests/laws, importable under their own name."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "laws"))
