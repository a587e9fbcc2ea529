"""What can go wrong with the local control plane, as one family of exceptions."""

from pathlib import Path


class LocalError(Exception):
    """A failure to explain to whoever runs the command: the text says what to do or to read."""


class BuildError(LocalError):
    """A program could not be built, or no Go toolchain could be had."""


class StartError(LocalError):
    """A process ended early or was not ready in time; the text ends with its last log lines."""


def last_lines(log: Path, count: int = 20) -> str:
    """Return the last `count` lines of a log file, or a note that there are none."""
    if not log.exists():
        return f"({log} does not exist)"
    with log.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - 64 * 1024))
        lines = stream.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-count:]) or f"({log} is empty)"
