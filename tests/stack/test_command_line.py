"""The command line is quick to help, says what is wrong and how to put it right, and can be read by programs."""

from __future__ import annotations

import subprocess
import sys

import pytest
from command_line import INHERITED, ROOT, CommandLine

from personalize.cli import COMMANDS, app
from personalize.commands.bench import BENCHES


@pytest.fixture
def shell(tmp_path):
    """A command line whose home holds nothing."""
    return CommandLine(tmp_path / "home")


def test_help_lists_every_command_without_loading_any():
    """`personalize --help` names all commands and imports neither Faust, NumPy, Litestar nor psycopg."""
    code = (
        "import sys\n"
        "from personalize.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "print('LOADED', sorted({'faust', 'numpy', 'litestar', 'psycopg', 'aiokafka'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=INHERITED)
    assert "LOADED []" in done.stdout
    assert all(f" {name} " in done.stdout for name in COMMANDS)


def explained(capsys, *words: str) -> str:
    """The help of a command, run within this process."""
    with pytest.raises(SystemExit) as ended:
        app([*words, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_explains_itself(capsys, name):
    """Each command of the table exists and prints its help with exit code 0."""
    assert explained(capsys, name).count("Usage") == 1


@pytest.mark.parametrize("name", list(BENCHES))
def test_every_bench_explains_itself(capsys, name):
    """Each bench of the table exists, and its help names the file its report goes to."""
    assert "--json" in explained(capsys, "bench", name)


def test_a_misspelt_command_is_a_usage_error_with_a_suggestion(shell):
    """An unknown command ends with code 2 and names the nearest one."""
    done = shell.run("statsu")
    assert done.returncode == 2
    assert "status" in done.stderr


def test_without_servers_the_fix_is_named(shell):
    """Commands that need the servers end with code 1 and say which command starts them."""
    for arguments in (["status"], ["migrate"], ["worker"], ["produce"]):
        done = shell.run(*arguments)
        assert done.returncode == 1, arguments
        assert "personalize up" in done.stdout + done.stderr


def test_external_servers_that_are_away_are_no_crash(tmp_path):
    """Migrating a Postgres that does not answer ends with code 1 and the setting to check, without a traceback."""
    shell = CommandLine(
        tmp_path / "home",
        DATABASE_URL="postgresql://user:hidden-word@127.0.0.1:1/db",
        KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1",
    )
    done = shell.run("migrate")
    assert done.returncode == 1
    assert "DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr
    assert "hidden-word" not in done.stderr + done.stdout


def test_a_worker_that_lacks_a_library_does_not_ask_for_a_restart(tmp_path):
    """A worker without Faust's compiled streams ends with code 2, which no supervisor answers with a restart."""
    shell = CommandLine(
        tmp_path / "home",
        DATABASE_URL="postgresql://user:word@127.0.0.1:1/db",
        KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1",
        TOKEN_SECRET="a-secret-of-sixteen",
        NO_CYTHON="1",
    )
    done = shell.run("worker")
    assert done.returncode == 2, done.stderr
    assert "NO_CYTHON" in done.stderr


def test_external_workers_must_share_a_secret(tmp_path):
    """With external servers a worker without TOKEN_SECRET ends with code 2 and says how to make one."""
    shell = CommandLine(
        tmp_path / "home",
        DATABASE_URL="postgresql://user:word@127.0.0.1:1/db",
        KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1",
    )
    for name in ("worker", "api"):
        done = shell.run(name)
        assert done.returncode == 2, done.stderr
        assert "TOKEN_SECRET" in done.stderr


def test_errors_are_json_when_json_is_asked_for(shell):
    """With --json an error is one document with the error and the fix."""
    found = shell.json("migrate")
    assert set(found) == {"error", "fix"}
    assert found["fix"] == "personalize up"


def test_config_show_prints_sources_and_no_escape_codes(tmp_path):
    """The listing names value and source, and a pipe gets plain text."""
    shell = CommandLine(tmp_path / "home", PORT="4001", NO_COLOR="1")
    done = shell.run("config", "show")
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("PORT ")]
    assert line.split() == ["PORT", "4001", "environment"]
    assert "\x1b" not in done.stdout
    listed = {each["variable"]: each for each in shell.json("config", "show")}
    assert listed["PORT"]["source"] == "environment"


def test_a_bad_setting_is_a_usage_error(tmp_path):
    """A setting that cannot be used ends any command with code 2, the variable and the fix."""
    done = CommandLine(tmp_path / "home", MAX_POLL_RECORDS="many").run("status")
    assert done.returncode == 2
    assert "MAX_POLL_RECORDS" in done.stderr
    assert "fix:" in done.stderr


def test_doctor_finds_nothing_missing_here(shell):
    """On a machine that runs these tests nothing is missing, and each check says what it found."""
    found = shell.json("doctor")
    assert found["ok"] is True, found
    assert {"python", "codec zstd", "faust streams", "kafka jars"} <= {check["name"] for check in found["checks"]}
    assert all(check["found"] for check in found["checks"])


def test_doctor_names_the_fix_for_uncompiled_streams(tmp_path):
    """With Faust's compiled streams switched off, doctor ends with code 1 and names the variable to unset."""
    shell = CommandLine(tmp_path / "home", NO_CYTHON="1")
    done = shell.run("doctor")
    assert done.returncode == 1
    assert "unset NO_CYTHON" in done.stdout


def test_doctor_reaches_for_external_servers(tmp_path):
    """With external servers that do not answer, each one is reported with the variable to check."""
    shell = CommandLine(
        tmp_path / "home",
        DATABASE_URL="postgresql://user:hidden-word@127.0.0.1:1/db",
        KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1",
        REDIS_PORT="1",
    )
    done = shell.run("doctor", "--json")
    assert done.returncode == 1
    assert "hidden-word" not in done.stdout
    assert all(name in done.stdout for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL", "REDIS_HOST"))
