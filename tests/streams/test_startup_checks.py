"""A worker that cannot be trusted does not start, and says what to do."""

from __future__ import annotations

import pytest

from streams import startup_checks


def test_the_locked_libraries_pass() -> None:
    """With the versions of the lock file every check holds."""
    startup_checks.check_all()


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A version that the transport was not proven on names itself and the fix."""
    monkeypatch.setattr(startup_checks, "version", lambda _: "9.9")
    with pytest.raises(startup_checks.StartupError, match=r"9\.9.*make install"):
        startup_checks.check_versions()


def test_missing_codecs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a codec the worker would crash on the first compressed record: it says so before."""
    monkeypatch.setattr("aiokafka.codec.has_zstd", lambda: False)
    with pytest.raises(startup_checks.StartupError, match="zstd"):
        startup_checks.check_codecs()


def test_pure_python_streams_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faust without its compiled streams loses messages on a rebalance."""
    monkeypatch.setattr("faust.streams._CStreamIterator", None)
    with pytest.raises(startup_checks.StartupError, match="NO_CYTHON"):
        startup_checks.check_cython_streams()
