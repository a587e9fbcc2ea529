"""Which names an object claims, and for how long a claim is believed."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from polyfleet.fleet.claims import YOUNG, ClaimedName, claimed_by, is_needed
from polyfleet.fleet.objects.application import Application, ApplicationSpec
from polyfleet.fleet.objects.claim import Claim, ClaimHolder, ClaimSpec
from polyfleet.fleet.objects.device import Device, DeviceSpec
from polyfleet.fleet.objects.metadata import ManagedFields, ObjectMeta

BORN = datetime(2030, 1, 1, tzinfo=UTC)
OLD = BORN + YOUNG


def a_device(spec: Any, **meta: Any) -> Device:
    data = msgspec.Raw(json.dumps({"spec": spec}).encode())
    return Device(
        metadata=ObjectMeta(name="d", uid="u1", **meta),
        spec=DeviceSpec(application="app", device_id="d", data=data),
    )


def a_claim(name: ClaimedName, uid: str | None = None) -> Claim:
    holder = ClaimHolder(kind="Device", name="d", uid=uid)
    return Claim(
        metadata=ObjectMeta(name=name.object_name, creation_timestamp="2030-01-01T00:00:00Z"),
        spec=ClaimSpec(type=name.type, value=name.value, holder=holder, application="app"),
    )


ALIAS = ClaimedName("Alias", "x", "app")


def test_aliases_and_unique_user_names_are_claimed() -> None:
    users = [
        {"user": {"username": "u", "unique": True}},
        {"user": {"username": "v"}},
        {"user": {"username": "x", "unique": True}},
    ]
    spec = {"alias": ["x", "y"], "authentication": {"credentials": users}}
    assert claimed_by(a_device(spec)) == {
        ALIAS,
        ClaimedName("Alias", "y", "app"),
        ClaimedName("UserName", "u", "app"),
    }


def test_an_alias_and_a_user_name_share_one_space() -> None:
    assert ALIAS.object_name == ClaimedName("UserName", "x", "app").object_name
    assert ALIAS.object_name != ClaimedName("Alias", "x", "other").object_name


@pytest.mark.parametrize(
    "spec", [None, 1, [], {"alias": 1}, {"alias": [1]}, {"credentials": {"credentials": [1]}}]
)
def test_odd_data_claims_nothing(spec: Any) -> None:
    assert claimed_by(a_device(spec)) == frozenset()


def test_subjects_of_valid_anchors_are_claimed_everywhere() -> None:
    anchors = [{"valid": {"subject": "CN=a"}}, {"invalid": {}}, 1]
    data = msgspec.Raw(json.dumps({"status": {"trustAnchors": {"anchors": anchors}}}).encode())
    application = Application(
        metadata=ObjectMeta(name="app"), spec=ApplicationSpec(name="app", data=data)
    )
    assert claimed_by(application) == {ClaimedName("Subject", "CN=a", "")}


@pytest.mark.parametrize("uid", [None, "u1"])
def test_a_claim_is_needed_while_its_holder_has_the_name(uid: str | None) -> None:
    assert is_needed(a_claim(ALIAS, uid), a_device({"alias": ["x"]}), OLD)


def test_a_claim_is_not_needed_once_nobody_has_the_name() -> None:
    for holder in (None, a_device({}), a_device({"alias": ["y"]})):
        assert not is_needed(a_claim(ALIAS), holder, OLD)


def test_a_claim_of_an_earlier_device_is_not_needed() -> None:
    assert not is_needed(a_claim(ALIAS, "u0"), a_device({"alias": ["x"]}), OLD)


def test_a_young_claim_is_believed() -> None:
    assert is_needed(a_claim(ALIAS), None, OLD - timedelta(microseconds=1))


def test_a_claim_that_was_written_again_is_young_again() -> None:
    claim = a_claim(ALIAS)
    written = (ManagedFields(time="2030-01-01T00:30:00Z"),)
    kept = msgspec.structs.replace(
        claim, metadata=msgspec.structs.replace(claim.metadata, managed_fields=written)
    )
    again = BORN + timedelta(minutes=30)
    assert is_needed(kept, None, again + YOUNG - timedelta(microseconds=1))
    assert not is_needed(kept, None, again + YOUNG)


def test_a_deleted_device_that_is_held_keeps_its_names() -> None:
    held = a_device({"alias": ["x"]}, deletion_timestamp="2030", finalizers=("f",))
    assert is_needed(a_claim(ALIAS), held, OLD)
