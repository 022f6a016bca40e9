"""Runs the product's command line as a person would, in a home of the test's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HANDED_OVER = {"PATH", "HOME", "LANG", "XDG_CACHE_HOME", "JDK_JAVA_OPTIONS"}
# What a person's shell would hand over, without the settings of whoever runs the tests.
INHERITED = {name: value for name, value in os.environ.items() if name in HANDED_OVER}


class CommandLine:
    """`personalize ...` with its own environment."""

    def __init__(self, home: Path, **variables: str) -> None:
        self.home = home
        self.environment = {**INHERITED, "PERSONALIZE_HOME": str(home), **variables}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "personalize.cli", *arguments],
            env=self.environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def json(self, *arguments: str):
        done = self.run(*arguments, "--json")
        assert done.stdout, done.stderr
        return json.loads(done.stdout)


def eventually(fact, seconds: float = 150.0) -> None:
    """Waits until the fact holds; fails with its last value if it never does."""
    deadline = time.monotonic() + seconds
    while not (seen := fact()):
        assert time.monotonic() < deadline, f"still {seen!r}"
        time.sleep(0.05)
