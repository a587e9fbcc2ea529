"""JSON kept as text."""

import pytest
from msgspec import structs

from polyfleet.fleet.json_text import is_json, is_object
from polyfleet.fleet.resolve.node import node_of
from tests.fleet.make import package

DEEP = "[" * 30_000 + "]" * 30_000


@pytest.mark.parametrize("text", ["1", "1.0", '"1"', "null", "[]", "{}", "9" * 5000, "1e999"])
def test_any_json_is_json(text: str) -> None:
    assert is_json(text)


@pytest.mark.parametrize("text", ["", "{", "NaN", "'a'", "{nope", "1 2", DEEP])
def test_what_is_no_json_is_not(text: str) -> None:
    assert not is_json(text)
    assert not is_object(text)


def test_only_an_object_is_an_object() -> None:
    assert is_object("{}")
    assert not is_object("[]")
    assert not is_object("1")


def test_metadata_of_any_depth_does_not_stop_a_decision() -> None:
    item = package("deep", "1.0.0")
    item = structs.replace(item, spec=structs.replace(item.spec, metadata=DEEP))
    assert node_of(item).metadata == {}
