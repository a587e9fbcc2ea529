"""JSON kept as text."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from polyfleet.fleet.json_text import DEEPEST, is_json, is_object, shallow
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


def nested(levels: int, core: str = "1") -> str:
    return '{"a":[' * (levels // 2) + core + "]}" * (levels // 2)


@given(st.lists(st.integers(0, 40).map(lambda n: n * 25) | st.text().map(json.dumps), max_size=8))
def test_what_is_too_deep_is_null_and_all_else_as_it_was(parts: list[Any]) -> None:
    kept = DEEPEST - 1  # within the list
    texts = [nested(part) if isinstance(part, int) else part for part in parts]
    wanted = [
        nested(kept - 1, '{"a":null}') if isinstance(part, int) and part > kept else text
        for part, text in zip(parts, texts, strict=True)
    ]
    assert shallow(f"[{','.join(texts)}]".encode()).decode() == f"[{','.join(wanted)}]"
