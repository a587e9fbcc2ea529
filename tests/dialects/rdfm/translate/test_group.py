"""Groups in RDFM's words."""

import json

import pytest

from polyfleet.api.dialects.rdfm.translate import group, wire
from polyfleet.fleet.objects.group import DeviceGroup, DeviceGroupSpec
from polyfleet.fleet.objects.metadata import ObjectMeta

GROUP = DeviceGroup(
    metadata=ObjectMeta(name="g", labels={"polyfleet.dev/serial": "3"}),
    spec=DeviceGroupSpec(
        application="default",
        name="canary",
        created_at="2023-08-14T11:50:40.000000Z",
        metadata='{"n":1.0,"description":"A test group"}',
    ),
)


def test_a_group_has_exactly_the_documented_keys() -> None:
    shown = json.loads(
        wire.encode(group.document(GROUP, devices=[9, 2], packages=[5, 1], priority=False))
    )
    assert shown == {
        "id": 3,
        "created": "Mon, 14 Aug 2023 11:50:40 GMT",
        "devices": [2, 9],
        "packages": [5, 1],
        "metadata": {"description": "A test group", "n": 1.0, "rdfm.group.name": "canary"},
        "policy": "no_update,",
    }


def test_the_second_version_shows_the_priority_too() -> None:
    shown = group.document(GROUP, devices=[], packages=[], priority=True)
    assert shown["priority"] == 25


@pytest.mark.parametrize("name", ["canary", "Füße 1", "x" * 253, "a/b"])
def test_a_name_in_the_metadata_names_the_group(name: str) -> None:
    assert group.wire_name({"rdfm.group.name": name}) == name


@pytest.mark.parametrize("name", [None, "", " x", "x\n", "x" * 254, 7, ["x"], {"a": 1}])
def test_a_name_that_does_not_fit_is_passed_over(name: object) -> None:
    assert group.wire_name({"rdfm.group.name": name}) is None


def test_metadata_without_a_name_names_nothing() -> None:
    assert group.wire_name({}) is None
