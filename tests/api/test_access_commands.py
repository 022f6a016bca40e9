"""What the commands of access say and do, on a real database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from personalize.stack import Endpoints
from projections import access_audit
from projections.stores.postgres import connect

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def run(stack: Endpoints, module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs `personalize` with the module's own database."""
    inherited = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    home = str(tmp_path_factory.mktemp("home"))
    servers = {**stack.environment(), "DATABASE_URL": module_database_url, "PERSONALIZE_HOME": home}
    environment = {**inherited, **servers, "TOKEN_SECRET": "a secret of the tests", "PORT": "1"}

    def call(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "personalize.cli", *words],
            cwd=ROOT,
            env={**environment, **more},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return call


def printed(done: subprocess.CompletedProcess[str]) -> Any:
    """What a command that ended well printed as JSON."""
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_beyond_loopback_only_with_credentials(run: Run) -> None:
    """Without a key the API does not start on a public address, with exit code 2 and the fix; with one it tries to."""
    refused = run("api", HOST="0.0.0.0")
    assert refused.returncode == 2
    assert "personalize keys create" in refused.stderr
    some = run("api", HOST="0.0.0.0", JWT_ISSUER="https://users.example")
    assert (some.returncode, "JWT_KEYS and JWT_AUDIENCE" in some.stderr) == (2, True)
    secret = run("keys", "create", "--name", "one", "--scope", "metrics:read").stdout.strip()
    assert secret.startswith("personalize_")
    allowed = run("api", HOST="203.0.113.7")  # an address of nobody: it gets as far as to listen
    assert allowed.returncode == 1
    assert "cannot listen" in allowed.stderr


def test_keys(run: Run) -> None:
    """Keys are made, rotated, revoked and listed; the secret appears where it is made and nowhere else."""
    made = printed(run("keys", "create", "--name", "two", "--scope", "events:write", "--days", "30", "--json"))
    rotated = printed(run("keys", "rotate", made["keyId"], "--overlap-hours", "1", "--json"))
    again = run("keys", "rotate", made["keyId"])
    assert (again.returncode, "keys list" in again.stderr) == (1, True)
    assert printed(run("keys", "revoke", rotated["keyId"], "--json"))["state"] == "revoked"
    listed = run("keys", "list", "--json")
    by_id = {key["key_id"]: key for key in printed(listed)}
    assert by_id[made["keyId"]]["replaced_by"] == rotated["keyId"]
    assert by_id[rotated["keyId"]]["state"] == "revoked"
    assert by_id[rotated["keyId"]]["scopes"] == ["events:write"]
    assert made["secret"] not in listed.stdout
    unknown = run("keys", "create", "--name", "three", "--scope", "events:all")
    assert (unknown.returncode, "recommendations:read" in unknown.stderr) == (2, True)


def test_verifying_the_audit_log(run: Run, module_database_url: str) -> None:
    """A whole log is 0 with its head, a touched one 1 with the row; a head that is gone is missed."""
    with connect(module_database_url, autocommit=True) as connection:
        connection.execute(access_audit.APPEND, {"entries": ["one", "two", "three"]})
        whole = printed(run("audit", "verify", "--json"))
        assert (whole["rows"], whole["whole"]) == (3, True)
        assert run("audit", "verify", "--head", whole["head"]).returncode == 0
        connection.execute("ALTER TABLE access_audit DISABLE TRIGGER append_only")
        connection.execute("DELETE FROM access_audit WHERE seq = 3")
        assert run("audit", "verify").returncode == 0
        cut = run("audit", "verify", "--head", whole["head"])
        assert (cut.returncode, "rows at its end are gone" in cut.stderr) == (1, True)
        connection.execute("UPDATE access_audit SET entry = 'TWO' WHERE seq = 2")
        broken = run("audit", "verify")
        assert (broken.returncode, "broken at row 2" in broken.stderr) == (1, True)
