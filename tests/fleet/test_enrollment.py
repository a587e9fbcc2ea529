"""What a device that asked becomes."""

from polyfleet.fleet.enrollment import device_spec, is_accepted, rotated_spec
from tests.fleet import make


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
