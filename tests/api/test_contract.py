"""Every route keeps its contract: schemathesis tries each against the served OpenAPI document, on real servers.

The short form runs with the other tests; `make contract` tries many more cases (PERSONALIZE_CONTRACT_EXAMPLES a route).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from api_kit import Fold, interaction, running, until

from api.dependencies import ApiSettings
from api.limits import Limits

FOLDER = Path(__file__).parent
SHORT = 2
EXAMPLES = int(os.environ.get("PERSONALIZE_CONTRACT_EXAMPLES", SHORT))
LEAST_CASES = 2_000
"""Of the long form."""
#: Nothing waits for long, so that thousands of requests end soon; what is refused in time is tested elsewhere.
LIMITS = Limits(answer_seconds=30.0, wait_seconds=10.0, usual_wait_seconds=0.1, stream_seconds=0.05)


def test_every_route_keeps_its_contract(settings: ApiSettings, fold: Fold) -> None:
    """No check of schemathesis fails, in any of its phases: examples, coverage, fuzzing, stateful."""
    with running(replace(settings, limits=LIMITS)) as api, fold.meanwhile():
        until(lambda: api.get("/readyz").status_code == 200)
        events = [interaction("u-17", interactionType="COMPLETE", contentId=f"algebra-{n}") for n in range(12)]
        assert api.post("/api/interactions", json=events).status_code == 202
        done = subprocess.run(
            [
                *(sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"),
                *("--config-file", "schemathesis.toml", "run", f"{api.base_url}/openapi.json"),
                *("--max-examples", str(EXAMPLES), "--seed", "1", "--no-color"),
            ],
            cwd=FOLDER,
            env={**os.environ, "PYTHONPATH": f"{FOLDER}:{FOLDER.parent.parent}"},
            capture_output=True,
            text=True,
            check=False,
        )
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    (cases,) = re.findall(r"^  ([\d,]+) generated", done.stdout, flags=re.MULTILINE)
    assert int(cases.replace(",", "")) >= (LEAST_CASES if EXAMPLES > SHORT else 500)
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert re.search(rf"✅\s+{phase}", done.stdout), phase
