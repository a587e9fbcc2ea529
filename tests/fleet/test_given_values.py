"""The environment in a Secret: what its configuration is called, and to whom it is given."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyfleet.fleet.given_values import Given, is_given_to
from polyfleet.fleet.objects.application import Application

maps = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["", "0", "1"]))


def application(**spec: Any) -> Application:
    document = {"metadata": {"name": "shop", "uid": "uid-1"}, "spec": {"name": "shop", **spec}}
    return msgspec.convert(document, Application)


@given(maps, maps)
def test_the_uuid_follows_the_values(one: dict[str, str], other: dict[str, str]) -> None:
    first = Given(one, "uid")
    assert (first.uuid == Given(other, "uid").uuid) == (one == other)
    assert Given(dict(reversed(one.items())), "uid").uuid == first.uuid


@given(maps)
def test_the_uuid_tells_nothing_to_who_guesses_the_values(values: dict[str, str]) -> None:
    assert Given(values, "uid-1").uuid != Given(values, "uid-2").uuid


@pytest.mark.parametrize(
    ("spec", "annotations", "given_to_it"),
    [
        ({}, None, True),
        ({}, {"other": "x"}, True),
        ({"createdAt": "2030-01-01T00:00:00.000000Z"}, None, False),
        ({"createdAt": "2030-01-01T00:00:00.000000Z"}, {"polyfleet.dev/given-to": "uid-1"}, True),
        ({"createdAt": "2030-01-01T00:00:00.000000Z"}, {"polyfleet.dev/given-to": "uid-0"}, False),
        ({}, {"polyfleet.dev/given-to": "uid-1"}, True),
        ({}, {"polyfleet.dev/given-to": "uid-0"}, False),
        ({}, {"polyfleet.dev/given-to": ""}, False),
    ],
)
def test_it_is_given_to_what_kubectl_made_or_to_whom_it_names(
    spec: dict[str, str], annotations: dict[str, str] | None, *, given_to_it: bool
) -> None:
    metadata = {"name": "app-shop-config", "annotations": annotations}
    assert is_given_to(application(**spec), metadata) is given_to_it
