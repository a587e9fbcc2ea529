"""CustomResourceDefinitions of others, as their projects publish them in Go modules.

Each module is pinned by version and by the sum of its content; Go fetches it once into its own
cache and this checks what it got.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from polyfleet.local.cache import cache_directory
from polyfleet.local.errors import BuildError
from polyfleet.local.toolchain import find_go

LOCK = Path(__file__).with_name("binaries") / "definitions" / "modules.lock"

_GO = (1, 21)
_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Published:
    """A folder of definitions in a module."""

    module: str
    version: str
    sum: str
    folder: str


def published(lock: Path = LOCK) -> Iterator[Published]:
    """Yield what the lock file names."""
    for line in lock.read_text().splitlines():
        if line and not line.startswith("#"):
            yield Published(*line.split())


def fetch(wanted: Published) -> Path:
    """Return the folder, fetched unless Go has it. Raises BuildError, also for another sum."""
    go = find_go(_GO, cache=cache_directory(os.environ))
    name = f"{wanted.module}@{wanted.version}"
    done = subprocess.run(  # noqa: S603 - a pinned module, no shell
        [go, "mod", "download", "-json", name],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        timeout=_SECONDS,
        env={**os.environ, "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-mod=mod"},
    )
    answer = json.loads(done.stdout or "{}")
    if done.returncode or "Dir" not in answer:
        raise BuildError(f"{name} cannot be fetched: {answer.get('Error') or done.stderr.strip()}")
    if answer["Sum"] != wanted.sum:
        raise BuildError(f"{name} has the sum {answer['Sum']}, not the pinned {wanted.sum}")
    return Path(answer["Dir"]) / wanted.folder
