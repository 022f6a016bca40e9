"""Which files are Kafka, and are they the ones we checked?  46 jars, each with the SHA-256 listed beside this module.

The list *is* the resolution: every jar is asked for by its own coordinates, so nothing is decided at download time, and
a jar that differs by one byte is refused.  They are kept in the user's cache and shared by all checkouts.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from personalize.errors import StackError

KAFKA_VERSION: Final = "4.3.1"
LIST: Final = Path(__file__).with_name(f"kafka-{KAFKA_VERSION}-jars.sha256")
_PARALLEL_DOWNLOADS: Final = 6
_TIMEOUT_SECONDS: Final = 30

Progress = Callable[[str, int, int], None]
"""Called with (file just finished, bytes so far, bytes in all)."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One file of Kafka's runtime."""

    path: PurePosixPath  # group/as/folders/artifact/version/file
    size_bytes: int
    sha256: str

    @property
    def coordinates(self) -> tuple[str, str, str]:
        """Group, artifact and version."""
        group = ".".join(self.path.parts[:-3])
        return group, self.path.parts[-3], self.path.parts[-2]


def listed() -> list[Jar]:
    """Every jar of the checked list."""
    jars = []
    for line in LIST.read_text(encoding="ascii").splitlines():
        sha256, size, path = line.split()
        jars.append(Jar(PurePosixPath(path), int(size), sha256))
    return jars


def folder(cache: Path) -> Path:
    """Where the jars of this Kafka version live."""
    return cache / f"kafka-{KAFKA_VERSION}"


def missing(cache: Path) -> list[Jar]:
    """The jars that are not there in full; sizes only, because each was hashed when it was put there."""
    target = folder(cache)
    return [jar for jar in listed() if not _has_size(target / jar.path.name, jar.size_bytes)]


def damaged(cache: Path) -> list[str]:
    """The names of jars whose content is not the checked one (reads all 45 MB)."""
    target = folder(cache)
    return [
        jar.path.name
        for jar in listed()
        if (target / jar.path.name).is_file() and _hash(target / jar.path.name) != jar.sha256
    ]


def class_path(cache: Path) -> str:
    """All jars in a fixed order, as Java wants them."""
    target = folder(cache)
    return ":".join(str(target / jar.path.name) for jar in listed())


def ensure(cache: Path, repository: str | None, progress: Progress | None = None) -> int:
    """Downloads what is missing, checks it, and puts it in place; returns the bytes downloaded.

    Several processes may do this at once: a file appears under its name only when it is complete and checked.

    Raises:
        StackError: a jar cannot be had, or is not the checked one.
    """
    wanted = missing(cache)
    if not wanted:
        return 0
    target = folder(cache)
    target.mkdir(parents=True, exist_ok=True)
    total = sum(jar.size_bytes for jar in wanted)
    done = 0
    with tempfile.TemporaryDirectory(prefix="download-", dir=cache) as scratch:
        context = _maven_context(Path(scratch), repository)
        with ThreadPoolExecutor(_PARALLEL_DOWNLOADS) as pool:
            for jar in pool.map(lambda jar: _fetch(context, jar, target), wanted):
                done += jar.size_bytes
                if progress:
                    progress(jar.path.name, done, total)
    return total


def _maven_context(scratch: Path, repository: str | None) -> Any:
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext

    # jgo's own default repository, unless this product's setting or the user's jgo configuration names others.
    named = {"mirror": repository.rstrip("/")} if repository else dict(GlobalSettings.load().repositories)
    return MavenContext(repo_cache=scratch, remote_repos=named or None, timeout=_TIMEOUT_SECONDS)


def _fetch(context: Any, jar: Jar, target: Path) -> Jar:
    group, artifact, version = jar.coordinates
    try:
        path = Path(context.project(group, artifact).at_version(version).artifact().resolve())
    except Exception as error:
        raise StackError(
            f"{jar.path.name} could not be downloaded ({type(error).__name__}: {error}).",
            "check the network, or set PERSONALIZE_MAVEN_REPO to a mirror you can reach.",
        ) from error
    found = _hash(path)
    if found != jar.sha256:
        raise StackError(
            f"{jar.path.name} is not the checked file: SHA-256 {found}, wanted {jar.sha256}.",
            "do not use this mirror; set PERSONALIZE_MAVEN_REPO to another one.",
        )
    shutil.move(path, target / jar.path.name)  # same file system: a rename, so no reader sees half a file
    return jar


def _has_size(path: Path, size_bytes: int) -> bool:
    return path.is_file() and path.stat().st_size == size_bytes


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
