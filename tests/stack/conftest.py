"""Makes the shared helpers of this folder importable under their own name."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
