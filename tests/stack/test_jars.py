"""Kafka's jars are exactly the checked ones: a mirror that gives anything else is refused."""

from __future__ import annotations

import http.server
import subprocess
import sys
import threading
import zipfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from command_line import ROOT

from personalize.errors import StackError
from personalize.stack import jars


@contextmanager
def mirror(content):
    """An HTTP server on loopback that answers a path with `content(path)`, or 404 for None."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = content(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/maven2"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def shortened(monkeypatch, count=2):
    """A list of the first few jars, so that a test moves kilobytes."""
    few = sorted(jars.listed(), key=lambda jar: jar.size_bytes)[:count]
    monkeypatch.setattr(jars, "listed", lambda: few)
    return few


def test_the_list_names_46_files_once_each():
    """The list holds Kafka itself and its logging, each file once, each with a full SHA-256."""
    listed = jars.listed()
    names = [jar.path.name for jar in listed]
    assert len(names) == len(set(names)) == 46
    assert {"kafka_2.13-4.3.1.jar", "kafka-clients-4.3.1.jar", "log4j-slf4j-impl-2.25.4.jar"} <= set(names)
    assert all(len(jar.sha256) == 64 and jar.size_bytes > 0 for jar in listed)
    assert all(jar.path.name == f"{jar.coordinates[1]}-{jar.coordinates[2]}.jar" for jar in listed)


def test_a_changed_jar_is_refused_and_not_kept(tmp_path, monkeypatch):
    """A mirror that serves other bytes is refused with both hashes named, and no jar is left behind."""
    shortened(monkeypatch)
    with mirror(lambda _path: b"not a jar") as url, pytest.raises(StackError, match="SHA-256") as caught:
        jars.ensure(tmp_path, url)
    assert "PERSONALIZE_MAVEN_REPO" in caught.value.fix
    assert list(jars.folder(tmp_path).iterdir()) == []


def test_an_unreachable_mirror_is_an_error_with_the_fix(tmp_path, monkeypatch):
    """A mirror without the file gives an error that names the jar and the setting."""
    few = shortened(monkeypatch, 1)
    with mirror(lambda _path: None) as url, pytest.raises(StackError, match=few[0].path.name) as caught:
        jars.ensure(tmp_path, url)
    assert "PERSONALIZE_MAVEN_REPO" in caught.value.fix


# The download library leaves its connections to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_jars_from_a_mirror_arrive_whole_and_only_once(tmp_path, monkeypatch, jar_cache):
    """Right bytes are kept under their names, progress reaches the total, and the second call asks nobody."""
    source = jars.folder(jar_cache)
    few = shortened(monkeypatch, 3)
    asked, steps = [], []

    def serve(path):
        asked.append(path)
        file = source / Path(path).name
        return file.read_bytes() if file.is_file() else None

    with mirror(serve) as url:
        count = jars.ensure(tmp_path / "cache", url, lambda _file, done, total: steps.append((done, total)))
        before = len(asked)
        assert jars.ensure(tmp_path / "cache", url) == 0
        assert len(asked) == before
    total = sum(jar.size_bytes for jar in few)
    assert count == total
    assert steps[-1] == (total, total)
    assert jars.missing(tmp_path / "cache") == []
    assert jars.damaged(tmp_path / "cache") == []
    (jars.folder(tmp_path / "cache") / few[0].path.name).write_bytes(b"x" * few[0].size_bytes)
    assert jars.damaged(tmp_path / "cache") == [few[0].path.name]


def test_the_list_is_in_the_wheel(tmp_path):
    """An installed copy of the product has the list, the launcher and every SQL file of the migrations."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert f"personalize/stack/{jars.LIST.name}" in names
    assert "personalize/launch_child.py" in names
    folder = ROOT / "projections" / "migrations" / "sql"
    assert {f"projections/migrations/sql/{path.name}" for path in folder.glob("*.sql")} <= names
