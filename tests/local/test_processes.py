import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from polyfleet.local.processes import ProcessRecord, is_running, spawn, stop, wait_until
from polyfleet.local.state import State

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[ProcessRecord]:
    record = spawn(SLEEP, log=tmp_path / "log")
    yield record
    stop(record)


def test_a_stopped_process_is_gone(sleeper: ProcessRecord) -> None:
    assert is_running(sleeper)

    stop(sleeper)

    assert not is_running(sleeper)
    assert not psutil.pid_exists(sleeper.pid)


def test_a_process_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    program = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True)"
    log = tmp_path / "log"
    record = spawn([sys.executable, "-c", f"{program}; time.sleep(600)"], log=log)
    assert wait_until(lambda: "deaf" in log.read_text(), seconds=60)

    stop(record, grace_seconds=0.1)

    assert not is_running(record)


def test_a_process_that_took_over_the_id_is_not_ours(sleeper: ProcessRecord) -> None:
    before = ProcessRecord(sleeper.pid, "started at another time")

    stop(before)

    assert not is_running(before)
    assert is_running(sleeper)


def test_another_program_finds_and_stops_what_the_state_file_names(
    sleeper: ProcessRecord, tmp_path: Path
) -> None:
    file = tmp_path / "state.json"
    State(file, {"sleeper": sleeper}).save()
    program = f"""
        from pathlib import Path
        from polyfleet.local.processes import is_running, stop
        from polyfleet.local.state import State
        record = State.load(Path({str(file)!r})).processes["sleeper"]
        assert is_running(record)
        stop(record)
    """

    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)

    assert not is_running(sleeper)


def test_a_process_that_died_unseen_is_not_running(sleeper: ProcessRecord) -> None:
    os.kill(sleeper.pid, signal.SIGKILL)

    assert wait_until(lambda: not is_running(sleeper), seconds=60)


def test_a_process_that_nobody_asks_after_leaves_nothing_behind(tmp_path: Path) -> None:
    record = spawn(SLEEP, log=tmp_path / "log")

    os.kill(record.pid, signal.SIGKILL)

    assert wait_until(lambda: not psutil.pid_exists(record.pid), seconds=60)


def test_a_program_may_end_before_what_it_started(tmp_path: Path) -> None:
    program = f"""
        from pathlib import Path
        from polyfleet.local.processes import spawn
        record = spawn({SLEEP!r}, log=Path({str(tmp_path / "log")!r}))
        print(record.pid, record.started, flush=True)
    """
    command = [sys.executable, "-W", "always", "-c", textwrap.dedent(program)]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    pid, started = done.stdout.split()
    record = ProcessRecord(int(pid), started)
    assert is_running(record)
    stop(record)
    assert done.stderr == ""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of a death")
def test_a_tied_process_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    program = f"""
        import sys, time
        from pathlib import Path
        from polyfleet.local.processes import spawn
        record = spawn({SLEEP!r}, log=Path({str(tmp_path / "log")!r}), ends_with_parent=True)
        print(record.pid, record.started, flush=True)
        time.sleep(600)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout is not None
            pid, started = parent.stdout.readline().split()
            child = psutil.Process(int(pid))
            # Killed before the child is Python, the parent would prove nothing.
            assert wait_until(lambda: child.cmdline()[:1] == [sys.executable], seconds=60)
        finally:
            parent.kill()

    assert wait_until(lambda: not is_running(ProcessRecord(int(pid), started)), seconds=60)
