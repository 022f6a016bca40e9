"""The stack works for root and for a plain user, also where the two may not enter each other's folders."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import psutil
import psycopg
import pytest
from command_line import ROOT

from personalize.settings import Settings
from personalize.stack import embedded, jars, postgres
from personalize.stack.local import LocalStack

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can change user"),
]


@pytest.fixture
def locked_home():
    """A home in a folder that only root may enter, as a clone under /root is."""
    locked = Path("/root") if Path("/root").is_dir() else Path.home()
    folder = locked / f".personalize-test-{os.getpid()}"
    folder.mkdir(mode=0o700)
    home = folder / "home"
    yield home
    stack_folder = LocalStack(home, Settings.load()).data_folder("postgres")
    shutil.rmtree(folder)
    if stack_folder.parent.name.startswith("personalize-") and stack_folder.is_relative_to("/var/tmp"):
        shutil.rmtree(stack_folder.parent)


def test_root_in_a_folder_that_nobody_else_may_enter(locked_home):
    """Under /root the cluster lives in /var/tmp, owned by an unprivileged user, and its data survive a restart."""
    for statement in ("CREATE TABLE kept AS SELECT 'row' AS value", "INSERT INTO kept SELECT 'row'"):
        with embedded(locked_home) as endpoints, psycopg.connect(endpoints.database_url) as connection:
            connection.execute(statement)
            row = connection.execute("SELECT current_setting('data_directory')").fetchone()
            assert row is not None
            folder = Path(row[0])
    assert folder.parts[:3] == ("/", "var", "tmp")
    assert folder.stat().st_uid != 0
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder.parent / "home").read_text() == str(locked_home)


def test_programs_that_cannot_be_entered_are_copied(make_folder, monkeypatch):
    """If the wheels are in a folder that the unprivileged user may not enter, its programs run from a copy."""
    folder = make_folder()
    locked, package = folder / "locked", postgres.installation().parent
    locked.mkdir(mode=0o700)
    shutil.copytree(postgres.installation(), locked / package.name / "pginstall18", symlinks=True)
    shutil.copytree(package.with_name(f"{package.name}.libs"), locked / f"{package.name}.libs")
    monkeypatch.setattr(postgres, "installation", lambda: locked / package.name / "pginstall18")
    monkeypatch.setattr(postgres, "_FALLBACK", folder)
    (folder / "home").mkdir(mode=0o711)
    server = postgres.PostgresServer(folder / "home", "password", "nobody")
    server.prepare()
    launch = server.launch({"postgres": 1})
    assert not Path(launch.command[0]).is_relative_to(locked)
    owner = pwd.getpwnam("nobody").pw_uid
    done = subprocess.run(
        [launch.command[0], "--version"],
        user=owner,
        group=launch.user.gid,
        extra_groups=[],
        capture_output=True,
        cwd="/",
    )
    assert b"PostgreSQL" in done.stdout


def test_a_folder_of_somebody_else_is_refused(tmp_path, monkeypatch):
    """A prepared folder in /var/tmp that belongs to another user is not used."""
    monkeypatch.setattr(postgres, "_FALLBACK", tmp_path)
    monkeypatch.setattr(postgres, "_can", lambda *_: False)
    home = tmp_path / "home"
    folder = tmp_path / postgres.fallback_name(home)
    folder.mkdir()
    os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
    with pytest.raises(postgres.StackError, match="somebody else"):
        postgres.PostgresServer(home, "password", "nobody").prepare()


def _python_for(user: int) -> str | None:
    """A Python of this version that the user may execute; pyenv under /root is none."""
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for candidate in (sys.executable, f"/usr/bin/{name}", f"/usr/local/bin/{name}"):
        try:
            done = subprocess.run([candidate, "-c", ""], user=user, group=user, extra_groups=[], cwd="/", check=False)
        except OSError:
            continue
        if done.returncode == 0:
            return candidate
    return None


def test_a_plain_user_can_do_it_all(jar_cache):
    """Up, status and down work for an unprivileged user, whose servers run as that user."""
    entry = pwd.getpwnam("nobody")
    python = _python_for(entry.pw_uid)
    if python is None:
        pytest.skip("NOT TESTED: no Python that an unprivileged user may execute")
    own = Path("/var/tmp") / f"personalize-user-test-{os.getpid()}"
    own.mkdir(mode=0o755)
    try:
        cache = own / "cache"
        shutil.copytree(jars.folder(jar_cache), jars.folder(cache))
        os.chown(own, entry.pw_uid, entry.pw_gid)
        environment = {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}",
            "PERSONALIZE_HOME": str(own / "home"),
            "PERSONALIZE_CACHE": str(cache),
            "HOME": "/nonexistent",
        }

        def shell(*arguments: str) -> dict:
            done = subprocess.run(
                [python, "-m", "personalize.cli", *arguments, "--json"],
                env=environment,
                cwd="/",
                user=entry.pw_uid,
                group=entry.pw_gid,
                extra_groups=[],
                capture_output=True,
                text=True,
                timeout=300,
            )
            assert done.stdout, done.stderr
            return json.loads(done.stdout)

        assert shell("up").get("already_running") is False
        seen = shell("status")
        assert seen["running"] is True
        owners = {psutil.Process(server["pid"]).uids().real for server in seen["servers"]}
        assert owners == {entry.pw_uid}
        assert shell("down") == {"stopped": True}
    finally:
        shutil.rmtree(own)
