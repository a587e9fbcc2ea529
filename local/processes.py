"""Starting background processes, finding them again, and stopping exactly those.

A process is remembered by its id *and* its start time. Ids are reused, so an id from a file
written yesterday may be somebody else's process today; that one is never signalled.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from polyfleet.local.errors import StartError, last_lines

_POLL_SECONDS = 0.05
_waiting: dict[int, threading.Thread] = {}
"""Who waits for which of our children: one that ends must not stay a zombie, asked after or not."""


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A process: its id and an opaque mark of when it was started."""

    pid: int
    started: str


def spawn(
    arguments: Sequence[str | Path],
    *,
    log: Path,
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
    ends_with_parent: bool = False,
) -> ProcessRecord:
    """Start a process in a session of its own, its output appended to `log` (mode 600).

    With `ends_with_parent` it is killed when the calling *thread* ends, however that happens; so
    call from the main thread. Linux only: elsewhere the process has to be stopped.
    """
    command = [str(argument) for argument in arguments]
    setpriv = shutil.which("setpriv")
    if ends_with_parent and setpriv:
        # Asked kindly, a kube-apiserver whose etcd went at the same moment would stay for ever.
        command = [setpriv, "--pdeathsig", "KILL", "--", *command]
    with _private_log(log) as output:
        child = subprocess.Popen(  # noqa: S603 - our own programs, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env=None if environment is None else dict(environment),
            start_new_session=True,
        )
    waiting = threading.Thread(target=child.wait, name=f"wait for {child.pid}", daemon=True)
    _waiting[child.pid] = waiting
    waiting.start()
    started = _start_mark(child.pid)
    if started is None:
        raise StartError(f"{command[0]} ended at once:\n{last_lines(log)}")
    return ProcessRecord(child.pid, started)


def find(pid: int) -> ProcessRecord | None:
    """Return the record of a process that somebody else started, None if it is gone."""
    started = _start_mark(pid)
    return None if started is None else ProcessRecord(pid, started)


def is_running(record: ProcessRecord) -> bool:
    """Tell whether this very process, not another with its id, still runs."""
    started = _start_mark(record.pid)
    if started is None and (waiting := _waiting.pop(record.pid, None)):
        waiting.join()  # it has ended; the id is free only after this
    return started == record.started


def stop(record: ProcessRecord, *, grace_seconds: float = 20) -> None:
    """End a process: SIGTERM, after `grace_seconds` SIGKILL; return when it is gone."""
    for number, seconds in ((signal.SIGTERM, grace_seconds), (signal.SIGKILL, 10)):
        if not is_running(record):
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(record.pid, number)
        if wait_until(lambda: not is_running(record), seconds=seconds):
            return
    raise StartError(f"process {record.pid} does not end")


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Poll `condition` until it holds (True) or `seconds` have passed (False)."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _private_log(log: Path) -> BinaryIO:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.fchmod(descriptor, 0o600)  # it may be there already, from elsewhere
    return os.fdopen(descriptor, "ab")


def _start_mark(pid: int) -> str | None:
    """Return when a process started, None if it is gone or only waits to be reaped."""
    if not Path("/proc/self/stat").exists():
        return _start_mark_from_ps(pid)
    try:
        # The second field is the program's name in brackets and may hold spaces and brackets.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, threads, ticks_since_boot = fields[0], int(fields[17]), fields[19]
    # While other threads of a dying program still end, they hold its files and ports.
    gone = state in "ZX" and threads <= 1
    return None if gone else f"{boot}:{ticks_since_boot}"


def _start_mark_from_ps(pid: int) -> str | None:
    done = subprocess.run(  # noqa: S603 - a number is the only argument
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)],  # noqa: S607 - where ps is differs
        capture_output=True,
        text=True,
        check=False,
    )
    state, _, started = done.stdout.strip().partition(" ")
    return None if done.returncode or state.startswith("Z") else started.strip()
