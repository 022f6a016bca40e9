"""`personalize up` and `down` on real servers: nothing is lost, nothing is left over, whatever is killed when."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import psutil
import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from command_line import CommandLine, eventually

from personalize.errors import StackError
from personalize.settings import Settings
from personalize.stack import Endpoints, running
from personalize.stack.kafka import KafkaServer
from personalize.stack.local import LocalStack
from personalize.stack.server import ENVIRONMENT
from personalize.stack.supervisor import down
from personalize.stack.topics import ensure_topics

pytestmark = pytest.mark.servers


class Topic:
    name = "kept"
    partitions = 1

    def config(self) -> dict[str, str]:
        return {}


@pytest.fixture(scope="module")
def shell(make_folder):
    """A command line with a home of this module's own; stopped at the end."""
    shell = CommandLine(make_folder() / ".personalize")
    yield shell
    shell.run("down")


def endpoints(shell) -> Endpoints:
    return running(Settings.from_env(shell.environment))


def pids(shell) -> dict[str, int]:
    seen = shell.json("status")
    return {"supervisor": seen["supervisor_pid"], **{server["name"]: server["pid"] for server in seen["servers"]}}


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def send(bootstrap: str, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    await producer.start()
    try:
        await producer.send_and_wait(Topic.name, value)
    finally:
        await producer.stop()


async def first(bootstrap: str) -> bytes:
    consumer = AIOKafkaConsumer(Topic.name, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        return (await asyncio.wait_for(consumer.getone(), 60)).value
    finally:
        await consumer.stop()


def test_two_ups_at_once_start_one_stack(shell):
    """Two simultaneous starts of a new home both succeed; one of them starts the servers, the other finds them."""
    both = [shell.start("up", "--json") for _ in range(2)]
    answers = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    assert sorted('"already_running": true' in out for out, _ in answers) == [False, True]


def test_data_survive_a_restart_on_the_same_ports(shell):
    """After `down` and `up` a row and a record are still there, and the addresses are the ones of before; commits wait
    for the disk.
    """
    assert shell.run("up").returncode == 0
    before = endpoints(shell)
    asyncio.run(ensure_topics(before.kafka, [Topic()]))
    asyncio.run(send(before.kafka, b"record"))
    with psycopg.connect(before.database_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 'row' AS value")
        for what in ("fsync", "full_page_writes", "synchronous_commit"):
            assert connection.execute(f"SHOW {what}").fetchone() == ("on",)
    assert shell.run("down").returncode == 0
    assert shell.json("status")["running"] is False
    assert shell.run("up").returncode == 0
    after = endpoints(shell)
    assert after == before
    with psycopg.connect(after.database_url) as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == ("row",)
    assert asyncio.run(first(after.kafka)) == b"record"


def test_kafka_inherits_java_s_own_options_and_nothing_else(tmp_path, monkeypatch):
    """What a user sets for every Java program holds for Kafka too; the rest of the environment does not reach it."""
    monkeypatch.setenv("KAFKA_OPTS", "-verbose")
    monkeypatch.delenv("JDK_JAVA_OPTIONS", raising=False)
    (tmp_path / "kafka").mkdir()
    server = KafkaServer(tmp_path, tmp_path)
    usual = server.launch({"kafka": 1, "kafka_controller": 2}).environment
    assert usual == ENVIRONMENT
    monkeypatch.setenv("JDK_JAVA_OPTIONS", "-Xlog:disable")
    given = server.launch({"kafka": 1, "kafka_controller": 2}).environment
    assert given == {**ENVIRONMENT, "JDK_JAVA_OPTIONS": "-Xlog:disable"}


def test_a_second_up_changes_nothing(shell):
    """`up` on a running stack returns at once with the same processes."""
    shell.run("up")
    before = pids(shell)
    assert shell.json("up")["already_running"] is True
    assert pids(shell) == before


def test_only_the_owner_may_read_state_and_passwords(shell):
    """The files with ports and passwords have mode 0600, and no password stands on a command line."""
    shell.run("up")
    for name in ("stack.json", "secrets.json"):
        assert (shell.home / name).stat().st_mode & 0o777 == 0o600
    found = endpoints(shell)
    words = " ".join(" ".join(psutil.Process(pid).cmdline()) for pid in pids(shell).values())
    assert found.redis_password not in words
    assert found.database_url.split(":")[2].split("@")[0] not in words


def test_servers_listen_on_loopback_only(shell):
    """No server of the stack listens on an address that another machine can reach."""
    shell.run("up")
    ours = {pid for pid in pids(shell).values() if pid}
    listening = {
        connection.laddr.ip
        for pid in ours
        for connection in psutil.Process(pid).net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}


def test_a_killed_server_comes_back(shell):
    """A server that dies by itself is started again by the supervisor, and the restart is counted."""
    shell.run("up")
    before = pids(shell)
    os.kill(before["redis"], signal.SIGKILL)
    eventually(lambda: shell.json("status")["running"] and pids(shell)["redis"] != before["redis"])
    (seen,) = [server for server in shell.json("status")["servers"] if server["name"] == "redis"]
    assert seen["restarts"] >= 1


@pytest.mark.skipif(not hasattr(signal, "SIGRTMIN"), reason="the kernel ends children with their parent on Linux only")
def test_kill_9_of_the_supervisor_leaves_nothing_and_the_next_start_works(shell):
    """No server outlives its supervisor, and the next `up` starts with all data."""
    shell.run("up")
    before = pids(shell)
    os.kill(before["supervisor"], signal.SIGKILL)
    eventually(lambda: not any(alive(pid) for pid in before.values()))
    assert shell.run("status").returncode == 1
    done = shell.run("up")
    assert done.returncode == 0, done.stderr
    with psycopg.connect(endpoints(shell).database_url) as connection:
        connection.execute("SELECT 1")


def test_kill_9_of_everything_leaves_no_stale_lock(shell):
    """After every process was killed at once, and Postgres' pid belongs to another program by now, `up` works."""
    shell.run("up")
    before = pids(shell)
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not any(alive(pid) for pid in before.values()))
    lock = Path(next(s["data_folder"] for s in shell.json("status")["servers"] if s["name"] == "postgres"))
    lines = (lock / "postmaster.pid").read_text().splitlines()
    (lock / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    done = shell.run("up")
    assert done.returncode == 0, done.stderr


def test_a_remembered_port_in_use_is_replaced(shell):
    """If another program took a port while the stack was down, the next start takes a free one instead."""
    shell.run("up")
    port = endpoints(shell).redis_port
    shell.run("down")
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        assert shell.run("up").returncode == 0
        assert endpoints(shell).redis_port != port


def test_a_fixed_port_in_use_is_an_error_with_the_fix(make_folder):
    """A port that the user fixed and that is taken stops `up` with the variable's name, and nothing stays running."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        shell = CommandLine(make_folder() / "home", EMBEDDED_REDIS_PORT=str(other.getsockname()[1]))
        done = shell.run("up")
    assert done.returncode == 1
    assert "EMBEDDED_REDIS_PORT" in done.stderr
    assert shell.json("status")["running"] is False


def test_down_leaves_the_servers_of_another_program_alone(make_folder, jar_cache):
    """`down` refuses to end servers that a test session or benchmark runs as its own children."""
    home = make_folder() / "home"
    stack = LocalStack(home, Settings.load())
    stack.start()
    try:
        with pytest.raises(StackError, match=str(os.getpid())):
            down(home)
        with pytest.raises(StackError, match="already running"):
            LocalStack(home, Settings.load()).start()
        stack.kill_server("kafka")
        stack.start_server("kafka")
        assert alive(stack.pid("kafka"))
    finally:
        stack.stop()
    assert down(home) is False
