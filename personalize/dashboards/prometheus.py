"""How is a real Prometheus run and asked?  Debian's binary on loopback, for as long as a `with` lasts."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from personalize.children import spawn
from personalize.dashboards.expand import STEP_SECONDS, Query
from personalize.errors import CannotStartError
from personalize.settings import process_environment
from personalize.stack import ports

DEPLOY: Final = Path(__file__).parent.parent.parent / "deploy" / "prometheus"
READY_SECONDS: Final = 20.0
SEEN_SECONDS: Final = 60
"""How much of the past a range query looks at."""


def program(name: str) -> Path | None:
    """Where prometheus or promtool is, if it is installed."""
    found = shutil.which(name)
    return Path(found) if found else None


class Prometheus:
    """A running Prometheus."""

    def __init__(self, port: int) -> None:
        self.url = f"http://{ports.LOOPBACK}:{port}"

    def get(self, path: str, parameters: Mapping[str, str | float] | None = None) -> Any:
        """The ``data`` of an answer of its HTTP API.

        Raises:
            ValueError: it refused the query; the text says why.
        """
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters or {})}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error).get("error", str(error))) from error

    def count(self, query: Query) -> int:
        """How many series have at least one number; raises ValueError for a query that it refuses."""
        now = time.time()
        if query.instant:
            found = self.get("query", {"query": query.text, "time": now})
        else:
            found = self.get(
                "query_range",
                {"query": query.text, "start": now - SEEN_SECONDS, "end": now, "step": STEP_SECONDS},
            )
        series = found["result"] if found["resultType"] in {"vector", "matrix"} else [{"value": found["result"]}]
        return sum(any(map(_is_number, one.get("values") or [one["value"]])) for one in series)

    def firing(self) -> list[dict[str, str]]:
        """Labels of the alerts that fire now."""
        return [alert["labels"] for alert in self.get("alerts")["alerts"] if alert["state"] == "firing"]


def _is_number(sample: list[Any]) -> bool:
    return not math.isnan(float(sample[1]))


@contextmanager
def prometheus(folder: Path, targets: Mapping[str, str]) -> Iterator[Prometheus]:
    """A Prometheus that scrapes these targets (kind of process → host:port) each second and evaluates the rules.

    Raises:
        CannotStartError: it is not installed, or does not come up.
    """
    binary = program("prometheus")
    if binary is None:
        raise CannotStartError("Prometheus is not installed.", "apt-get install prometheus; or ask for --postgres-only")
    configuration = folder / "prometheus.yml"
    scraped = [{"job_name": kind, "static_configs": [{"targets": [address]}]} for kind, address in targets.items()]
    configuration.write_text(
        json.dumps(  # which is YAML, too
            {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": [str(DEPLOY / "rules" / "*.yml")],
                "scrape_configs": scraped,
            }
        ),
        encoding="utf-8",
    )
    port = ports.choose(0, None, set(), "the port of Prometheus")
    child = spawn(
        [
            binary,
            f"--config.file={configuration}",
            f"--storage.tsdb.path={folder / 'prometheus-data'}",
            f"--web.listen-address={ports.LOOPBACK}:{port}",
            "--log.level=warn",
        ],
        environment=process_environment(),
        log=folder / "prometheus.log",
    )
    try:
        running = Prometheus(port)
        deadline = time.monotonic() + READY_SECONDS
        while not _is_ready(running.url):
            if child.exit_code() is not None or time.monotonic() > deadline:
                raise CannotStartError("Prometheus did not come up.", f"read {folder / 'prometheus.log'}")
            time.sleep(0.1)
        yield running
    finally:
        child.stop()


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def lint(targets: Mapping[str, str]) -> list[str]:
    """What `promtool check metrics` says of each process's metrics; nothing when they are clean."""
    promtool = program("promtool")
    if promtool is None:
        raise CannotStartError("promtool is not installed.", "apt-get install prometheus")
    complaints = []
    for kind, address in targets.items():
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
            exposition = answer.read()
        done = subprocess.run([promtool, "check", "metrics"], input=exposition, capture_output=True, check=False)
        complaints += [f"{kind}: {line}" for line in (done.stdout + done.stderr).decode().splitlines() if line.strip()]
    return complaints


def test_rules() -> list[str]:
    """What `promtool` says of the alert rules and their unit tests; nothing when all pass."""
    promtool = program("promtool")
    if promtool is None:
        raise CannotStartError("promtool is not installed.", "apt-get install prometheus")
    complaints = []
    for words in (
        ["check", "rules", *map(str, sorted((DEPLOY / "rules").glob("*.yml")))],
        ["test", "rules", *map(str, sorted((DEPLOY / "tests").glob("*.yml")))],
    ):
        done = subprocess.run([promtool, *words], capture_output=True, check=False)
        if done.returncode:
            complaints += (done.stdout + done.stderr).decode().splitlines()
    return complaints
