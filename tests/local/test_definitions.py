"""Definitions of other projects are fetched as pinned."""

from dataclasses import replace

import pytest

from polyfleet.local.definitions import fetch, published
from polyfleet.local.errors import BuildError


def test_every_pinned_folder_has_definitions() -> None:
    for wanted in published():
        files = list(fetch(wanted).glob("*.yaml"))
        assert any("kind: CustomResourceDefinition" in file.read_text() for file in files), wanted


def test_another_content_is_refused() -> None:
    wanted = replace(next(published()), sum="h1:somethingelse")
    with pytest.raises(BuildError, match="not the pinned h1:somethingelse"):
        fetch(wanted)


def test_a_version_that_is_not_there_is_told() -> None:
    wanted = replace(next(published()), version="v0.0.1-nothing")
    with pytest.raises(BuildError, match=r"v0\.0\.1-nothing cannot be fetched"):
        fetch(wanted)
