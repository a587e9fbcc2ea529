"""JSON kept as text."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, structs

from polyfleet.fleet.claims import ClaimedName, claimed_by
from polyfleet.fleet.device_credentials import has_clear_text
from polyfleet.fleet.json_text import DEEPEST, is_json, is_object, shallow
from polyfleet.fleet.objects.device import Device, DeviceSpec
from polyfleet.fleet.objects.metadata import ObjectMeta
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


@pytest.mark.parametrize("levels", [950, 20_000])
def test_data_of_any_depth_is_read_for_what_it_says_above(levels: int) -> None:
    deep = nested(levels, '"x"')
    text = (
        '{"spec":{"core":{"disabled":true,"a":%s},"alias":["b"],"credentials":{"credentials":%s}}}'
    )
    data = Raw((text % (deep, deep)).encode())
    spec = DeviceSpec(application="app", device_id="d", data=data)
    assert spec.disabled
    found = Device(metadata=ObjectMeta(name="d"), spec=spec)
    assert claimed_by(found) == {ClaimedName("Alias", "b", "app")}
    assert has_clear_text(data)
