"""Makes the logs of tests/laws and the writer of tests/projections importable under their own names."""

import sys
from pathlib import Path

for folder in ("laws", "projections", "analytics"):
    sys.path.insert(0, str(Path(__file__).parent.parent / folder))
