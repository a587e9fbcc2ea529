"""Builds programs from pinned Go modules, once, into the cache.

A build is found again by what determines it: the module's go.mod and go.sum, sources of our own,
its programs, the flags and the platform. The Go toolchain is left out on purpose: any that the
module accepts will do, and an update of it need not cost minutes.
"""

import contextlib
import hashlib
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from polyfleet.local.cache import cache_directory, exclusive
from polyfleet.local.errors import BuildError, last_lines
from polyfleet.local.progress import StepProgress
from polyfleet.local.toolchain import find_go, required_version

_TICK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Module:
    """A folder with go.mod and go.sum, the package of each program, link flags and build tags."""

    name: str
    directory: Path
    packages: Mapping[str, str]
    link_flags: Sequence[str] = ()
    tags: Sequence[str] = ()

    @property
    def digest(self) -> str:
        """16 hex digits that change whenever a built program could."""
        parts = [
            (self.directory / "go.mod").read_bytes(),
            (self.directory / "go.sum").read_bytes(),
            repr(sorted(self.packages.items())).encode(),
            repr(list(self.link_flags)).encode(),
            *(tag.encode() for tag in self.tags),
            f"{platform.system()}/{platform.machine()}".encode(),
            *(source.read_bytes() for source in sorted(self.directory.rglob("*.go"))),
        ]
        whole = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
        return hashlib.sha256(whole).hexdigest()[:16]


def build(module: Module, programs: Sequence[str], *, cache: Path | None = None) -> Path:
    """Build what is not built yet and return the folder in the cache that has the programs.

    Several processes may ask at once: one builds, the others wait for it. Raises BuildError,
    with the compiler's last lines, where a program cannot be built.
    """
    cache = cache or cache_directory(os.environ)
    directory = cache / "binaries" / f"{module.name}-{module.digest}"
    if _missing(directory, programs):
        with _turn(module, directory):
            # Asked again: while we waited for our turn another process may have built them.
            if missing := _missing(directory, programs):
                go = find_go(required_version(module.directory / "go.mod"), cache=cache)
                for program in missing:
                    _build_program(go, module, program, directory)
    return directory


def _missing(directory: Path, programs: Sequence[str]) -> list[str]:
    return [program for program in programs if not (directory / program).exists()]


@contextlib.contextmanager
def _turn(module: Module, directory: Path) -> Iterator[None]:
    with contextlib.ExitStack() as shown:
        progress: StepProgress | None = None

        def waiting() -> None:
            nonlocal progress
            progress = progress or shown.enter_context(
                StepProgress(f"Waiting for another process that builds {module.name}")
            )
            progress.advance(0)

        with exclusive(directory / ".lock", waiting=waiting):
            shown.close()
            yield


def _build_program(go: Path, module: Module, program: str, directory: Path) -> None:
    package = module.packages[program]
    listing, log = directory / f"{program}.packages", directory / f"{program}.log"
    title = f"Fetching the sources of {program}"
    tags = [f"-tags={','.join(module.tags)}"] if module.tags else []
    listed: list[str | Path] = [go, "list", "-mod=readonly", *tags, "-deps", package]
    _run(module, title, log, listed, output=listing)
    # Each compiled package is a line of the log; one more for the link, which comes last.
    total = len(listing.read_text().splitlines()) + 1
    scratch = directory / f".{program}.partial"
    flags = ["-v", "-trimpath", "-buildvcs=false", "-mod=readonly", *tags]
    link = f"-ldflags={' '.join(module.link_flags)}"
    command: list[str | Path] = [go, "build", *flags, link, "-o", scratch, package]
    _run(module, f"Building {program}", log, command, total=total)
    scratch.rename(directory / program)


def _run(
    module: Module,
    title: str,
    log: Path,
    command: Sequence[str | Path],
    *,
    output: Path | None = None,
    total: int | None = None,
) -> None:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    with (
        StepProgress(title, total=total) as progress,
        log.open("wb") as errors,
        (output or Path(os.devnull)).open("wb") as lines,
    ):
        process = subprocess.Popen(  # noqa: S603 - paths and pinned packages, no shell
            command, stdout=lines, stderr=errors, cwd=module.directory, env=environment
        )
        try:
            while not _ended(process):
                progress.advance(log.read_bytes().count(b"\n"))
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode:
            raise BuildError(f"{title} failed; {log} ends with:\n{last_lines(log)}")


def _ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_TICK_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True
