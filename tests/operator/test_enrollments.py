"""Letting devices in by `kubectl patch`."""

from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from polyfleet.fleet.names import object_name


@pytest.fixture(scope="session")
def new_key() -> Callable[[], str]:
    def make() -> str:
        key = rsa.generate_private_key(65537, 1024).public_key()  # noqa: S505 - quick to make
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    return make


def device_of(fleet: Any, device_id: str) -> dict[str, Any] | None:
    found = [item for item in fleet.all("Device") if item["spec"]["deviceId"] == device_id]
    assert len(found) < 2
    return found[0] if found else None


def test_an_approved_device_is_let_in(fleet: Any, unique: str, new_key: Callable[[], str]) -> None:
    key = new_key()
    metadata = [{"name": "rdfm.hardware.devtype", "value": {"string": "kettle"}}]
    fleet.create("Enrollment", unique, publicKey=key, metadata=metadata)
    fleet.patch("Enrollment", unique, spec={"approval": "Approved"})
    fleet.gone("Enrollment", unique)
    device = device_of(fleet, unique)
    assert device is not None
    assert device["spec"]["publicKeys"] == [key]
    assert device["spec"]["enrolled"]["metadata"] == metadata
    fleet.comes_to(
        "Application",
        "default",
        lambda _: f"device {unique} was let in" in fleet.events("EnrollmentApproved"),
    )


def test_a_denied_device_stays_outside(fleet: Any, unique: str, new_key: Callable[[], str]) -> None:
    fleet.create("Enrollment", f"{unique}a", publicKey=new_key(), approval="Denied")
    fleet.create("Enrollment", f"{unique}b", publicKey=new_key(), approval="Approved")
    fleet.gone("Enrollment", f"{unique}b")
    assert fleet.get("Enrollment", f"{unique}a") is not None
    assert device_of(fleet, f"{unique}a") is None


def test_a_key_that_would_replace_another_shows(
    fleet: Any, unique: str, new_key: Callable[[], str]
) -> None:
    old, new = new_key(), new_key()
    fleet.create("Enrollment", unique, publicKey=new)
    fleet.create("Device", unique, publicKeys=[old])
    message = fleet.condition("Enrollment", unique, "KeyChange", "True", "ExistingDevice")
    assert unique in message
    fleet.comes_to("Enrollment", unique, lambda _: bool(fleet.events("KeyChange")))
    fleet.patch("Enrollment", unique, spec={"approval": "Approved"})
    fleet.gone("Enrollment", unique)
    assert device_of(fleet, unique)["spec"]["publicKeys"] == [new]  # type: ignore[index]


def test_the_warning_ends_when_the_other_device_is_deleted(
    fleet: Any, unique: str, new_key: Callable[[], str]
) -> None:
    fleet.create("Device", unique, publicKeys=[new_key()])
    fleet.create("Enrollment", unique, publicKey=new_key())
    fleet.condition("Enrollment", unique, "KeyChange", "True", "ExistingDevice")
    fleet.delete("Device", unique)
    fleet.condition("Enrollment", unique, "KeyChange", "False", "SameKey")


def test_a_key_that_is_none_cannot_be_approved(fleet: Any, unique: str) -> None:
    fleet.create("Enrollment", unique, publicKey="not PEM", approval="Approved")
    message = fleet.condition("Enrollment", unique, "Ready", "False", "InvalidKey")
    assert "PEM" in message
    assert device_of(fleet, unique) is None


def test_an_approval_that_cannot_be_carried_out_says_why(
    fleet: Any, unique: str, new_key: Callable[[], str]
) -> None:
    taken = object_name("Device", "default", unique)
    fleet.create("Device", taken, deviceId="of another name")
    fleet.create("Enrollment", unique, publicKey=new_key(), approval="Approved")
    fleet.condition("Enrollment", unique, "Ready", "False", "NotAccepted")
    fleet.delete("Device", taken)
    fleet.gone("Enrollment", unique)
    assert device_of(fleet, unique) is not None


def test_a_question_that_nobody_asks_any_more_is_dropped(
    own_fleet: Any, start_operator: Any, new_key: Callable[[], str]
) -> None:
    own_fleet.create("Enrollment", "gone", publicKey=new_key())
    own_fleet.create("Enrollment", "asking", publicKey=new_key(), approval="Denied")
    own_fleet.set_status("Enrollment", "asking", lastAppeared="2090-01-01T00:00:00Z")
    with start_operator(own_fleet.namespace, enrollment_lifetime=1):
        own_fleet.gone("Enrollment", "gone")
        assert own_fleet.get("Enrollment", "asking") is not None
        own_fleet.set_status("Enrollment", "asking", lastAppeared="2020-01-01T00:00:00Z")
        own_fleet.gone("Enrollment", "asking")


def test_what_a_dead_facade_left_of_an_acceptance_goes(
    fleet: Any, unique: str, new_key: Callable[[], str]
) -> None:
    key = new_key()
    fleet.create("Device", unique, publicKeys=[key])
    fleet.create("Enrollment", unique, publicKey=key)
    fleet.gone("Enrollment", unique)
    device = device_of(fleet, unique)
    assert device is not None
    assert device["spec"]["publicKeys"] == [key]
