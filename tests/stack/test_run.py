"""The main job: from nothing to a readable recommendation, Ctrl-C, and the same again without losing anything."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request

import psutil
import psycopg
import pytest
from command_line import ROOT, CommandLine, eventually

from personalize.settings import Settings
from personalize.stack import running

pytestmark = pytest.mark.servers


class Run:
    """`personalize run` in the background, its output line by line."""

    def __init__(self, shell: CommandLine) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "personalize.cli", "run", "--rate", "20"],
            env=shell.environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            self.lines.extend(iter(lines.readline, ""))

    def text(self) -> str:
        return "".join(self.lines)

    def await_urls(self) -> list[str]:
        eventually(lambda: "Ctrl-C" in self.text() or self.process.poll() is not None, 240)
        found = re.findall(r"curl '([^']+)'", self.text())
        assert len(found) == 3, self.text()
        return found

    def interrupt(self) -> int:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(60)
        self.reader.join(10)
        return code


def get(url: str):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def counted(shell: CommandLine) -> int:
    with psycopg.connect(running(Settings.from_env(shell.environment)).database_url) as connection:
        row = connection.execute("SELECT count(*) FROM interaction_log").fetchone()
        assert row is not None
        return row[0]


def ours(shell: CommandLine) -> list[int]:
    """Processes whose command line names this test's home."""
    processes = psutil.process_iter(["cmdline"])
    return [each.pid for each in processes if str(shell.home) in " ".join(each.info["cmdline"] or [])]


def test_from_nothing_to_live_and_again(make_folder):
    """The printed lines answer with real ids; Ctrl-C ends every process with code 0; a second start goes on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shell = CommandLine(make_folder() / "home", PORT=str(port))
    first = Run(shell)
    try:
        recommendations, profile, trending = first.await_urls()
        assert "publishing 16" in first.text() or "publishing 17" in first.text(), first.text()
        listed = get(recommendations)
        assert listed
        assert all(item["title"] for item in listed)
        assert get(profile)["userId"] in profile
        assert get(trending)
        before = counted(shell)
        eventually(lambda: counted(shell) > before)
    finally:
        code = first.interrupt()
    assert code == 0, first.text()
    eventually(lambda: not ours(shell))

    second = Run(shell)
    try:
        (again, *_) = second.await_urls()
        assert again == recommendations
        assert get(again)
        assert "publishing" not in second.text()
        assert counted(shell) >= before
    finally:
        code = second.interrupt()
    assert code == 0, second.text()
    eventually(lambda: not ours(shell))
