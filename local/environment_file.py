"""The file that tells a shell, and whoever reads it, how to reach the fleet."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from polyfleet.local.state import write_private

_NAME = re.compile(r"[A-Z][A-Z0-9_]*")


def write_environment(file: Path, variables: Mapping[str, str]) -> None:
    """Write `export NAME='value'` lines, mode 600, to be read with `. file`."""
    for name in variables:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a variable")
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
    write_private(file, "".join(lines))


def read_environment(file: Path) -> dict[str, str]:
    """Read back what `write_environment` wrote; a missing file is empty."""
    if not file.exists():
        return {}
    words = shlex.split(file.read_text())
    pairs = (word.partition("=") for word in words if word != "export")
    return {name: value for name, _, value in pairs}
