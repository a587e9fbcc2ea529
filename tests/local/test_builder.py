"""The builder, with a tiny Go program in place of Kubernetes."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from polyfleet.local.builder import Module, build
from polyfleet.local.cache import cache_directory
from polyfleet.local.errors import BuildError

PROGRAM = """package main

var version = "none"

func main() { println(version) }
"""


@pytest.fixture
def module(tmp_path: Path) -> Module:
    directory = tmp_path / "source"
    directory.mkdir()
    (directory / "go.mod").write_text("module example.test/hello\n\ngo 1.26.0\n")
    (directory / "go.sum").write_text("")
    (directory / "main.go").write_text(PROGRAM)
    packages = {"hello": "example.test/hello"}
    return Module("hello-v1", directory, packages, ["-X=main.version=v1"])


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    # The Go toolchain, where one must be installed, is not fetched again for each test.
    own = tmp_path / "cache"
    own.mkdir()
    shared = cache_directory(os.environ) / "go"
    shared.mkdir(parents=True, exist_ok=True)
    (own / "go").symlink_to(shared)
    return own


def test_a_built_program_runs_and_knows_its_version(module: Module, cache: Path) -> None:
    folder = build(module, ["hello"], cache=cache)

    done = subprocess.run([folder / "hello"], capture_output=True, text=True, check=True)

    assert done.stderr == "v1\n"


def test_a_program_is_built_once(module: Module, cache: Path) -> None:
    first = (build(module, ["hello"], cache=cache) / "hello").stat()

    second = (build(module, ["hello"], cache=cache) / "hello").stat()

    assert (second.st_ino, second.st_mtime_ns) == (first.st_ino, first.st_mtime_ns)


def test_two_builders_at_once_build_once(module: Module, cache: Path) -> None:
    def inode(_: int) -> int:
        return (build(module, ["hello"], cache=cache) / "hello").stat().st_ino

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(inode, range(2))

    assert first == second


def test_a_failure_tells_what_the_compiler_said(module: Module, cache: Path) -> None:
    (module.directory / "main.go").write_text("package main\n\nfunc main() { nonsense() }\n")

    with pytest.raises(BuildError, match="undefined: nonsense"):
        build(module, ["hello"], cache=cache)


def test_a_failed_build_is_tried_again(module: Module, cache: Path) -> None:
    (module.directory / "main.go").write_text("package main\n\nfunc main() { nonsense() }\n")
    with pytest.raises(BuildError):
        build(module, ["hello"], cache=cache)
    (module.directory / "main.go").write_text(PROGRAM)

    assert (build(module, ["hello"], cache=cache) / "hello").exists()


@pytest.mark.parametrize("file", ["go.mod", "go.sum", "main.go"])
def test_another_pin_or_source_means_another_build(module: Module, file: str) -> None:
    before = module.digest
    (module.directory / file).write_text((module.directory / file).read_text() + "// changed\n")

    assert module.digest != before


def test_other_link_flags_mean_another_build(module: Module) -> None:
    assert replace(module, link_flags=["-X=main.version=v2"]).digest != module.digest


def test_other_tags_mean_another_build(module: Module) -> None:
    assert replace(module, tags=["small"]).digest != module.digest


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"POLYFLEET_CACHE": "/own", "XDG_CACHE_HOME": "/shared"}, Path("/own")),
        ({"XDG_CACHE_HOME": "/shared"}, Path("/shared/polyfleet")),
        ({}, Path.home() / ".cache" / "polyfleet"),
    ],
)
def test_the_cache_is_where_the_environment_says(
    environment: dict[str, str], expected: Path
) -> None:
    assert cache_directory(environment) == expected
