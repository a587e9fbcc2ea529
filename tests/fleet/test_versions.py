"""The order of versions."""

import pytest

from polyfleet.fleet.versions import is_later, precedence

ASCENDING = [
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.2",
    "v1.10.0",
    "2",
]


def test_versions_have_the_order_of_semantic_versioning() -> None:
    for position, version in enumerate(ASCENDING):
        for other in ASCENDING[:position]:
            assert is_later(version, other)
            assert not is_later(other, version)
        assert not is_later(version, version)


def test_build_metadata_makes_no_version_later() -> None:
    assert not is_later("1.0.0+b", "1.0.0+a")
    assert not is_later("1.0.0+b", "1.0.0")


@pytest.mark.parametrize("text", ["", "blue", "1.2.3.4", "01.0.0", "vv1", "1.0.0 ", "1.0.0\n"])
def test_what_is_no_version_has_no_place_in_the_order(text: str) -> None:
    assert precedence(text) is None
    assert not is_later(text, "0.0.1")
    assert is_later("0.0.1", text)


def test_anything_comes_after_nothing() -> None:
    assert is_later("0.0.1", None)
    assert is_later("blue", None)
    assert is_later("blue", "green")
    assert not is_later("blue", "blue")
