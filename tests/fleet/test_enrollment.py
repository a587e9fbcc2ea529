"""Letting devices in."""

from polyfleet.fleet.enrollment import (
    Admit,
    Limits,
    Refuse,
    Replace,
    admit,
    device_spec,
    is_accepted,
    rotated_spec,
)
from tests.fleet import make

LIMITS = Limits(per_source=3, per_device=2, total=4)


def test_there_is_room_at_first() -> None:
    assert admit([], make.enrollment("new"), LIMITS) == Admit()


def test_an_enrollment_that_is_there_already_needs_no_room() -> None:
    full = [make.enrollment(f"e{n}", device_id=f"d{n}", source=f"192.0.2.{n}") for n in range(4)]

    assert admit(full[1:], make.enrollment("e1", device_id="d9"), LIMITS) == Admit()


def test_one_address_cannot_ask_for_too_many_devices() -> None:
    crowd = [make.enrollment(f"e{n}", device_id=f"d{n}") for n in range(3)]

    decision = admit(crowd, make.enrollment("new", device_id="d9"), LIMITS)

    assert isinstance(decision, Refuse)
    assert "this address" in decision.reason


def test_one_device_id_cannot_be_asked_for_with_too_many_keys() -> None:
    crowd = [make.enrollment(f"e{n}", source=f"192.0.2.{n}") for n in range(2)]

    decision = admit(crowd, make.enrollment("new", source="192.0.2.9"), LIMITS)

    assert isinstance(decision, Refuse)
    assert "this device id" in decision.reason


def test_when_all_is_full_the_newest_of_the_most_crowded_source_goes() -> None:
    old = make.enrollment("old", device_id="a", creation_timestamp="2026-01-01T00:00:00Z")
    new = make.enrollment("new", device_id="b", creation_timestamp="2026-01-03T00:00:00Z")
    mid = make.enrollment("mid", device_id="c", creation_timestamp="2026-01-02T00:00:00Z")
    lone = make.enrollment("lone", device_id="d", source="192.0.2.7")

    decision = admit(
        [old, new, mid, lone], make.enrollment("x", device_id="x", source="192.0.2.8"), LIMITS
    )

    assert decision == Replace(new)


def test_a_source_as_crowded_as_any_gets_no_room() -> None:
    crowd = [make.enrollment(f"e{n}", device_id=f"d{n}", source=f"192.0.2.{n}") for n in range(4)]

    decision = admit(crowd, make.enrollment("x", device_id="x", source="192.0.2.1"), LIMITS)

    assert isinstance(decision, Refuse)


def test_an_approved_enrollment_never_goes() -> None:
    crowd = [
        make.enrollment(f"e{n}", device_id=f"d{n}", approval="Approved", source=f"192.0.2.{n // 2}")
        for n in range(4)
    ]

    decision = admit(crowd, make.enrollment("x", device_id="x", source="192.0.2.9"), LIMITS)

    assert isinstance(decision, Refuse)


def test_an_accepted_enrollment_becomes_a_device() -> None:
    asked = make.enrollment(device_id="d1", metadata=[make.attribute("device_type", "foo")])

    assert device_spec(asked, make.NOW) == {
        "application": "default",
        "deviceId": "d1",
        "createdAt": "2026-03-01T12:00:00.000000Z",
        "publicKeys": ["key"],
        "enrolled": {
            "at": "2026-03-01T12:00:00.000000Z",
            "metadata": [make.attribute("device_type", "foo")],
        },
    }


def test_a_rotation_changes_the_key_and_what_was_said_when_asking_only() -> None:
    assert set(rotated_spec(make.enrollment(), make.NOW)) == {"publicKeys", "enrolled"}


def test_a_device_with_the_key_alone_is_what_was_asked_for() -> None:
    assert is_accepted(make.enrollment(public_key="k"), make.device(public_keys=("k",)))
    assert not is_accepted(make.enrollment(public_key="k"), make.device(public_keys=("k", "l")))
