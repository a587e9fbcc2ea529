"""Only texts that a store can have made are stored paths."""

import pytest

from polyfleet.api.core.artifacts import paths
from polyfleet.api.core.errors import Invalid, NotFound

NAME = "6f7483ac-5cde-467f-acf7-39e4b397e313"


@pytest.mark.parametrize(
    "directory",
    ["a", "Images", "v1.2", "a-b_c", "_x", "-x", "a" * 64, "a/b", "/".join(["a" * 64] * 6)],
)
def test_plain_names_are_a_directory(directory: str) -> None:
    assert paths.checked_directory(directory) == directory
    assert paths.split(paths.joined(directory, NAME)) == (directory, NAME)


@pytest.mark.parametrize("directory", ["", "."])
def test_no_name_and_a_dot_are_the_root(directory: str) -> None:
    assert paths.joined(paths.checked_directory(directory), NAME) == NAME


@pytest.mark.parametrize(
    "directory",
    ["..", ".hidden", ".incoming", "a//b", "/", "/etc", "a/", "../x", "a/../b",
     "a/.b", "a/./b", "a/b/", "a/a/a/a/a/a/a", "a\\b", "a b", "a\0", "a\n",
     "é", "a" * 65, "%2e%2e", "~root", "a:b"],
)  # fmt: skip
def test_anything_else_is_no_directory(directory: str) -> None:
    with pytest.raises(Invalid) as caught:
        paths.checked_directory(directory, field="rdfm.storage.directory")
    assert caught.value.field == "rdfm.storage.directory"


@pytest.mark.parametrize(
    "path",
    ["", "/", NAME.upper(), NAME + "\n", NAME[:-1], NAME + "0", "/" + NAME, NAME + "/",
     "a//" + NAME, "./" + NAME, "../" + NAME, "a/../" + NAME, "a/.b/" + NAME, ".incoming/" + NAME,
     "a/" + NAME + "/x", "..%2f" + NAME, "a\\" + NAME, "a\0/" + NAME, NAME.replace("a", "\u0430"),
     "etc/passwd"],
)  # fmt: skip
def test_anything_else_is_no_stored_path(path: str) -> None:
    assert not paths.is_stored_path(path)
    with pytest.raises(NotFound):
        paths.split(path)


def test_names_do_not_repeat() -> None:
    assert len({paths.new_name() for _ in range(100)}) == 100
