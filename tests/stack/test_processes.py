"""Children are restarted when that can help, stopped in bounded time, and never outlive their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest
from command_line import INHERITED, ROOT, eventually

from personalize.children import Identity, spawn
from personalize.errors import ProblemError
from personalize.processes import Processes, Program


def program(name: str, code: str, *arguments: str) -> Program:
    return Program(name=name, command=[sys.executable, "-c", code, *arguments], environment=INHERITED)


EXITS_ONCE_THEN_STAYS = """
import os, sys, time
if not os.path.exists(sys.argv[1]):
    open(sys.argv[1], "w").close()
    sys.exit(int(sys.argv[2]))
time.sleep(600)
"""


@pytest.mark.parametrize("code", [1, 70])
def test_exit_codes_that_may_pass_lead_to_a_restart(tmp_path, code):
    """A program that ends with 1 or 70 is started again, and the event says so."""
    events = []
    kept = Processes(
        [program("worker", EXITS_ONCE_THEN_STAYS, str(tmp_path / "ran"), str(code))],
        lambda name, what: events.append((name, what)),
    )
    kept.start()
    try:
        eventually(lambda: kept.look_once() or ("worker", "started again") in events)
        assert any(f"code {code}" in what for _, what in events)
    finally:
        kept.stop()


@pytest.mark.parametrize("code", [2, 78])
def test_exit_codes_that_cannot_pass_stop_everything(code):
    """A program that ends with another code is an error that names it; it is not started again."""
    kept = Processes([program("worker", f"raise SystemExit({code})"), program("api", "import time; time.sleep(600)")])
    kept.start()
    try:
        with pytest.raises(ProblemError, match=f"worker ended with code {code}"):
            kept.watch()
    finally:
        codes = kept.stop()
    assert codes == {"worker": code, "api": -signal.SIGTERM}


def test_pauses_grow(tmp_path):
    """A program that fails at once every time is started less and less often."""
    pauses = []
    kept = Processes([program("worker", "raise SystemExit(1)")], lambda _name, what: pauses.append(what))
    kept.start()
    try:
        eventually(lambda: kept.look_once() or sum("starting again" in what for what in pauses) >= 3)
    finally:
        kept.stop()
    waits = [float(what.split(" in ")[1].split(" ")[0]) for what in pauses if "starting again" in what]
    assert waits == sorted(set(waits))


def test_a_program_waits_until_it_may_start(tmp_path):
    """It is not running before, and does not end the watch over the others by not having begun."""
    allowed = []
    done = program("api", "pass")
    later = replace(program("jobs", EXITS_ONCE_THEN_STAYS, str(tmp_path / "ran"), "0"), may_start=lambda: bool(allowed))
    kept = Processes([done, later])
    kept.start()
    try:
        eventually(lambda: kept.look_once() or not kept.pids())
        assert not (tmp_path / "ran").exists()
        allowed.append(True)
        kept.watch()  # both end with 0
        assert (tmp_path / "ran").exists()
    finally:
        kept.stop()


DEAF = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(sys.argv[1], "w").close()
time.sleep(600)
"""


def test_a_program_that_ignores_sigterm_is_killed(tmp_path):
    """Stopping takes bounded time even if a program does not listen."""
    ready = tmp_path / "ready"
    kept = Processes([program("deaf", DEAF, str(ready))])
    kept.start()
    eventually(ready.exists)
    assert kept.stop(grace_seconds=0.2) == {"deaf": -signal.SIGKILL}


PARENT = """
import sys, threading, time
sys.path.insert(0, {root!r})
from personalize.children import spawn
def start():
    child = spawn([sys.executable, "-c", "import time; time.sleep(600)"], environment={{"PATH": "/bin"}})
    print(child.pid, flush=True)
thread = threading.Thread(target=start)  # a thread that ends must not take its children with it
thread.start()
thread.join()
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends children with their parent on Linux only")
def test_children_die_with_a_killed_parent_and_outlive_the_thread_that_started_them():
    """A child survives the end of the thread that asked for it, and dies when the process is killed with SIGKILL."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(root=str(ROOT))], stdout=subprocess.PIPE, text=True, env=INHERITED
    )
    assert parent.stdout is not None
    with parent.stdout:
        child = psutil.Process(int(parent.stdout.readline()))
        time.sleep(0.3)
        assert child.is_running()
        parent.kill()
        parent.wait()
    eventually(lambda: not child.is_running())


def test_a_left_over_is_ended_and_a_stranger_with_its_pid_is_not(tmp_path):
    """An identity matches the process it was taken of, and none that differs in start time or command line."""
    child = spawn([sys.executable, "-c", "import time; time.sleep(600)", "mark-me"], environment=INHERITED)
    try:
        eventually(lambda: "mark-me" in psutil.Process(child.pid).cmdline())
        mine = Identity.of(child.pid, "mark-me")
        assert Identity(mine.pid, mine.started_seconds - 60, "mark-me").end(signal.SIGTERM, 1.0) is False
        assert Identity(mine.pid, mine.started_seconds, "another").end(signal.SIGTERM, 1.0) is False
        assert child.exit_code() is None
        assert mine.end(signal.SIGTERM, 5.0) is True
        assert child.wait(5.0) == -signal.SIGTERM
        assert mine.process() is None
    finally:
        child.stop(signal.SIGKILL)


def test_output_goes_to_the_log_file(tmp_path):
    """What a child prints is appended to its log, errors included."""
    log = tmp_path / "child.log"
    code = "import sys; print('out', flush=True); print('err', file=sys.stderr)"
    assert spawn([sys.executable, "-c", code], environment=INHERITED, log=log).wait(30) == 0
    assert log.read_text().split() == ["out", "err"]


def test_children_do_not_share_our_terminal_signals():
    """A child is in a session of its own: Ctrl-C reaches the parent, which then stops its children in order."""
    child = spawn([sys.executable, "-c", "import time; time.sleep(600)"], environment=INHERITED)
    try:
        eventually(lambda: os.getsid(child.pid) == child.pid)
    finally:
        child.stop(signal.SIGKILL)
