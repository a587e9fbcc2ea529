"""The processes that are watched, and what they use."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil


@dataclass(slots=True)
class Usage:
    """CPU seconds (user and system, all threads) by process, and the wall time meanwhile."""

    seconds: float
    cpu: dict[str, float]


class Watched:
    """Processes by name."""

    def __init__(self) -> None:
        self._processes: dict[str, psutil.Process] = {}

    def watch(self, name: str, pid: int) -> None:
        """Watch a process from now on, in place of an earlier one of that name."""
        self._processes[name] = psutil.Process(pid)

    @contextmanager
    def measured(self) -> Iterator[Usage]:
        """Fill in, at exit, what was used during the block."""
        usage = Usage(0.0, {})
        before = self._cpu()
        started = time.monotonic()
        yield usage
        usage.seconds = time.monotonic() - started
        after = self._cpu()
        usage.cpu = {name: after[name] - before[name] for name in before}

    def resident(self) -> dict[str, int]:
        """Return the resident memory of each process in bytes."""
        return {name: process.memory_info().rss for name, process in self._processes.items()}

    def _cpu(self) -> dict[str, float]:
        times = {name: process.cpu_times() for name, process in self._processes.items()}
        return {name: spent.user + spent.system for name, spent in times.items()}
