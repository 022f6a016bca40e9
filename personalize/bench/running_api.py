"""How does a bench run the API?  On a free port, until its first answer; and how its references are started."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from personalize.bench.processes import API, ensure_alive, log_tail, module, running, start, wait_until
from personalize.bench.servers import Servers
from personalize.children import Child
from personalize.errors import ProblemError
from personalize.stack.ports import LOOPBACK, choose

HOST: Final = LOOPBACK
_READY_SECONDS: Final = 30.0
_SLACK_SECONDS: Final = 30.0


@contextmanager
def api(own: Servers) -> Iterator[tuple[Child, int]]:
    """One API process that is ready, and its port."""
    port = choose(0, None, set(), "PORT")
    with running(own, "api", API, {"PORT": str(port)}) as child:
        wait_until(lambda: answers(port, "/livez"), _READY_SECONDS, "the API", lambda: ensure_alive(own, "api", child))
        yield child, port


def answers(port: int, path: str) -> bool:
    """Whether a GET is answered with 200."""
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def ask(port: int, path: str) -> bytes:
    """The body of a GET.

    Raises:
        urllib.error.URLError: the answer is not good.
    """
    with urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=10) as response:
        body: bytes = response.read()
        return body


def start_load(own: Servers, name: str, requests: Sequence[str], arguments: Sequence[str]) -> Child:
    """Starts the load generator with one request a line; `finish` gives its figures."""
    file = own.home / f"{name}.requests"
    file.write_text("\n".join(requests), encoding="utf-8")
    return start(own, name, module("load_generator", "--requests", str(file), *arguments))


def load(own: Servers, name: str, requests: Sequence[str], seconds: float, arguments: Sequence[str]) -> dict[str, Any]:
    """Runs the load generator to its end; its figures."""
    child = start_load(own, name, requests, ["--seconds", str(seconds), *arguments])
    return finish(own.home, name, child, seconds + _SLACK_SECONDS)


def finish(home: Path, name: str, child: Child, seconds: float) -> dict[str, Any]:
    """The JSON line that a helper process printed at its end.

    Raises:
        ProblemError: it failed or took too long.
    """
    try:
        code = child.wait(seconds)
    finally:
        child.stop()
    for line in reversed((home / "logs" / f"{name}.log").read_text(encoding="utf-8").splitlines()):
        if code == 0 and line.startswith("{"):
            found: dict[str, Any] = json.loads(line)
            return found
    raise ProblemError(f"{name} ended with {code}:\n{log_tail(home, name)}", "read its log.")
