"""What the documents tell a reader to type works: every `curl` of docs/api.md and README.md is run as it stands."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from api_kit import Fold, interaction, running, until

from api.dependencies import ApiSettings
from api.limits import Limits

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("docs/api.md", "README.md")
ADDRESS = "http://127.0.0.1:3009"
BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
USER = re.compile(r"/api/(?:recommendations|profile|achievements)/([\w-]+)")


def commands(page: str) -> Iterator[str]:
    """The curl commands in the code blocks of a page; a command goes on until its quotes are closed."""
    for block in BLOCK.findall((ROOT / page).read_text("utf-8")):
        command = ""
        for line in block.splitlines():
            if not command and not line.strip().startswith("curl "):
                continue
            command += ("\n" if command else "") + line
            if command.count("'") % 2 == 0 and not line.endswith("\\"):
                yield command.strip()
                command = ""


EXAMPLES = [(page, command) for page in PAGES for command in commands(page)]


@pytest.fixture(scope="module")
def documented(settings: ApiSettings, fold: Fold) -> Iterator[tuple[httpx.Client, str]]:
    """A running API that knows the learners of the examples, and the id of a path."""
    users = {"u-17"} | {user for _, command in EXAMPLES for user in USER.findall(command)}
    with running(replace(settings, limits=Limits(answer_seconds=20.0, stream_seconds=0.2))) as api, fold.meanwhile():
        until(lambda: api.get("/readyz").status_code == 200)
        events = [interaction(user, interactionType="COMPLETE", contentId="algebra-3") for user in sorted(users)]
        assert api.post("/api/interactions", json=events, headers={"prefer": "wait=10"}).status_code == 202
        modules = [{"id": "numbers", "title": "Numbers", "type": "article", "duration": 60}]
        path = {"userId": "u-17", "title": "A", "topic": "algebra", "level": "BEGINNER", "modules": modules}
        made = api.post("/api/learning-paths", json=path, headers={"prefer": "wait=10"})
        assert made.status_code == 201
        yield api, made.headers["location"].rpartition("/")[2]


def test_there_are_examples() -> None:
    """Both pages have some, and none escapes the search."""
    for page in PAGES:
        text = (ROOT / page).read_text("utf-8")
        assert sum(each == page for each, _ in EXAMPLES) == len(re.findall(r"^\s*curl ", text, re.MULTILINE)) > 0


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize(("page", "command"), EXAMPLES)
def test_it_works(documented: tuple[httpx.Client, str], page: str, command: str) -> None:
    """The command is answered with a 2xx."""
    api, path_id = documented
    assert ADDRESS in command, page
    typed = command.replace(ADDRESS, str(api.base_url).rstrip("/")).replace("PATH_ID", path_id)
    typed = typed.replace("curl ", "curl --silent --show-error --max-time 30 --write-out '\\n%{http_code}' ", 1)
    done = subprocess.run(["bash", "-c", typed], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.rpartition("\n")[2] in {"200", "201", "202"}, done.stdout
