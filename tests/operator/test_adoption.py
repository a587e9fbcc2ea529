"""What happens to objects that somebody makes or labels with kubectl."""

from typing import Any

import pytest

from polyfleet.fleet.membership import parse_value


def labels(item: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = item["metadata"].get("labels", {})
    return found


def test_a_device_gets_a_serial_and_the_label_of_its_application(fleet: Any, unique: str) -> None:
    fleet.create("Device", unique)
    device = fleet.adopted("Device", unique)
    assert labels(device)["polyfleet.dev/application"] == "default"


def test_groups_packages_and_users_get_serials_of_their_own(fleet: Any, unique: str) -> None:
    for kind in ("DeviceGroup", "Package", "User"):
        fleet.create(kind, unique)
        item = fleet.comes_to(kind, unique, lambda item: "serial" in item.get("status", {}))
        assert labels(item)["polyfleet.dev/serial"] == str(item["status"]["serial"])


def test_nothing_of_the_framework_is_left_on_objects(fleet: Any, unique: str) -> None:
    fleet.create("DeviceGroup", unique)
    fleet.condition("DeviceGroup", unique, "Ready", "True", "Reconciled")
    group = fleet.get("DeviceGroup", unique)
    assert group["metadata"]["finalizers"] == ["polyfleet.dev/operator"]
    assert "annotations" not in group["metadata"]
    assert group["status"].keys() == {"conditions", "members", "observedGeneration", "serial"}


def test_a_lost_serial_of_a_group_is_restored(fleet: Any, unique: str) -> None:
    fleet.create("DeviceGroup", unique)
    group = fleet.comes_to("DeviceGroup", unique, lambda item: "serial" in item.get("status", {}))
    fleet.patch("DeviceGroup", unique, metadata={"labels": {"polyfleet.dev/serial": None}})
    fleet.comes_to("DeviceGroup", unique, lambda item: labels(item) == labels(group))


def test_a_serial_claimed_twice_stays_with_the_older_device(fleet: Any, unique: str) -> None:
    fleet.create("Device", unique)
    serial = labels(fleet.adopted("Device", unique))["polyfleet.dev/serial"]
    younger = {"createdAt": "2090-01-01T00:00:00.000000Z"}
    fleet.create("Device", f"{unique}b", labels={"polyfleet.dev/serial": serial}, **younger)
    fleet.comes_to(
        "Device", f"{unique}b", lambda item: labels(item)["polyfleet.dev/serial"] != serial
    )
    assert labels(fleet.get("Device", unique))["polyfleet.dev/serial"] == serial


def test_a_serial_that_is_no_number_is_replaced(fleet: Any, unique: str) -> None:
    fleet.create("Device", unique, labels={"polyfleet.dev/serial": "first"})
    fleet.adopted("Device", unique)


def test_chosen_attributes_are_mirrored_as_labels(fleet: Any, unique: str) -> None:
    fleet.create("Device", unique, attributes=[{"name": "ring", "value": {"string": "early"}}])
    fleet.comes_to(
        "Device", unique, lambda item: labels(item).get("attr.polyfleet.dev/ring") == "early"
    )
    fleet.patch("Device", unique, spec={"attributes": []})
    fleet.comes_to("Device", unique, lambda item: "attr.polyfleet.dev/ring" not in labels(item))


@pytest.mark.parametrize("text", ["12", "0012", "9223372036854775807", "x"])
def test_a_serial_changed_by_hand_is_put_back(fleet: Any, unique: str, text: str) -> None:
    fleet.create("DeviceGroup", unique)
    group = fleet.comes_to("DeviceGroup", unique, lambda item: "serial" in item.get("status", {}))
    right = group["status"]["serial"]
    fleet.patch("DeviceGroup", unique, metadata={"labels": {"polyfleet.dev/serial": text}})
    fleet.comes_to(
        "DeviceGroup", unique, lambda item: labels(item)["polyfleet.dev/serial"] == str(right)
    )
    assert fleet.get("DeviceGroup", unique)["status"]["serial"] == right


@pytest.mark.parametrize("text", [None, "abc", "0", "9007199254740991"])
def test_a_device_keeps_its_serial_whatever_becomes_of_the_label(
    fleet: Any, unique: str, text: str | None
) -> None:
    fleet.create("Device", unique)
    right = labels(fleet.adopted("Device", unique))["polyfleet.dev/serial"]
    for _ in range(2):  # the second time it is in the status
        fleet.patch("Device", unique, metadata={"labels": {"polyfleet.dev/serial": text}})
        found = fleet.comes_to(
            "Device", unique, lambda item: labels(item)["polyfleet.dev/serial"] == right
        )
        fleet.comes_to("Device", unique, lambda item: item["status"]["serial"] == int(right))
    assert found["metadata"]["uid"] == fleet.get("Device", unique)["metadata"]["uid"]


def test_no_device_takes_the_serial_of_another_by_an_edit(fleet: Any, unique: str) -> None:
    first, second = (f"{unique}{letter}" for letter in "ab")
    right = {}
    for name in (first, second):
        fleet.create("Device", name)
        right[name] = labels(fleet.adopted("Device", name))["polyfleet.dev/serial"]
    taken = {"polyfleet.dev/serial": right[second]}
    fleet.patch("Device", first, metadata={"labels": taken})  # the older one
    fleet.comes_to("Device", first, lambda item: item["status"]["serial"] == int(right[first]))
    for name in (first, second):
        assert labels(fleet.get("Device", name))["polyfleet.dev/serial"] == right[name]


def test_a_device_whose_remembered_serial_belongs_to_another_gets_a_new_one(
    fleet: Any, unique: str
) -> None:
    fleet.create("Device", f"{unique}a")
    taken = int(labels(fleet.adopted("Device", f"{unique}a"))["polyfleet.dev/serial"])
    fleet.create("Device", f"{unique}b", createdAt="2040-01-01T00:00:00.000000Z")
    fleet.adopted("Device", f"{unique}b")
    fleet.set_status("Device", f"{unique}b", serial=taken)
    device = fleet.comes_to("Device", f"{unique}b", lambda item: item["status"]["serial"] != taken)
    assert labels(device)["polyfleet.dev/serial"] == str(device["status"]["serial"])
    assert labels(fleet.get("Device", f"{unique}a"))["polyfleet.dev/serial"] == str(taken)


def test_a_group_label_set_by_hand_becomes_a_membership(fleet: Any, unique: str) -> None:
    fleet.create("DeviceGroup", unique)
    fleet.create("Device", unique)
    key, beside = (f"{word}.polyfleet.dev/{unique}" for word in ("group", "joined"))
    fleet.patch("Device", unique, metadata={"labels": {key: "true"}})
    device = fleet.comes_to("Device", unique, lambda item: parse_value(labels(item)[beside]))
    assert labels(device)[key] == "true"
    fleet.comes_to("DeviceGroup", unique, lambda item: item["status"].get("members") == 1)
    fleet.patch("Device", unique, metadata={"labels": {key: None}})
    fleet.comes_to("DeviceGroup", unique, lambda item: item["status"]["members"] == 0)
    fleet.comes_to("Device", unique, lambda item: beside not in labels(item))


def test_a_label_of_a_group_that_is_made_later_counts_then(fleet: Any, unique: str) -> None:
    key = f"group.polyfleet.dev/{unique}"
    fleet.create("Device", unique, labels={key: "true"})
    fleet.adopted("Device", unique)
    assert labels(fleet.get("Device", unique))[key] == "true"
    fleet.create("DeviceGroup", unique)
    beside = f"joined.polyfleet.dev/{unique}"
    fleet.comes_to("Device", unique, lambda item: parse_value(labels(item)[beside]) is not None)


def test_a_label_of_another_applications_group_does_not_count(fleet: Any, unique: str) -> None:
    fleet.create("Application", unique)
    fleet.create("DeviceGroup", unique, application=unique)
    key = f"group.polyfleet.dev/{unique}"
    fleet.create("Device", unique, labels={key: "true"})
    fleet.adopted("Device", unique)
    group = fleet.condition("DeviceGroup", unique, "Ready", "True", "Reconciled")
    assert group == ""
    assert labels(fleet.get("Device", unique))[key] == "true"
    assert fleet.get("DeviceGroup", unique)["status"]["members"] == 0


def test_a_membership_of_a_group_that_was_before_is_taken_away(fleet: Any, unique: str) -> None:
    fleet.create("DeviceGroup", unique)
    key = f"group.polyfleet.dev/{unique}"
    stale = "0123456789ab.1700000000000000"
    fleet.create("Device", unique, labels={key: stale})
    fleet.comes_to("Device", unique, lambda item: key not in labels(item))
    beside = f"joined.polyfleet.dev/{unique}"
    fleet.patch("Device", unique, metadata={"labels": {key: "true", beside: stale}})
    fleet.comes_to("Device", unique, lambda item: not labels(item).keys() & {key, beside})


def test_devices_that_share_an_id_are_told_apart_by_age(fleet: Any, unique: str) -> None:
    fleet.create("Device", f"{unique}a", deviceId=unique, createdAt="2020-01-01T00:00:00.000000Z")
    fleet.adopted("Device", f"{unique}a")
    fleet.create("Device", f"{unique}b", deviceId=unique, createdAt="2021-01-01T00:00:00.000000Z")
    message = fleet.condition("Device", f"{unique}b", "Unique", "False", "DuplicateId")
    assert f"{unique}a" in message
    assert "conditions" not in fleet.get("Device", f"{unique}a").get("status", {})
    fleet.delete("Device", f"{unique}a")
    fleet.condition("Device", f"{unique}b", "Unique", "True", "OnlyOne")


def test_a_device_in_two_groups_of_one_priority_says_which_is_active(
    fleet: Any, unique: str
) -> None:
    first, second = f"{unique}a", f"{unique}b"
    fleet.create("DeviceGroup", first)
    fleet.adopted("DeviceGroup", first)
    fleet.create("DeviceGroup", second)
    fleet.adopted("DeviceGroup", second)
    both = {f"group.polyfleet.dev/{name}": "true" for name in (first, second)}
    fleet.create("Device", unique, labels=both)
    message = fleet.condition("Device", unique, "GroupConflict", "True", "EqualPriority")
    assert message.endswith(f"{first} is active")
    fleet.patch("DeviceGroup", second, spec={"priority": 10})
    fleet.condition("Device", unique, "GroupConflict", "False", "NoConflict")


def test_a_selector_that_puts_a_device_into_a_second_group_is_noticed(
    fleet: Any, unique: str
) -> None:
    fleet.create("DeviceGroup", unique)
    labelled = {f"group.polyfleet.dev/{unique}": "true", "site": unique}
    fleet.create("Device", unique, labels=labelled)
    fleet.adopted("Device", unique)
    fleet.create("DeviceGroup", f"{unique}b", selector={"matchLabels": {"site": unique}})
    fleet.condition("Device", unique, "GroupConflict", "True", "EqualPriority")
    fleet.patch("Device", unique, metadata={"labels": {"site": None}})
    fleet.condition("Device", unique, "GroupConflict", "False", "NoConflict")
