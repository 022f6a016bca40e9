"""The API describes itself: the document is served as committed, and its page asks nobody else for anything."""

from __future__ import annotations

import re
import shutil
import subprocess

import httpx
import pytest
from api_kit import problem_of

from api.contract.__main__ import PATH


def test_the_document_is_served(api: httpx.Client) -> None:
    """What is served is the committed file."""
    response = api.get("/openapi.json")
    assert response.headers["content-type"] == "application/json"
    assert response.text == PATH.read_text("utf-8")


def test_unknown_parameters_name_those_of_the_document(api: httpx.Client) -> None:
    """A route knows exactly the query parameters that its contract states."""
    tried = 0
    for path, item in api.get("/openapi.json").json()["paths"].items():
        if "get" not in item:
            continue
        stated = {each["name"] for each in item["get"].get("parameters", ()) if each["in"] == "query"}
        url = re.sub(r"\{\w+\}", "x", path)
        detail = problem_of(api.get(url, params={"surely-unknown": "1"}))["errors"][0]["detail"]
        known = set(filter(None, detail.removeprefix("Known here: ").removesuffix(".").split(", ")))
        assert known == stated, path
        tried += 1
    assert tried >= 12


def test_the_page_asks_nobody_else(api: httpx.Client) -> None:
    """The page names no other host, loads only what is served here, and its policy forbids the rest."""
    page = api.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert 'load-fonts="false"' in page.text
    assert "//" not in re.sub(r"<!doctype.*?>", "", page.text)
    for source in re.findall(r'(?:src|spec-url)="([^"]+)"', page.text):
        assert api.get(source).status_code == 200, source
    assert api.get("/docs/rapidoc-min.js").headers["content-type"].startswith("text/javascript")


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
def test_the_page_shows_the_document(api: httpx.Client, tmp_path) -> None:
    """A browser without any other network runs the script, which fetches the document; the policy refuses nothing."""
    before = _asked_for_the_document(api)
    dumped = subprocess.run(
        [
            "chromium",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path}",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            "--virtual-time-budget=8000",
            "--enable-logging=stderr",
            "--dump-dom",
            f"{api.base_url}/docs",
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert _asked_for_the_document(api) == before + 1, "the script did not run"
    assert "<rapi-doc" in dumped.stdout
    assert "Refused to" not in dumped.stderr
    assert "Uncaught" not in dumped.stderr


def _asked_for_the_document(api: httpx.Client) -> float:
    found = re.search(
        r'requests_total\{method="GET",route="/openapi.json",status="200"\} (\S+)', api.get("/metrics").text
    )
    return float(found[1]) if found else 0.0
