"""The folder for what is expensive to make, shared by all checkouts, and its locks."""

import contextlib
import fcntl
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

_POLL_SECONDS = 0.2


def cache_directory(environment: Mapping[str, str]) -> Path:
    """Return POLYFLEET_CACHE, else polyfleet under XDG_CACHE_HOME, else under ~/.cache."""
    if own := environment.get("POLYFLEET_CACHE"):
        return Path(own)
    if shared := environment.get("XDG_CACHE_HOME"):
        return Path(shared) / "polyfleet"
    return Path.home() / ".cache" / "polyfleet"


@contextlib.contextmanager
def exclusive(file: Path, *, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock `file` among all processes; call `waiting` again and again until it is ours.

    The lock goes with the process, so nobody waits for one that died.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as stream:
        while not _try_lock(stream.fileno()):
            waiting()
            time.sleep(_POLL_SECONDS)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
