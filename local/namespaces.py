"""Namespaces of the kernel in which a node lives: processes, mounts and network of its own.

Everything of a node that would otherwise lie about on the machine (mounts, links, nftables
tables, containers) exists inside them only, and the kernel takes it away with the first process
in them, however that one ends. So several nodes do not meet, and none leaves anything behind.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from polyfleet.local.environment import needed_environment
from polyfleet.local.errors import StartError, last_lines
from polyfleet.local.processes import ProcessRecord, find, is_running, spawn, stop, wait_until
from polyfleet.local.state import State

_NAME = "namespaces"
_START_SECONDS = 20
_COMMAND_SECONDS = 120
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class Namespaces:
    """The namespaces of one node; the process that holds them is remembered in `state`.

    `init` is the program that becomes the first process: it must reap what is left to it and end
    on SIGTERM. With `ends_with_parent` all ends with the thread that calls `start`. Root only.
    """

    def __init__(
        self, state: State, directory: Path, init: Path, *, ends_with_parent: bool = False
    ) -> None:
        self._state = state
        self._directory = directory
        self._init = init
        self._ends_with_parent = ends_with_parent

    @property
    def process(self) -> ProcessRecord:
        """The first process in the namespaces."""
        return self._state.processes[_NAME]

    def exist(self) -> bool:
        """Tell whether the namespaces are there."""
        record = self._state.processes.get(_NAME)
        return record is not None and is_running(record)

    def start(self) -> None:
        """Make the namespaces; raises StartError where the kernel refuses."""
        log = self._directory / f"{_NAME}.log"
        apart = ["--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--net"]
        holder = spawn(
            ["unshare", *apart, "--propagation", "private", "--", self._init],
            log=log,
            environment=needed_environment(os.environ),
            ends_with_parent=self._ends_with_parent,
        )
        program = str(self._init)

        def first_process() -> ProcessRecord | None:
            children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children")
            pids = children.read_text().split() if is_running(holder) else []
            return next((find(int(pid)) for pid in pids if _command(pid) == program), None)

        settled = wait_until(
            lambda: not is_running(holder) or first_process() is not None, seconds=_START_SECONDS
        )
        record = first_process()
        if not settled or record is None:
            stop(holder)
            raise StartError(f"no namespaces for a node; the log:\n{last_lines(log)}")
        self._state.processes[_NAME] = record
        self._state.save()
        # What kubelet mounts must be seen by the container runtime, and by containers that ask.
        self.run("mount", "--make-rshared", "/")

    def stop(self) -> None:
        """End every process in the namespaces; what they had mounted and linked goes with them."""
        if record := self._state.processes.pop(_NAME, None):
            stop(record)
            self._state.save()

    def inside(self, *command: str | Path) -> list[str | Path]:
        """Return the command line that runs `command` inside."""
        target = f"--target={self.process.pid}"
        return ["nsenter", target, "--mount", "--net", "--pid", "--", *command]

    def run(self, *command: str | Path, path: Sequence[Path] = ()) -> str:
        """Run a command inside and return what it prints; its folders in `path` come first.

        Raises StartError with what it complained of.
        """
        done = subprocess.run(  # noqa: S603 - our own programs, no shell
            self.inside(*command),
            capture_output=True,
            text=True,
            check=False,
            timeout=_COMMAND_SECONDS,
            env=inside_environment(path),
        )
        if done.returncode:
            raise StartError(f"{command[0]} failed in the node: {done.stderr.strip()}")
        return done.stdout


def inside_environment(path: Sequence[Path] = ()) -> dict[str, str]:
    """Return the environment of what runs inside."""
    folders = ":".join([*map(str, path), _PATH])
    return {**needed_environment(os.environ), "PATH": folders}


def _command(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")[0].decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""
